//! [`Request`]: what the client asked for, and from where.

use hybi_proto::handshake::RequestHead;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::OnceLock;

/// The client's request: method, URI and headers (it is an [`http::Request`]), and where it came
/// from.
///
/// ```
/// # fn example(request: &hybi::server::Request) {
/// let path = request.uri().path();
/// let session = request.cookie("session");
/// let address = request.peer_addr();
/// # }
/// ```
///
/// **Behind a proxy** [`peer_addr`](Self::peer_addr) is the proxy's address, and where the client is
/// stands in `X-Forwarded-For`. Most proxies append to what the client sent there, which can be
/// forged: the client is the *last* address, the one that your own proxy has appended, and behind N
/// proxies of yours the Nth from the end. The first one is whatever the client says. Believe the
/// header only if the request came from your proxy, and mind that a header may come several times:
/// `examples/src/bin/behind_nginx.rs` in the repository does all of it.
///
/// ```
/// # fn example(request: &hybi::server::Request) -> Option<std::net::IpAddr> {
/// let last = request.headers().get_all("x-forwarded-for").iter().next_back()?;
/// let seen_by_proxy = last.to_str().ok()?.rsplit(',').next()?;
/// seen_by_proxy.trim().parse().ok()
/// # }
/// ```
pub struct Request(Box<Inner>);

/// Behind a pointer, because it is handed on from future to future.
struct Inner {
    /// Made of `head` when somebody asks for it: most handlers never do.
    request: OnceLock<http::Request<()>>,
    head: Option<RequestHead>,
    peer: Option<SocketAddr>,
}

impl Request {
    pub(crate) fn new(request: http::Request<()>, peer: Option<SocketAddr>) -> Self {
        Request(Box::new(Inner { request: request.into(), head: None, peer }))
    }

    pub(crate) fn of_head(head: RequestHead, peer: Option<SocketAddr>) -> Self {
        Request(Box::new(Inner { request: OnceLock::new(), head: Some(head), peer }))
    }

    /// The path of its URI.
    pub(crate) fn path(&self) -> &str {
        match &self.0.head {
            Some(head) => head.uri().path(),
            None => self.uri().path(),
        }
    }

    /// The address of the other end of the TCP connection: the client, or the last proxy (see
    /// [`Request`]). `None` if it did not come over TCP.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.peer
    }

    /// The first value of a header as text; `None` if it is missing or not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    /// The value of a cookie, as it was sent; `None` if there is no such cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        // RFC 6265 §4.2.1: pairs with `; ` between them; §5.4: in one header, yet HTTP/2 splits it.
        let headers = self.headers().get_all(http::header::COOKIE);
        let mut pairs = headers
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(';').filter_map(|pair| pair.trim().split_once('=')));
        pairs.find(|(cookie, _)| *cookie == name).map(|(_, value)| value)
    }

    /// The `Origin`: where the page comes from that wants to connect; `None` if it is no page.
    pub fn origin(&self) -> Option<&str> {
        // Version 8 has the header under another name.
        self.header("origin").or_else(|| self.header("sec-websocket-origin"))
    }

    /// The request without the address.
    pub fn into_inner(self) -> http::Request<()> {
        let Inner { request, head, .. } = *self.0;
        request.into_inner().unwrap_or_else(|| made_of(head.as_ref()))
    }
}

impl Deref for Request {
    type Target = http::Request<()>;
    fn deref(&self) -> &http::Request<()> {
        self.0.request.get_or_init(|| made_of(self.0.head.as_ref()))
    }
}

fn made_of(head: Option<&RequestHead>) -> http::Request<()> {
    // INVARIANT: there is one or the other from the beginning.
    head.map(RequestHead::to_request).unwrap_or_default()
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("head", &**self).field("peer", &self.0.peer).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let head = http::Request::builder()
            .header("cookie", "notid=1; id=a=b;other= c ")
            .header("cookie", "last=\"q\"")
            .body(())
            .unwrap();
        let request = Request::new(head, None);
        assert_eq!(request.cookie("id"), Some("a=b"));
        assert_eq!(request.cookie("other"), Some(" c"));
        assert_eq!(request.cookie("last"), Some("\"q\""));
        assert_eq!(request.cookie("tid"), None);
    }
}
