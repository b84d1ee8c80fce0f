//! [`HttpConnect`]: a tunnel through an HTTP proxy (RFC 9110 §9.3.6).

use super::{Progress, ProxyUrl, ended, refuse_unix};
use crate::error::Error;
use crate::handshake::HeadLimits;
use crate::handshake::body::BodyReader;
use crate::handshake::headers::{encode, is_owned};
use crate::handshake::http1::{HeadReader, Kind, parse_response};
use crate::uri::Target;
use http::{HeaderMap, Response, StatusCode, header};
use std::fmt;
use std::net::IpAddr;

/// How much of the page that explains a refusal is read, in bytes.
const MAX_BODY: usize = 4096;

/// How much of it gets into the message, in characters.
const SHOWN_BODY: usize = 200;

/// The dialogue with an HTTP proxy.
pub struct HttpConnect {
    authority: String,
    authorization: Option<String>,
    headers: HeaderMap,
    encoded: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Head { reader: HeadReader, interim: u8 },
    Refused { response: Response<()>, body: BodyReader },
    Open,
    Failed,
}

impl HttpConnect {
    /// The dialogue that opens a tunnel to this target.
    ///
    /// User info in the proxy's URL becomes Basic authentication. The proxy is given the name of the
    /// target, or the address if it has been `resolved`.
    ///
    /// # Errors
    /// [`Error::Usage`] if the target is a Unix socket.
    pub fn new(proxy: &ProxyUrl, target: &Target, resolved: Option<IpAddr>) -> Result<Self, Error> {
        refuse_unix(target)?;
        let host = match resolved.or(target.ip()) {
            Some(IpAddr::V6(ip)) => format!("[{ip}]"),
            Some(IpAddr::V4(ip)) => ip.to_string(),
            None => target.host().to_owned(),
        };
        Ok(HttpConnect {
            // RFC 9110 §9.3.6: the port is never left out.
            authority: format!("{host}:{}", target.port()),
            authorization: proxy.user_info.as_ref().map(|user_info| user_info.basic()),
            headers: HeaderMap::new(),
            encoded: false,
            state: State::Head {
                reader: HeadReader::new(Kind::ProxyResponse, HeadLimits::new()),
                interim: 0,
            },
        })
    }

    /// Adds headers to the request, for proxies that want more than Basic authentication.
    ///
    /// `Proxy-Authorization` replaces that of the proxy's URL.
    ///
    /// # Errors
    /// [`Error::Usage`] for `Host` and for headers that say where the request ends.
    pub fn headers(mut self, headers: HeaderMap) -> Result<Self, Error> {
        let refused = |name: &&http::HeaderName| is_owned(name) || *name == header::HOST;
        if let Some(name) = headers.keys().find(refused) {
            return Err(Error::usage(format!("the header {name} cannot be sent to a proxy")));
        }
        if headers.contains_key(header::PROXY_AUTHORIZATION) {
            self.authorization = None;
        }
        self.headers = headers;
        Ok(self)
    }

    /// Appends what is to be written now to `out`; the same octets are given only once.
    pub fn encode(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.encoded, true) {
            return;
        }
        let authority = self.authority.as_bytes();
        // INVARIANT: a host of `Target` has no line breaks.
        out.extend_from_slice(b"CONNECT ");
        out.extend_from_slice(authority);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        encode(&header::HOST, authority, out);
        if let Some(authorization) = &self.authorization {
            encode(&header::PROXY_AUTHORIZATION, authorization.as_bytes(), out);
        }
        for (name, value) in &self.headers {
            encode(name, value.as_bytes(), out);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Takes what has arrived from the proxy, and advances `input` past what was used.
    ///
    /// # Errors
    /// [`Error::Proxy`] if the proxy refuses (the message has the status and the beginning of the
    /// body), or does not speak HTTP/1.
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<Progress, Error> {
        let progress = self.advance(input);
        if progress.is_err() {
            self.state = State::Failed;
        }
        progress
    }

    /// The error for a proxy that closes the connection, or falls silent, before the tunnel is open.
    pub fn receive_eof(&mut self) -> Error {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Head { .. } => {
                Error::proxy("the proxy closed the connection without an answer to CONNECT")
            }
            State::Refused { response, body } => self.refusal(&response, body),
            State::Open | State::Failed => ended(),
        }
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<Progress, Error> {
        const MAX_INTERIM: u8 = 16;

        while let State::Head { reader, interim } = &mut self.state {
            let Some(response) = reader.receive(input, parse_response).map_err(|error| {
                Error::proxy(format!("the proxy's answer is refused: {}", error.into_text()))
            })?
            else {
                return Ok(Progress::Pending);
            };
            // §9.3.6: a length or coding in a successful response means nothing.
            if response.status().is_success() {
                self.state = State::Open;
                return Ok(Progress::Open);
            }
            if response.status().is_informational() {
                *interim += 1;
                if *interim > MAX_INTERIM {
                    return Err(Error::proxy(format!(
                        "the proxy sent more than {MAX_INTERIM} interim responses"
                    )));
                }
                continue;
            }
            let body = BodyReader::new(&response, MAX_BODY);
            self.state = State::Refused { response, body };
        }
        match &mut self.state {
            State::Refused { body, .. } => {
                body.receive(input);
                if body.is_done() { Err(self.receive_eof()) } else { Ok(Progress::Pending) }
            }
            State::Open => Ok(Progress::Open),
            State::Head { .. } | State::Failed => Err(ended()),
        }
    }

    fn refusal(&self, response: &Response<()>, body: BodyReader) -> Error {
        let status = response.status();
        let hint = match status {
            StatusCode::PROXY_AUTHENTICATION_REQUIRED if self.authorization.is_none() => {
                " (give user and password in the proxy's URL)"
            }
            _ => "",
        };
        let body = one_line(&body.into_bytes());
        let colon = if body.is_empty() { "" } else { ": " };
        Error::proxy(format!(
            "the proxy refused a tunnel to {} with status {status}{hint}{colon}{body}",
            self.authority
        ))
    }
}

/// Without the password.
impl fmt::Debug for HttpConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConnect")
            .field("authority", &self.authority)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// The beginning of a body as it may stand in a message: one line without control characters, and
/// without the tags of the page that it often is.
fn one_line(body: &[u8]) -> String {
    let mut in_tag = false;
    let text: String = String::from_utf8_lossy(body)
        .chars()
        .map(|c| match c {
            '<' => {
                in_tag = true;
                ' '
            }
            '>' => {
                in_tag = false;
                ' '
            }
            _ if in_tag => ' ',
            _ => c,
        })
        .collect();
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|w| !w.is_empty())
        .collect();
    let line = words.join(" ");
    match line.char_indices().nth(SHOWN_BODY) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
