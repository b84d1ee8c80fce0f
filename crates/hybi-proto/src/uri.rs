//! [`Target`]: what a WebSocket URL says (RFC 6455 §3).

use crate::error::Error;
use std::net::IpAddr;

/// Where to connect to, and what to ask for there.
///
/// ```
/// use hybi_proto::Target;
/// let target = Target::parse("wss://example.com/chat?room=1")?;
/// assert_eq!((target.host(), target.port(), target.secure()), ("example.com", 443, true));
/// assert_eq!(target.path_and_query(), "/chat?room=1");
/// # Ok::<(), hybi_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {}

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
        unimplemented!("{url}")
    }

    /// Whether TLS is to be used (`wss`, `https`).
    pub fn secure(&self) -> bool {
        unimplemented!()
    }

    /// The host name in lower case, or the IP address, without brackets; `localhost` for a Unix
    /// socket.
    pub fn host(&self) -> &str {
        unimplemented!()
    }

    /// The host if it is an IP address.
    pub fn ip(&self) -> Option<IpAddr> {
        unimplemented!()
    }

    /// The port; 80 or 443 if the URL has none.
    pub fn port(&self) -> u16 {
        unimplemented!()
    }

    /// The value of `Host`: an IPv6 address in brackets, the default port omitted.
    pub fn host_header(&self) -> String {
        unimplemented!()
    }

    /// What to request: begins with `/`, and holds only visible ASCII characters.
    pub fn path_and_query(&self) -> &str {
        unimplemented!()
    }

    /// The path of the Unix socket, percent-decoded; `None` for TCP.
    pub fn unix_path(&self) -> Option<&str> {
        unimplemented!()
    }

    /// The value of `Authorization` that the URL's user info makes.
    pub fn authorization(&self) -> Option<&str> {
        unimplemented!()
    }

    /// Whether both are the same place to trust: scheme, host and port, or the same Unix socket.
    pub fn same_origin(&self, other: &Target) -> bool {
        unimplemented!("{other:?}")
    }

    /// Resolves a `Location` (RFC 3986 §5.2), absolute or relative.
    ///
    /// User info is kept as long as the origin stays the same.
    ///
    /// # Errors
    /// As for [`parse`](Target::parse), with `WS_ERR_INVALID_REDIRECT`.
    pub fn join(&self, location: &str) -> Result<Self, Error> {
        unimplemented!("{location}")
    }
}
