//! [`Target`]: what a WebSocket URL says (RFC 6455 §3).
//!
//! The grammar is that of RFC 3986, with the repairs that browsers make (WHATWG URL) where they
//! cannot change where a URL leads; what could is refused.

pub(crate) mod authority;
mod percent;

use crate::code::ErrorCode;
use crate::error::{Error, ErrorDetail};
use authority::{Authority, Host};
use percent::{percent_decode, percent_encode};
use std::fmt;
use std::net::IpAddr;

/// Where to connect to, and what to ask for there.
///
/// `Display` and `Debug` show the URL without user info, so that no password gets into a log.
///
/// ```
/// # use hybi_proto::Target;
/// let target = Target::parse("wss://example.com/chat?room=1")?;
/// assert_eq!((target.host(), target.port(), target.secure()), ("example.com", 443, true));
/// assert_eq!(target.path_and_query(), "/chat?room=1");
/// # Ok::<(), hybi_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Target {
    endpoint: Endpoint,
    path_and_query: String,
    authorization: Option<String>,
}

/// What is dialled.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Endpoint {
    Tcp { secure: bool, host: Host, port: u16 },
    Unix { path: String },
}

impl Target {
    /// Parses a URL: `ws`, `wss`, `http` (meaning `ws`), `https` (meaning `wss`), or
    /// `ws+unix:/path/to.sock:/path?query`.
    ///
    /// User info becomes Basic authentication. What a browser percent-encodes in a path or query
    /// (a space, say) is percent-encoded; percent-encoding that is there is kept. Dot segments are
    /// removed.
    ///
    /// # Errors
    /// [`Error::Usage`] with `WS_ERR_INVALID_URL`; the message says what is wrong. A fragment, a
    /// control character, an unusable port and a host with non-ASCII letters are refused.
    pub fn parse(url: &str) -> Result<Self, Error> {
        Target::parse_text(url)
            .map_err(|text| Error::Usage(ErrorDetail::new(ErrorCode::InvalidUrl, text)))
    }

    fn parse_text(url: &str) -> Result<Self, String> {
        refuse_characters(url)?;
        let Some((scheme, rest)) = split_scheme(url) else {
            let host_first = url.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
            let hint = if host_first { did_you_mean(url) } else { String::new() };
            return Err(format!("the URL has no scheme; it must begin with ws:// or wss://{hint}"));
        };
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            "ws+unix" => return Target::parse_unix(rest),
            other => return Err(unknown_scheme(other, rest, url)),
        };
        let Some(rest) = rest.strip_prefix("//") else {
            return Err(format!("the URL's scheme must be followed by //, as in {scheme}://host/"));
        };
        let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at(authority_end);
        let Authority { user_info, host, port } = Authority::parse(authority)?;
        let port = port.unwrap_or(default_port(secure));
        Ok(Target {
            endpoint: Endpoint::Tcp { secure, host, port },
            path_and_query: normal_path_and_query(path_and_query)?,
            authorization: user_info.map(|user_info| user_info.basic()),
        })
    }

    /// The rest of `ws+unix:/path/to.sock:/path?query`.
    fn parse_unix(rest: &str) -> Result<Self, String> {
        // WHATWG: an empty authority may be written out.
        let rest = match rest.strip_prefix("//") {
            Some(path) if path.starts_with('/') => path,
            Some(_) => {
                return Err("a ws+unix URL has no host; write ws+unix:/path/to.sock:/path".into());
            }
            None => rest,
        };
        let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let (socket, path) = path.split_once(':').unwrap_or((path, ""));
        if socket.is_empty() {
            return Err("the ws+unix URL has no path of a socket".to_owned());
        }
        if !path.is_empty() && !path.starts_with('/') {
            return Err(format!(
                "the path {path:?} after the socket of a ws+unix URL must begin with / (write a \
                 colon in the path of the socket as %3A)"
            ));
        }
        let decoded = String::from_utf8(percent_decode(socket))
            .map_err(|_| "the path of the socket is not UTF-8".to_owned())?;
        if decoded.contains('\0') {
            return Err("the path of the socket has a NUL character".to_owned());
        }
        Ok(Target {
            endpoint: Endpoint::Unix { path: decoded },
            path_and_query: normal_path_and_query(&format!("{path}{query}"))?,
            authorization: None,
        })
    }

    /// Whether TLS is to be used (`wss`, `https`).
    pub fn secure(&self) -> bool {
        matches!(self.endpoint, Endpoint::Tcp { secure: true, .. })
    }

    /// The host name in lower case, or the IP address, without brackets; `localhost` for a Unix
    /// socket.
    pub fn host(&self) -> &str {
        match &self.endpoint {
            Endpoint::Tcp { host, .. } => &host.text,
            Endpoint::Unix { .. } => "localhost",
        }
    }

    /// The host if it is an IP address.
    pub fn ip(&self) -> Option<IpAddr> {
        match &self.endpoint {
            Endpoint::Tcp { host, .. } => host.ip,
            Endpoint::Unix { .. } => None,
        }
    }

    /// The port; 80 or 443 if the URL has none.
    pub fn port(&self) -> u16 {
        match self.endpoint {
            Endpoint::Tcp { port, .. } => port,
            Endpoint::Unix { .. } => default_port(false),
        }
    }

    /// The value of `Host`: an IPv6 address in brackets, the default port omitted.
    pub fn host_header(&self) -> String {
        match &self.endpoint {
            Endpoint::Tcp { secure, host, port } => {
                let mut text = host.in_brackets();
                if *port != default_port(*secure) {
                    text.push(':');
                    text.push_str(&port.to_string());
                }
                text
            }
            Endpoint::Unix { .. } => "localhost".to_owned(),
        }
    }

    /// What to request: begins with `/`, and holds only visible ASCII characters.
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// The path of the Unix socket, percent-decoded; `None` for TCP.
    pub fn unix_path(&self) -> Option<&str> {
        match &self.endpoint {
            Endpoint::Unix { path } => Some(path),
            Endpoint::Tcp { .. } => None,
        }
    }

    /// The value of `Authorization` that the URL's user info makes (RFC 7617).
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    /// Whether both are the same place to trust: scheme, host and port, or the same Unix socket.
    pub fn same_origin(&self, other: &Target) -> bool {
        self.endpoint == other.endpoint
    }

    /// Resolves a `Location` (RFC 3986 §5.2), absolute or relative.
    ///
    /// User info is kept as long as the origin stays the same.
    ///
    /// # Errors
    /// [`Error::Handshake`] with `WS_ERR_INVALID_REDIRECT` for what [`parse`](Target::parse) would
    /// refuse, and for a way from TCP to a Unix socket.
    pub fn join(&self, location: &str) -> Result<Self, Error> {
        self.join_text(location).map_err(|text| {
            Error::handshake(
                ErrorCode::InvalidRedirect,
                format!("the redirect cannot be followed: {text}"),
            )
        })
    }

    fn join_text(&self, location: &str) -> Result<Self, String> {
        refuse_characters(location)?;
        let mut target = match &self.endpoint {
            _ if split_scheme(location).is_some() => Target::parse_text(location)?,
            Endpoint::Tcp { secure, .. } if location.starts_with("//") => {
                let scheme = if *secure { "wss" } else { "ws" };
                Target::parse_text(&format!("{scheme}:{location}"))?
            }
            Endpoint::Unix { .. } if location.starts_with("//") => {
                return Err("a location with a host needs a scheme after a Unix socket".to_owned());
            }
            _ => self.join_path(location)?,
        };
        // A server must not make its client talk to the services of the client's machine.
        if target.unix_path().is_some() && self.unix_path().is_none() {
            return Err("it leads from TCP to a Unix socket".to_owned());
        }
        if target.authorization.is_none() && self.same_origin(&target) {
            target.authorization.clone_from(&self.authorization);
        }
        Ok(target)
    }

    /// A reference that has a path, a query, or neither.
    fn join_path(&self, location: &str) -> Result<Self, String> {
        let base = self.path_and_query.as_str();
        let base_path = base.split('?').next().unwrap_or_default();
        let resolved = match location.as_bytes() {
            [] => base.to_owned(),
            [b'/', ..] => location.to_owned(),
            [b'?', ..] => format!("{base_path}{location}"),
            _ => {
                let directory = base_path.rfind('/').map_or("/", |end| &base_path[..=end]);
                format!("{directory}{location}")
            }
        };
        Ok(Target { path_and_query: normal_path_and_query(&resolved)?, ..self.clone() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Endpoint::Tcp { secure, .. } => {
                f.write_str(if *secure { "wss://" } else { "ws://" })?;
                f.write_str(&self.host_header())?;
            }
            Endpoint::Unix { path } => {
                f.write_str("ws+unix:")?;
                f.write_str(&percent_encode(path, |b| {
                    b"%:?#".contains(&b) || percent::in_path_set(b)
                }))?;
                f.write_str(":")?;
            }
        }
        f.write_str(&self.path_and_query)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

impl std::str::FromStr for Target {
    type Err = Error;
    fn from_str(url: &str) -> Result<Self, Error> {
        Target::parse(url)
    }
}

const fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// What no part of a URL may have, so that no message and no request line is forged by it.
fn refuse_characters(url: &str) -> Result<(), String> {
    if url.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        return Ok(());
    }
    // Browsers drop line breaks and tabs; here they come from a bug or from an attacker.
    if let Some((at, c)) = url.char_indices().find(|(_, c)| c.is_control()) {
        return Err(format!("the URL has the control character {c:?} at byte {at}"));
    }
    if url.contains('#') {
        return Err("the URL has a fragment (#), which RFC 6455 §3 forbids; write # as %23".into());
    }
    Ok(())
}

/// RFC 3986 §3.1: `ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ) ":"`.
fn split_scheme(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    let begins = scheme.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    (begins && scheme.bytes().all(legal)).then_some((scheme, rest))
}

fn unknown_scheme(scheme: &str, rest: &str, url: &str) -> String {
    let port_next = rest.starts_with(|c: char| c.is_ascii_digit());
    let hint = if port_next { did_you_mean(url) } else { String::new() };
    format!("the URL's scheme {scheme:?} is not one of ws, wss, http, https, ws+unix{hint}")
}

/// Proposes the scheme that was forgotten. Not if there is an `@`: what is before it may be a password.
fn did_you_mean(url: &str) -> String {
    match url.contains('@') {
        true => String::new(),
        false => format!(" (did you mean ws://{url} ?)"),
    }
}

/// Brings a path (empty, or beginning with `/`) and query to the form that is sent.
fn normal_path_and_query(text: &str) -> Result<String, String> {
    let (path, query) = text.split_at(text.find('?').unwrap_or(text.len()));
    if path.contains('\\') {
        // Browsers read it as a slash, other programs do not.
        return Err("the path has a backslash; write / or %5C".to_owned());
    }
    let path = percent_encode(path, percent::in_path_set);
    let may_have_dots = path.bytes().any(|b| matches!(b, b'.' | b'%'));
    let mut normal = match may_have_dots || path.is_empty() {
        true => remove_dot_segments(&path),
        false => path,
    };
    if let Some(query) = query.strip_prefix('?') {
        normal.push('?');
        normal.push_str(&percent_encode(query, percent::in_query_set));
    }
    Ok(normal)
}

/// RFC 3986 §5.2.4, with WHATWG's percent-encoded dots.
fn remove_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let dots = segment.to_ascii_lowercase().replace("%2e", ".");
        let is_last = segments.peek().is_none();
        match dots.as_str() {
            "." | ".." => {
                if dots == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests;
