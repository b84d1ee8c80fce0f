//! [`Origins`]: which web pages may connect.

use super::Refusal;
use http::StatusCode;
use std::net::Ipv6Addr;

/// Which web pages may connect.
///
/// A browser lets any page open a WebSocket to any server, and sends the server's cookies along
/// (RFC 6455 §10.2). Only the `Origin` header tells the server which page it is: where cookies decide
/// who somebody is, name the origins that may connect.
///
/// Clients that are not browsers send no `Origin` and are not restricted by this, nor could they be:
/// they can send any.
///
/// The default is [`any`](Self::any), as in `ws`.
///
/// ```
/// use hybi::server::{Acceptor, Origins};
/// let acceptor = Acceptor::new().origins(Origins::same_origin());
/// let acceptor = Acceptor::new().origins(Origins::list(["https://example.com"]));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Origins(Policy);

#[derive(Debug, Clone, Default)]
enum Policy {
    #[default]
    Any,
    Same,
    List(Vec<String>),
}

impl Origins {
    /// Every page, and every program, may connect.
    pub fn any() -> Self {
        Origins(Policy::Any)
    }

    /// Only pages from the host and port that the client addresses (the `Host` header).
    ///
    /// Behind a proxy this works if the proxy passes the `Host` header on; whether it speaks TLS to
    /// the browser does not matter.
    pub fn same_origin() -> Self {
        Origins(Policy::Same)
    }

    /// Only pages from these origins, each in the form `https://example.com` or
    /// `http://localhost:3000`. Without a scheme, `example.com` stands for `http` and `https`.
    ///
    /// What has another form could never be equal to an `Origin`: it is an
    /// [`Error::Usage`](crate::Error::Usage) when the server serves.
    pub fn list<I>(origins: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let origins = origins.into_iter().map(|origin| {
            let origin: String = origin.into();
            origin.trim_end_matches('/').to_owned()
        });
        Origins(Policy::List(origins.collect()))
    }

    /// What is wrong with the list: an entry that no `Origin` header can be equal to.
    pub(super) fn wrong(&self) -> Option<String> {
        let Policy::List(list) = &self.0 else { return None };
        let entry = list.iter().find(|entry| !is_origin(entry))?;
        Some(format!(
            "{entry:?} is not an origin: name scheme, host and port as in https://example.com or \
             http://localhost:3000, without a path or * (Origins::any allows all)"
        ))
    }

    /// True if a page from `origin` may connect to `host`, as the headers of these names have it.
    fn allow<'a>(&self, origin: &str, host: impl FnOnce() -> Option<&'a str>) -> bool {
        let Some((scheme, authority)) = split(origin) else {
            // `null` is the origin of pages that hide theirs.
            return matches!(self.0, Policy::Any);
        };
        match &self.0 {
            Policy::Any => true,
            Policy::Same => host().is_some_and(|host| same_authority(scheme, authority, host)),
            Policy::List(list) => list.iter().any(|allowed| match split(allowed) {
                Some((of, at)) => {
                    of.eq_ignore_ascii_case(scheme) && same_authority(scheme, authority, at)
                }
                None => {
                    default_port(scheme).is_some() && same_authority(scheme, authority, allowed)
                }
            }),
        }
    }

    /// # Errors
    /// The refusal, 403, if a page from `origin` may not connect.
    pub(super) fn check<'a>(
        &self,
        origin: Option<&str>,
        host: impl FnOnce() -> Option<&'a str>,
    ) -> Result<(), Refusal> {
        let Some(origin) = origin else { return Ok(()) };
        if self.allow(origin, host) {
            return Ok(());
        }
        let reason = format!("pages from {} may not connect here", origin.escape_default());
        Err(Refusal::new(StatusCode::FORBIDDEN, reason))
    }
}

fn split(origin: &str) -> Option<(&str, &str)> {
    origin.split_once("://")
}

/// Whether it has the form of an origin, with a scheme or without (RFC 6454 §6.2).
fn is_origin(entry: &str) -> bool {
    let (scheme, authority) = split(entry).unwrap_or(("https", entry));
    let (host, port) = host_and_port(authority);
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet));
    let is_host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok()),
        // Browsers write other letters as punycode.
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|octet| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet))
        }
    };
    is_scheme && is_host && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn default_port(scheme: &str) -> Option<&'static str> {
    match scheme {
        _ if scheme.eq_ignore_ascii_case("http") => Some("80"),
        _ if scheme.eq_ignore_ascii_case("https") => Some("443"),
        _ => None,
    }
}

/// Compares hosts and ports, a port that is left out being the one of the scheme (RFC 6454 §4).
fn same_authority(scheme: &str, one: &str, other: &str) -> bool {
    let (one, other) = (host_and_port(one), host_and_port(other));
    let port = |port: Option<_>| port.or(default_port(scheme));
    one.0.eq_ignore_ascii_case(other.0) && port(one.1) == port(other.1)
}

fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_origin_compares_host_and_port_and_knows_the_default_ports() {
        let same = |origin, host| Origins::same_origin().allow(origin, || Some(host));
        assert!(same("https://example.com", "example.com"));
        assert!(same("https://example.com", "EXAMPLE.com:443"));
        assert!(same("http://example.com:80", "example.com"));
        assert!(same("http://[::1]:8080", "[::1]:8080"));
        assert!(same("http://[::1]", "[::1]"));
        assert!(!same("https://example.com", "example.com:80"));
        assert!(!same("https://example.com:8443", "example.com"));
        assert!(!same("https://evil.example", "example.com"));
        assert!(!same("https://example.com.evil", "example.com"));
        assert!(!same("null", "null"));
        assert!(!Origins::same_origin().allow("https://example.com", || None));
    }

    #[test]
    fn a_list_compares_scheme_host_and_port() {
        let list = Origins::list(["https://example.com/", "http://localhost:3000", "both.example"]);
        let allow = |origin| list.allow(origin, || None);
        assert!(allow("https://example.com"));
        assert!(allow("https://Example.com:443"));
        assert!(allow("http://localhost:3000"));
        assert!(allow("http://both.example"));
        assert!(allow("https://both.example"));
        assert!(!allow("http://example.com"));
        assert!(!allow("http://localhost"));
        assert!(!allow("https://both.example:8443"));
        assert!(!allow("file://both.example"));
        assert!(!allow("https://sub.example.com"));
        assert!(!allow("null"));
        assert!(Origins::any().allow("null", || None));
    }

    #[test]
    fn what_is_no_origin_is_wrong_in_a_list() {
        let origins = [
            "https://example.com",
            "https://example.com/",
            "https://EXAMPLE.com:8443",
            "example.com",
            "localhost:3000",
            "http://[::1]:3000",
            "chrome-extension://abcdefgh_-~",
            "https://xn--bcher-kva.example",
        ];
        assert_eq!(Origins::list(origins).wrong(), None);
        assert_eq!(Origins::list([""; 0]).wrong(), None);
        for wrong in [
            "",
            "nonsense url",
            "*",
            "https://*.example.com",
            "https://example.com/chat",
            "https://user@example.com",
            "https://example.com:",
            "https://example.com:66000",
            "https://bücher.example",
            "http://::1",
            "http://[::1",
            "://example.com",
            "https://",
            "https://example.com\n",
        ] {
            let told = Origins::list(["https://example.com", wrong]).wrong();
            assert!(told.is_some_and(|told| told.contains("is not an origin")), "{wrong:?}");
        }
    }

    #[test]
    fn clients_that_send_no_origin_are_not_restricted() {
        assert!(Origins::same_origin().check(None, || Some("example.com")).is_ok());
        let refusal = Origins::same_origin().check(Some("https://a\n"), || Some("b")).unwrap_err();
        assert_eq!(refusal.status(), 403);
        assert!(refusal.body().contains("pages from https://a\\n may not connect here"));
    }
}
