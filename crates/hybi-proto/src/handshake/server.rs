//! [`ServerHandshake`]: from octets to a request.

use super::http1::{self, HeadError, HeadReader, Kind, parse_request};
use super::{HeadLimits, Refusal, Upgrade};
use crate::code::ErrorCode;
use crate::error::Error;
use http::{Request, StatusCode, Uri};

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
pub struct ServerHandshake {
    reader: HeadReader,
}

impl ServerHandshake {
    /// A handshake of which nothing has arrived yet.
    pub fn new(limits: HeadLimits) -> Self {
        ServerHandshake { reader: HeadReader::new(Kind::Request, limits) }
    }

    /// Takes what has arrived; `None` if more is needed.
    ///
    /// `input` is advanced past exactly the head: what is left belongs to the connection.
    ///
    /// # Errors
    /// The [`Refusal`] to answer with: 400 for what is not an HTTP/1 request, 431 if it is larger
    /// than the limits allow, 505 for another major version of HTTP. The connection is then of no
    /// more use.
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<Option<Request<()>>, Refusal> {
        let parse = |head: &[u8], lines| parse_request(head, lines, http1::request);
        self.reader.receive(input, parse).map_err(head_refusal)
    }

    /// As [`receive`](Self::receive), for a server that mostly needs to know only whether the request
    /// is an opening handshake.
    ///
    /// # Errors
    /// As for [`receive`](Self::receive).
    pub fn receive_head(&mut self, input: &mut &[u8]) -> Result<Option<JudgedHead>, Refusal> {
        let parse = |octets: &[u8], lines| {
            parse_request(octets, lines, |line, headers| {
                let upgrade = Upgrade::check_in(&line.method, line.version, headers);
                Ok((RequestHead { octets: octets.into(), lines, uri: line.uri }, upgrade))
            })
        };
        self.reader.receive(input, parse).map_err(head_refusal)
    }

    /// The error for a client that closes the connection before its request is complete.
    pub fn receive_eof(&mut self) -> Error {
        let text = match self.reader.buffered() {
            0 => "the client closed the connection without a request".to_owned(),
            count => format!("the client closed the connection after {count} bytes of its request"),
        };
        Error::handshake(ErrorCode::InvalidHandshake, text)
    }
}

/// The head of a request, and the opening handshake that it is, or why it is none.
pub type JudgedHead = (RequestHead, Result<Upgrade, Refusal>);

/// The head of a request, as it came: found well-formed, and made an [`http::Request`] of when one is
/// wanted.
#[derive(Debug)]
pub struct RequestHead {
    octets: Box<[u8]>,
    lines: usize,
    uri: Uri,
}

impl RequestHead {
    /// What is asked for.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The request; what [`ServerHandshake::receive`] would have given.
    pub fn to_request(&self) -> Request<()> {
        // INVARIANT: it has been parsed before, so it can be again.
        parse_request(&self.octets, self.lines, http1::request)
            .unwrap_or_else(|_| unreachable!("a head that was well-formed stays so"))
    }
}

pub(super) fn head_refusal(error: HeadError) -> Refusal {
    let (status, error) = match error {
        HeadError::Malformed(text) => {
            (StatusCode::BAD_REQUEST, Error::handshake(ErrorCode::InvalidHandshake, text))
        }
        HeadError::TooLarge(text) => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Error::limit(ErrorCode::HandshakeTooLarge, text),
        ),
        HeadError::OtherVersion(text) => (
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Error::handshake(ErrorCode::InvalidHandshake, text),
        ),
    };
    Refusal::because(status, error)
}
