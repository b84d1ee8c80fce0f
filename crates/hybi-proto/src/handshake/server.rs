//! [`ServerHandshake`]: from octets to a request.

use super::{HeadLimits, Refusal};
use http::Request;

/// Reads the head of a request from what arrives.
///
/// Any well-formed HTTP/1.1 request comes out, also one for a page; whether it is an opening
/// handshake is decided by [`Upgrade::check`](super::Upgrade::check).
///
/// ```
/// use hybi_proto::handshake::{encode_response, HeadLimits, ServerHandshake, Upgrade};
///
/// let mut input: &[u8] = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
///     Sec-WebSocket-Version: 13\r\n\r\n";
/// let mut handshake = ServerHandshake::new(HeadLimits::new());
/// let request = handshake.receive(&mut input).expect("well-formed").expect("complete");
/// let upgrade = Upgrade::of(&request).expect("an opening handshake");
/// let (negotiated, response) = upgrade.respond(None, None, &Default::default())?;
/// let mut out = Vec::new();
/// encode_response(&response.map(|()| ""), &mut out);
/// assert!(out.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
/// # Ok::<(), hybi_proto::Error>(())
/// ```
#[derive(Debug)]
pub struct ServerHandshake {}

impl ServerHandshake {
    /// A handshake of which nothing has arrived yet.
    pub fn new(limits: HeadLimits) -> Self {
        unimplemented!("{limits:?}")
    }

    /// Takes what has arrived; `None` if more is needed.
    ///
    /// `input` is advanced past exactly the head: what is left belongs to the connection.
    ///
    /// # Errors
    /// The [`Refusal`] to answer with: 400 for what is not an HTTP/1.1 request, 431 if it is larger
    /// than the limits allow, 505 for another major version of HTTP. The connection is then of no
    /// more use.
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<Option<Request<()>>, Refusal> {
        unimplemented!("{input:?}")
    }
}
