//! [`ClientHandshake`]: the request, and the judgement of the response (RFC 6455 §4.1).

use super::body::BodyReader;
use super::headers::{self, Once, once, shown};
use super::http1::{HeadError, HeadReader, Kind, parse_response};
use super::{Negotiated, RequestOptions, SecWebSocketKey, Version, subprotocol};
use crate::code::ErrorCode;
use crate::error::Error;
use crate::uri::Target;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use std::fmt;

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
pub struct ClientHandshake {
    options: RequestOptions,
    key: SecWebSocketKey,
    request: Vec<u8>,
    state: State,
}

#[derive(Debug)]
enum State {
    Head {
        reader: HeadReader,
        interim: u8,
    },
    /// The head of a rejection has arrived.
    Body {
        response: Response<()>,
        body: BodyReader,
    },
    /// An outcome or an error has been returned.
    Ended {
        refused: Option<Response<()>>,
    },
}

impl ClientHandshake {
    /// The handshake with this target.
    ///
    /// The nonce must come from a source of randomness (RFC 6455 §4.1), anew for each handshake.
    ///
    /// # Errors
    /// [`Error::Usage`] if the options ask for what must not be sent: a subprotocol that is no token
    /// or is repeated, an origin with a line break, a header that the handshake owns.
    pub fn new(target: &Target, options: &RequestOptions, nonce: [u8; 16]) -> Result<Self, Error> {
        subprotocol::check_offer(&options.subprotocols)?;
        let key = SecWebSocketKey::from_nonce(nonce);
        let request = encode_request(target, options, &key)?;
        let reader = HeadReader::new(Kind::Response, options.head_limits);
        let state = State::Head { reader, interim: 0 };
        Ok(ClientHandshake { options: options.clone(), key, request, state })
    }

    /// Appends the request to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.request);
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
        let outcome = self.advance(input);
        if !matches!(outcome, Ok(None)) && !matches!(self.state, State::Ended { .. }) {
            self.state = State::Ended { refused: None };
        }
        outcome
    }

    /// The 101 that [`receive`](Self::receive) has returned an error for, for its headers.
    pub fn refused(&self) -> Option<&Response<()>> {
        match &self.state {
            State::Ended { refused } => refused.as_ref(),
            State::Head { .. } | State::Body { .. } => None,
        }
    }

    /// Takes the end of the input, which ends a body without length.
    ///
    /// Also right when time runs out: if the head of a rejection has arrived it is not lost.
    ///
    /// # Errors
    /// [`Error::Handshake`] if the head has not arrived.
    pub fn receive_eof(&mut self) -> Result<Outcome, Error> {
        match std::mem::replace(&mut self.state, State::Ended { refused: None }) {
            State::Head { reader, .. } => Err(Error::handshake(
                ErrorCode::InvalidHandshake,
                match reader.buffered() {
                    0 => "the server closed the connection without an answer".to_owned(),
                    count => format!(
                        "the server closed the connection after {count} bytes of its answer"
                    ),
                },
            )),
            State::Body { response, body } => {
                Ok(Outcome::Rejected(response.map(|()| body.into_bytes())))
            }
            State::Ended { .. } => Err(ended()),
        }
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<Option<Outcome>, Error> {
        /// RFC 9110 §15.2: a client must take interim responses; it need not take them for ever.
        const MAX_INTERIM: u8 = 16;

        while let State::Head { reader, interim } = &mut self.state {
            let Some(response) = reader.receive(input, parse_response).map_err(head_error)? else {
                return Ok(None);
            };
            let status = response.status();
            if status == StatusCode::SWITCHING_PROTOCOLS {
                return match self.judge(&response) {
                    Ok(negotiated) => Ok(Some(Outcome::Open { negotiated, response })),
                    Err(error) => {
                        self.state = State::Ended { refused: Some(response) };
                        Err(error)
                    }
                };
            }
            if status.is_informational() {
                *interim += 1;
                if *interim > MAX_INTERIM {
                    return Err(Error::handshake(
                        ErrorCode::InvalidHandshake,
                        format!("the server sent more than {MAX_INTERIM} interim responses"),
                    ));
                }
                continue;
            }
            if let Some(location) = self.redirect(&response)? {
                return Ok(Some(Outcome::Redirect { location, response }));
            }
            let body = BodyReader::new(&response, self.options.max_rejection_body);
            self.state = State::Body { response, body };
        }

        match &mut self.state {
            State::Body { body, .. } => {
                body.receive(input);
                if body.is_done() { self.receive_eof().map(Some) } else { Ok(None) }
            }
            State::Head { .. } | State::Ended { .. } => Err(ended()),
        }
    }

    /// The checks of RFC 6455 §4.1 on a 101, in its order.
    fn judge(&self, response: &Response<()>) -> Result<Negotiated, Error> {
        let headers = response.headers();
        if response.version() != http::Version::HTTP_11 {
            return Err(Error::handshake(
                ErrorCode::InvalidHandshake,
                "the server switches protocols in HTTP/1.0, which cannot (RFC 9110 §7.8)",
            ));
        }
        // §4.1 2.
        match once(headers, header::UPGRADE) {
            Once::Value(value) if value.eq_ignore_ascii_case(b"websocket") => {}
            other => return Err(wrong(ErrorCode::InvalidUpgradeHeader, "Upgrade", &other)),
        }
        // §4.1 3.
        if !headers::has_token(headers, header::CONNECTION, "upgrade") {
            let text = match headers.get(header::CONNECTION) {
                None => "the server's 101 has no Connection header".to_owned(),
                Some(value) => format!(
                    "the server's Connection header {} does not contain Upgrade",
                    shown(value.as_bytes())
                ),
            };
            return Err(Error::handshake(ErrorCode::InvalidConnectionHeader, text));
        }
        // §4.1 4.
        match once(headers, header::SEC_WEBSOCKET_ACCEPT) {
            Once::Value(value) if value == self.key.accept_octets() => {}
            other => {
                return Err(wrong(ErrorCode::InvalidAcceptHeader, "Sec-WebSocket-Accept", &other));
            }
        }
        // §4.1 5.
        let extensions = self.judge_extensions(headers)?;
        // §4.1 6.
        let subprotocol = subprotocol::read_choice(
            headers,
            &self.options.subprotocols,
            self.options.subprotocol_required,
        )?;
        Ok(Negotiated { version: self.options.version, subprotocol, extensions })
    }

    fn judge_extensions(&self, headers: &HeaderMap) -> Result<Option<String>, Error> {
        let extensions =
            headers::joined(headers, header::SEC_WEBSOCKET_EXTENSIONS).map_err(|()| {
                Error::handshake(
                    ErrorCode::InvalidExtensions,
                    "the server's Sec-WebSocket-Extensions has characters that are not ASCII",
                )
            })?;
        match &extensions {
            Some(extensions) if self.options.extensions.is_none() => Err(Error::handshake(
                ErrorCode::InvalidExtensions,
                format!(
                    "the server accepted the extension {}, but none was offered",
                    shown(extensions.as_bytes())
                ),
            )),
            _ => Ok(extensions),
        }
    }

    /// Where to go instead; `None` if the response is to be reported as a rejection.
    fn redirect(&self, response: &Response<()>) -> Result<Option<String>, Error> {
        // RFC 9110 §15.4: 300 leaves the choice to people, 304 and 305 are no redirects.
        if !self.options.follow_redirects
            || !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308)
        {
            return Ok(None);
        }
        let invalid = |text: String| Err(Error::handshake(ErrorCode::InvalidRedirect, text));
        match once(response.headers(), header::LOCATION) {
            Once::Missing => Ok(None),
            Once::Repeated => invalid("the server redirects to several locations".to_owned()),
            Once::Value(value) => match std::str::from_utf8(value) {
                Ok(location) => Ok(Some(location.to_owned())),
                Err(_) => {
                    invalid(format!("the server redirects to {}, which is not UTF-8", shown(value)))
                }
            },
        }
    }
}

/// Without the request, which may carry credentials.
impl fmt::Debug for ClientHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientHandshake")
            .field("key", &self.key)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

fn encode_request(
    target: &Target,
    options: &RequestOptions,
    key: &SecWebSocketKey,
) -> Result<Vec<u8>, Error> {
    let version = options.version;
    let additional = &options.headers;
    check_additional(options)?;

    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"GET ");
    // INVARIANT: `Target` holds a path of visible ASCII characters, so no line break.
    out.extend_from_slice(target.path_and_query().as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    match additional.get(header::HOST) {
        Some(host) => headers::encode(&header::HOST, host.as_bytes(), &mut out),
        None => headers::encode(&header::HOST, target.host_header().as_bytes(), &mut out),
    }
    // What is the same in every request is written as it is.
    out.extend_from_slice(b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ");
    out.extend_from_slice(key.as_str().as_bytes());
    out.extend_from_slice(match version {
        Version::V8 => &b"\r\nSec-WebSocket-Version: 8\r\n"[..],
        Version::V13 => b"\r\nSec-WebSocket-Version: 13\r\n",
    });
    if let Some(origin) = &options.origin {
        let value = checked_value("origin", origin)?;
        headers::encode(&version.origin_header(), value.as_bytes(), &mut out);
    }
    if !options.subprotocols.is_empty() {
        // RFC 6455 §4.1 has the list separated by commas; servers exist that do not skip a space.
        let offer = options.subprotocols.join(",");
        headers::encode(&header::SEC_WEBSOCKET_PROTOCOL, offer.as_bytes(), &mut out);
    }
    if let Some(extensions) = &options.extensions {
        let value = checked_value("offer of extensions", extensions)?;
        headers::encode(&header::SEC_WEBSOCKET_EXTENSIONS, value.as_bytes(), &mut out);
    }
    if let Some(authorization) = target.authorization() {
        if !additional.contains_key(header::AUTHORIZATION) {
            headers::encode(&header::AUTHORIZATION, authorization.as_bytes(), &mut out);
        }
    }
    for (name, value) in additional.iter().filter(|(name, _)| *name != header::HOST) {
        headers::encode(name, value.as_bytes(), &mut out);
    }
    out.extend_from_slice(b"\r\n");
    Ok(out)
}

/// Refuses additional headers that would say the opposite of what the handshake says.
fn check_additional(options: &RequestOptions) -> Result<(), Error> {
    let additional = &options.headers;
    if let Some(name) = additional.keys().find(|name| headers::is_owned(name)) {
        return Err(Error::usage(format!(
            "the header {name} belongs to the handshake; use the option for it, or leave it out"
        )));
    }
    if let Once::Repeated = once(additional, header::HOST) {
        return Err(Error::usage("several Host headers are given; at most one can be sent"));
    }
    let origin = options.version.origin_header();
    if options.origin.is_some() && additional.contains_key(&origin) {
        return Err(Error::usage(format!(
            "the header {origin} is given, and the option origin too; leave one out"
        )));
    }
    Ok(())
}

/// RFC 9112 §2.2 and RFC 9110 §5.5: a line break in a value would begin a header of its own.
fn checked_value(what: &str, text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text.trim_matches([' ', '\t'])).map_err(|_| {
        Error::usage(format!(
            "the {what} {} has characters that a header cannot carry",
            shown(text.as_bytes())
        ))
    })
}

fn head_error(error: HeadError) -> Error {
    match error {
        HeadError::TooLarge(text) => Error::limit(
            ErrorCode::HandshakeTooLarge,
            format!("the server's answer is refused: {text} (raise HeadLimits to allow it)"),
        ),
        other => Error::handshake(ErrorCode::InvalidHandshake, other.into_text()),
    }
}

/// The error for a header of the 101 that must be there once with one value.
fn wrong(code: ErrorCode, name: &str, found: &Once<'_>) -> Error {
    Error::handshake(
        code,
        match found {
            Once::Missing => format!("the server's 101 has no {name} header"),
            Once::Repeated => format!("the server's 101 has several {name} headers"),
            Once::Value(value) => {
                let value = shown(value);
                match code {
                    ErrorCode::InvalidAcceptHeader => {
                        format!("the server's {name} header {value} does not answer our key")
                    }
                    _ => format!("the server's {name} header is {value}, not websocket"),
                }
            }
        },
    )
}

fn ended() -> Error {
    Error::usage("the opening handshake has ended; nothing more can be received by it")
}
