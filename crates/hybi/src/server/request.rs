//! [`Request`]: what the client asked for, and from where.

use std::net::SocketAddr;
use std::ops::Deref;

/// The client's request: method, URI and headers (it is an [`http::Request`]), and where it came
/// from.
///
/// ```
/// # fn example(request: &hybi::server::Request) {
/// let path = request.uri().path();
/// let cookie = request.headers().get("cookie");
/// // Behind a proxy you trust, the client is the first address of this header:
/// let forwarded = request.headers().get("x-forwarded-for");
/// let address = request.peer_addr();
/// # }
/// ```
#[derive(Debug)]
pub struct Request {
    head: http::Request<()>,
    peer: Option<SocketAddr>,
}

impl Request {
    pub(crate) fn new(head: http::Request<()>, peer: Option<SocketAddr>) -> Self {
        Request { head, peer }
    }

    /// The address of the other end of the TCP connection: the client, or the last proxy. `None` if
    /// it did not come over TCP.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The first value of a header as text; `None` if it is missing or not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers().get(name)?.to_str().ok()
    }

    /// The request without the address.
    pub fn into_inner(self) -> http::Request<()> {
        self.head
    }
}

impl Deref for Request {
    type Target = http::Request<()>;
    fn deref(&self) -> &http::Request<()> {
        &self.head
    }
}
