//! [`ClientHandshake`]: the request, and the judgement of the response (RFC 6455 §4.1).

use super::{Negotiated, RequestOptions};
use crate::error::Error;
use crate::uri::Target;
use bytes::Bytes;
use http::Response;

/// How the opening handshake ended.
#[derive(Debug)]
pub enum Outcome {
    /// The connection is open: what is left of the input are the first frames.
    Open {
        /// What both sides agreed on.
        negotiated: Negotiated,
        /// The 101 response, for its headers.
        response: Response<()>,
    },
    /// The server says where to go instead; only if the options
    /// [follow redirects](RequestOptions::follow_redirects).
    ///
    /// [`Target::join`] resolves the location, [`RequestOptions::redirected`] drops what must not
    /// go there, and a new handshake needs a new connection and a new nonce.
    Redirect {
        /// The value of `Location`, perhaps relative.
        location: String,
        /// The whole head.
        response: Response<()>,
    },
    /// The server answered with another status than 101; the body is cut at
    /// [`RequestOptions::max_rejection_body`].
    Rejected(Response<Bytes>),
}

/// The client's half of the opening handshake.
///
/// ```
/// use hybi_proto::handshake::{ClientHandshake, Outcome, RequestOptions};
/// use hybi_proto::Target;
///
/// let target = Target::parse("ws://example.com/chat")?;
/// let mut handshake = ClientHandshake::new(&target, &RequestOptions::new(), *b"the sample nonce")?;
/// let mut request = Vec::new();
/// handshake.encode(&mut request);
///
/// let mut input: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02hi";
/// assert!(matches!(handshake.receive(&mut input)?, Some(Outcome::Open { .. })));
/// assert_eq!(input, b"\x81\x02hi"); // the first frame came with the head
/// # Ok::<(), hybi_proto::Error>(())
/// ```
#[derive(Debug)]
pub struct ClientHandshake {}

impl ClientHandshake {
    /// The handshake with this target.
    ///
    /// The nonce must come from a source of randomness (RFC 6455 §4.1), anew for each handshake.
    ///
    /// # Errors
    /// [`Error::Usage`] if the options ask for what must not be sent: a subprotocol that is no token
    /// or is repeated, an origin with a line break, a header that the handshake owns.
    pub fn new(target: &Target, options: &RequestOptions, nonce: [u8; 16]) -> Result<Self, Error> {
        unimplemented!("{target:?} {options:?} {nonce:?}")
    }

    /// Appends the request to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        unimplemented!("{out:?}")
    }

    /// Takes what has arrived; `None` if more is needed.
    ///
    /// `input` is advanced past what was used. With [`Outcome::Open`] that is the head and nothing
    /// else: what is left belongs to the connection.
    ///
    /// # Errors
    /// [`Error::Handshake`] if the response is not HTTP/1.1, or is a 101 that breaks RFC 6455 §4.1
    /// (each check has its own [code](Error::code)); [`Error::Limit`] if the head is larger than the
    /// limits allow. The TCP connection is then of no more use.
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<Option<Outcome>, Error> {
        unimplemented!("{input:?}")
    }

    /// Takes the end of the input, which ends a body without length.
    ///
    /// Also right when time runs out: if the head of a rejection has arrived it is not lost.
    ///
    /// # Errors
    /// [`Error::Handshake`] if the head has not arrived.
    pub fn receive_eof(&mut self) -> Result<Outcome, Error> {
        unimplemented!()
    }
}
