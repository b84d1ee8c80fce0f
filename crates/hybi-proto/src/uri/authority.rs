//! The part of a URL that says where to: user info, host and port (RFC 3986 §3.2).

use super::percent::percent_decode;
use data_encoding::BASE64;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host name in lower case, or an IP address without brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Host {
    pub(crate) text: String,
    pub(crate) ip: Option<IpAddr>,
}

/// User name and password, percent-decoded.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct UserInfo {
    pub(crate) user: Vec<u8>,
    pub(crate) password: Vec<u8>,
}

/// What RFC 3986 §3.2 calls the authority.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) user_info: Option<UserInfo>,
    pub(crate) host: Host,
    pub(crate) port: Option<u16>,
}

impl Authority {
    /// Parses `user:password@host:port`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (user_info, host_and_port) = match text.split_once('@') {
            Some((_, rest)) if rest.contains('@') => {
                return Err(
                    "there are several @ before the host; write one in user info as %40".to_owned()
                );
            }
            Some((user_info, rest)) => (UserInfo::parse(user_info)?, rest),
            None => (None, text),
        };
        let (host, port) = match host_and_port.strip_prefix('[') {
            Some(rest) => {
                let Some((address, rest)) = rest.split_once(']') else {
                    return Err("the IPv6 address has no closing bracket".to_owned());
                };
                match rest.strip_prefix(':') {
                    Some(port) => (Host::parse_ipv6(address)?, Some(port)),
                    None if rest.is_empty() => (Host::parse_ipv6(address)?, None),
                    None => return Err(format!("{rest:?} follows the IPv6 address")),
                }
            }
            None => match host_and_port.split_once(':') {
                Some((_, port)) if port.contains(':') => {
                    return Err(format!(
                        "{host_and_port:?} has several colons; write an IPv6 address in brackets"
                    ));
                }
                Some((host, port)) => (Host::parse_name(host)?, Some(port)),
                None => (Host::parse_name(host_and_port)?, None),
            },
        };
        let port = port.map(parse_port).transpose()?;
        Ok(Authority { user_info, host, port })
    }
}

impl Host {
    /// Parses a host that stands in brackets.
    fn parse_ipv6(text: &str) -> Result<Self, String> {
        if text.contains('%') {
            return Err(format!("the IPv6 address {text:?} has a zone, which URLs do not know"));
        }
        let ip: Ipv6Addr =
            text.parse().map_err(|_| format!("{text:?} in brackets is not an IPv6 address"))?;
        Ok(Host { text: ip.to_string(), ip: Some(ip.into()) })
    }

    /// Parses a host that stands without brackets: a name, or an IPv4 address.
    fn parse_name(text: &str) -> Result<Self, String> {
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return Ok(Host { text: text.to_owned(), ip: Some(ip.into()) });
        }
        if text.is_empty() {
            return Err("the URL has no host".to_owned());
        }
        if !text.is_ascii() {
            return Err(format!("the host {text:?} is not ASCII; give it in punycode (xn--...)"));
        }
        if text.contains('%') {
            return Err(format!("the host {text:?} is percent-encoded, which no host needs"));
        }
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if let Some(b) = text.bytes().find(|&b| !legal(b)) {
            return Err(format!("the host {text:?} has the character {:?}", char::from(b)));
        }
        let text = text.to_ascii_lowercase();
        // RFC 1035 §2.3.4, less the length octets; a trailing dot stands for the root.
        let name = text.strip_suffix('.').unwrap_or(&text);
        if name.len() > 253 || name.split('.').any(|label| label.is_empty() || label.len() > 63) {
            return Err(format!("the host {text:?} has an empty or too long part"));
        }
        // WHATWG: what ends in a number is an IPv4 address. Browsers would read `127.1` and `0x7f.1`
        // as 127.0.0.1; a resolver may, a filter before it may not.
        let last = name.rsplit('.').next().unwrap_or_default();
        let hex = last.strip_prefix("0x");
        let is_number = last.bytes().all(|b| b.is_ascii_digit())
            || hex.is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        if is_number {
            return Err(format!(
                "the host {text:?} is neither a name nor an IPv4 address like 127.0.0.1"
            ));
        }
        Ok(Host { text, ip: None })
    }

    /// The host as it stands before a port.
    pub(crate) fn in_brackets(&self) -> String {
        match self.ip {
            Some(IpAddr::V6(_)) => format!("[{}]", self.text),
            _ => self.text.clone(),
        }
    }
}

impl UserInfo {
    /// Parses what stands before the `@`; `None` if both parts are empty.
    fn parse(text: &str) -> Result<Option<Self>, String> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let (user, password) = (percent_decode(user), percent_decode(password));
        if user.is_empty() && password.is_empty() {
            return Ok(None);
        }
        // RFC 7617 §2: the first colon ends the user name; control characters are not allowed.
        if user.contains(&b':') {
            return Err(
                "the user name has a colon, which Basic authentication cannot carry".to_owned()
            );
        }
        if user.iter().chain(&password).any(u8::is_ascii_control) {
            return Err("the user info has a control character".to_owned());
        }
        Ok(Some(UserInfo { user, password }))
    }

    /// The credentials of Basic authentication (RFC 7617 §2).
    pub(crate) fn basic(&self) -> String {
        format!("Basic {}", BASE64.encode(&[&self.user[..], b":", &self.password].concat()))
    }
}

fn parse_port(digits: &str) -> Result<u16, String> {
    if digits.is_empty() {
        return Err("the port is empty; leave out the colon for the default port".to_owned());
    }
    let number = match digits.bytes().all(|b| b.is_ascii_digit()) {
        true => digits.parse().unwrap_or(u32::MAX),
        false => return Err(format!("the port {digits:?} is not a number")),
    };
    match u16::try_from(number) {
        Ok(0) => Err("the port 0 cannot be connected to".to_owned()),
        Ok(port) => Ok(port),
        Err(_) => Err(format!("the port {digits} is larger than 65535")),
    }
}
