//! [`ProxyUrl`]: where a proxy is, and what it speaks.

use crate::code::ErrorCode;
use crate::error::{Error, ErrorDetail};
use crate::uri::authority::{Authority, Host, UserInfo};
use std::fmt;
use std::net::IpAddr;

/// What a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyProtocol {
    /// HTTP/1.1 CONNECT (RFC 9110 §9.3.6).
    Http,
    /// SOCKS version 5 (RFC 1928).
    Socks5,
}

/// Where a proxy is, what it speaks, and who we are to it.
///
/// `Display` and `Debug` show the URL without user info, so that no password gets into a log.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl {
    protocol: ProxyProtocol,
    resolves_names: bool,
    pub(super) user_info: Option<UserInfo>,
    host: Host,
    port: u16,
}

impl ProxyUrl {
    /// Parses `http://user:password@host:port`, `socks5://…` or `socks5h://…`.
    ///
    /// As in curl: without a scheme `http` is meant, and `socks5h` lets the proxy resolve names where
    /// `socks5` gives it addresses. The default port is 80 for `http` and 1080 for SOCKS.
    ///
    /// # Errors
    /// [`Error::Usage`] with `WS_ERR_INVALID_URL`; the message says what is wrong.
    pub fn parse(url: &str) -> Result<Self, Error> {
        ProxyUrl::parse_text(url).map_err(|text| {
            let text = format!("the URL of the proxy is refused: {text}");
            Error::Usage(ErrorDetail::new(ErrorCode::InvalidUrl, text))
        })
    }

    fn parse_text(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let (protocol, resolves_names, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (ProxyProtocol::Http, true, 80),
            "socks5" => (ProxyProtocol::Socks5, false, 1080),
            "socks5h" => (ProxyProtocol::Socks5, true, 1080),
            other => return Err(format!("{other:?} is not one of http, socks5, socks5h")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err("it has more than a host and a port".to_owned());
        }
        let Authority { user_info, host, port } = Authority::parse(authority)?;
        let port = port.unwrap_or(default_port);
        Ok(ProxyUrl { protocol, resolves_names, user_info, host, port })
    }

    /// What the proxy speaks.
    pub fn protocol(&self) -> ProxyProtocol {
        self.protocol
    }

    /// Whether the proxy is given the name of the target (`http`, `socks5h`) rather than an address
    /// that the client has looked up (`socks5`).
    pub fn resolves_names(&self) -> bool {
        self.resolves_names
    }

    /// The proxy's host name in lower case, or its IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host.text
    }

    /// The proxy's host if it is an IP address.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.ip
    }

    /// The proxy's port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            ProxyProtocol::Http => "http",
            ProxyProtocol::Socks5 if self.resolves_names => "socks5h",
            ProxyProtocol::Socks5 => "socks5",
        };
        write!(f, "{scheme}://{}:{}", self.host.in_brackets(), self.port)
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({self})")
    }
}

impl std::str::FromStr for ProxyUrl {
    type Err = Error;
    fn from_str(url: &str) -> Result<Self, Error> {
        ProxyUrl::parse(url)
    }
}
