//! [`Upgrade`]: a request that is a valid opening handshake (RFC 6455 §4.2.1), and its answer.

use super::body::BodyLength;
use super::headers::{self, Headers, Once, once, shown};
use super::server::head_refusal;
use super::{Negotiated, Refusal, SecWebSocketKey, Version, http1, subprotocol};
use crate::code::ErrorCode;
use crate::error::Error;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};

/// A request that is a valid opening handshake: proof of the check, and what the client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    version: Version,
    key: SecWebSocketKey,
    subprotocols: Vec<String>,
    extensions: Option<String>,
    origin: Option<String>,
}

/// Room for a 101. Far more than most need: a block that glibc does not keep aside makes it put together
/// what tokio's aligned allocations have left over, 100 octets for every connection that stays
/// (`cargo xtask bench --cells idle`: 1,280 in place of 1,375).
const RESPONSE: usize = 1100;

impl Upgrade {
    /// Checks a request, in the order of RFC 6455 §4.2.1.
    ///
    /// The parts may come from a [`ServerHandshake`](super::ServerHandshake) or from hyper.
    ///
    /// # Errors
    /// The [`Refusal`] to answer with; its body says why in one line. 405 for another method than
    /// GET; 426 with `Upgrade: websocket` for a request that does not ask to upgrade, and with
    /// `Sec-WebSocket-Version: 13, 8` for a version not spoken here (RFC 6455 §4.4); 400 for
    /// everything else, a request body included.
    pub fn check(
        method: &Method,
        version: http::Version,
        headers: &HeaderMap,
    ) -> Result<Self, Refusal> {
        Upgrade::check_in(method, version, headers)
    }

    /// As [`check`](Upgrade::check), for headers from anywhere.
    pub(super) fn check_in<H: Headers + ?Sized>(
        method: &Method,
        version: http::Version,
        headers: &H,
    ) -> Result<Self, Refusal> {
        // §4.2.1 1.
        if method != Method::GET {
            let text = format!("the opening handshake is a GET request, not {method}");
            return Err(refuse(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::InvalidHandshake, text)
                .header(header::ALLOW, HeaderValue::from_static("GET")));
        }
        if version != http::Version::HTTP_11 {
            let text = format!("the opening handshake is made in HTTP/1.1, not in {version:?}");
            return Err(bad_request(ErrorCode::InvalidHandshake, text));
        }
        // §4.2.1 2.
        http1::check_host(version, headers).map_err(head_refusal)?;
        check_no_body(headers)?;
        // §4.2.1 3.
        check_upgrade(headers)?;
        // §4.2.1 4.
        if !headers::has_token(headers, header::CONNECTION, "upgrade") {
            let text = match headers.all(&header::CONNECTION).next() {
                None => "the Connection header is missing".to_owned(),
                Some(value) => {
                    format!("the Connection header {} does not contain Upgrade", shown(value))
                }
            };
            return Err(bad_request(ErrorCode::InvalidConnectionHeader, text));
        }
        // §4.2.1 5.
        let key = read_key(headers)?;
        // §4.2.1 6.
        let version = read_version(headers)?;
        // §4.2.1 7 to 9.
        Ok(Upgrade {
            version,
            key,
            origin: read_origin(headers, version.origin_header())?,
            subprotocols: subprotocol::read_offer(headers)
                .map_err(|text| bad_request(ErrorCode::InvalidSubprotocol, text))?,
            extensions: headers::joined(headers, header::SEC_WEBSOCKET_EXTENSIONS).map_err(
                |()| {
                    let text =
                        "the Sec-WebSocket-Extensions header has characters that are not ASCII";
                    bad_request(ErrorCode::InvalidExtensions, text.to_owned())
                },
            )?,
        })
    }

    /// [`check`](Upgrade::check) for a whole request.
    ///
    /// # Errors
    /// As for [`check`](Upgrade::check).
    pub fn of<B>(request: &Request<B>) -> Result<Self, Refusal> {
        Upgrade::check(request.method(), request.version(), request.headers())
    }

    /// The version of the protocol.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The key to prove that the request was read.
    pub fn key(&self) -> &SecWebSocketKey {
        &self.key
    }

    /// The subprotocols that the client offers, the most wanted first: tokens, no two the same.
    pub fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// The client's `Sec-WebSocket-Extensions`, several lines joined with `, `.
    pub fn extensions(&self) -> Option<&str> {
        self.extensions.as_deref()
    }

    /// The `Origin` (`Sec-WebSocket-Origin` in version 8): present if the client is a browser.
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// The 101 response with this choice, and what has been agreed on by it.
    ///
    /// # Errors
    /// [`Error::Usage`] if the subprotocol was not offered, if there are extensions though none was
    /// offered, or if `extra` has a header that the handshake owns.
    pub fn respond(
        &self,
        subprotocol: Option<&str>,
        extensions: Option<&str>,
        extra: &HeaderMap,
    ) -> Result<(Negotiated, Response<()>), Error> {
        let negotiated = self.negotiate(subprotocol, extensions, extra)?;
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.reserve(5 + extra.len());
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, own_value("accept", &self.key.accept())?);
        if let Some(name) = subprotocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, own_value("subprotocol", name)?);
        }
        if let Some(accepted) = extensions {
            headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, own_value("extensions", accepted)?);
        }
        for (name, value) in extra {
            headers.append(name, value.clone());
        }
        Ok((negotiated, response))
    }

    /// As [`respond`](Self::respond), written out at once: what
    /// [`encode_response`](super::encode_response) makes of it.
    ///
    /// # Errors
    /// As for [`respond`](Self::respond).
    pub fn encode(
        &self,
        subprotocol: Option<&str>,
        extensions: Option<&str>,
        extra: &HeaderMap,
    ) -> Result<(Negotiated, Vec<u8>), Error> {
        const BEGINNING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
            Upgrade: websocket\r\n\
            Connection: Upgrade\r\n\
            Sec-WebSocket-Accept: ";
        let negotiated = self.negotiate(subprotocol, extensions, extra)?;
        let mut out = Vec::with_capacity(RESPONSE);
        out.extend_from_slice(BEGINNING);
        out.extend_from_slice(&self.key.accept_octets());
        out.extend_from_slice(b"\r\n");
        if let Some(name) = subprotocol {
            headers::encode(&header::SEC_WEBSOCKET_PROTOCOL, name.as_bytes(), &mut out);
        }
        if let Some(accepted) = extensions {
            headers::encode(&header::SEC_WEBSOCKET_EXTENSIONS, accepted.as_bytes(), &mut out);
        }
        for (name, value) in extra {
            headers::encode(name, value.as_bytes(), &mut out);
        }
        out.extend_from_slice(b"\r\n");
        Ok((negotiated, out))
    }

    /// Checks what the server has chosen.
    fn negotiate(
        &self,
        subprotocol: Option<&str>,
        extensions: Option<&str>,
        extra: &HeaderMap,
    ) -> Result<Negotiated, Error> {
        if let Some(name) = subprotocol {
            // What was offered is a token, so that a header can carry it.
            if !self.subprotocols.iter().any(|offer| offer == name) {
                return Err(Error::usage(format!(
                    "the subprotocol {} was not offered by the client (offered: {})",
                    shown(name.as_bytes()),
                    self.subprotocols.join(", ")
                )));
            }
        }
        if let Some(accepted) = extensions {
            if self.extensions.is_none() {
                return Err(Error::usage(format!(
                    "the extension {} was not offered by the client",
                    shown(accepted.as_bytes())
                )));
            }
            own_value("extensions", accepted)?;
        }
        for name in extra.keys() {
            if headers::is_owned(name) {
                return Err(Error::usage(format!(
                    "the header {name} belongs to the handshake and cannot be added to the response"
                )));
            }
        }
        Ok(Negotiated {
            version: self.version,
            subprotocol: subprotocol.map(str::to_owned),
            extensions: extensions.map(str::to_owned),
        })
    }
}

fn own_value(what: &str, text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|_| {
        Error::usage(format!(
            "the {what} {} has characters that a header cannot carry",
            shown(text.as_bytes())
        ))
    })
}

fn refuse(status: StatusCode, code: ErrorCode, text: String) -> Refusal {
    Refusal::because(status, Error::handshake(code, text))
}

fn bad_request(code: ErrorCode, text: String) -> Refusal {
    refuse(StatusCode::BAD_REQUEST, code, text)
}

/// A body would be read as the first frames, so a handshake has none.
fn check_no_body<H: Headers + ?Sized>(headers: &H) -> Result<(), Refusal> {
    match BodyLength::of(headers) {
        Some(BodyLength::Unstated | BodyLength::Known(0)) => Ok(()),
        _ => Err(bad_request(
            ErrorCode::InvalidHandshake,
            "the opening handshake must have no body".to_owned(),
        )),
    }
}

fn check_upgrade<H: Headers + ?Sized>(headers: &H) -> Result<(), Refusal> {
    let text = match once(headers, header::UPGRADE) {
        Once::Value(value) if value.eq_ignore_ascii_case(b"websocket") => return Ok(()),
        Once::Value(value) => {
            format!("the Upgrade header is {}, not websocket", shown(value))
        }
        Once::Repeated => "there are several Upgrade headers".to_owned(),
        Once::Missing => {
            let text = "this is a WebSocket endpoint: the Upgrade header is missing".to_owned();
            // RFC 9110 §15.5.22: a 426 must say what to upgrade to, §7.8: and name the header that
            // says so in Connection.
            return Err(refuse(
                StatusCode::UPGRADE_REQUIRED,
                ErrorCode::InvalidUpgradeHeader,
                text,
            )
            .header(header::UPGRADE, HeaderValue::from_static("websocket"))
            .header(header::CONNECTION, HeaderValue::from_static("Upgrade, close")));
        }
    };
    Err(bad_request(ErrorCode::InvalidUpgradeHeader, text))
}

fn read_key<H: Headers + ?Sized>(headers: &H) -> Result<SecWebSocketKey, Refusal> {
    let text = match once(headers, header::SEC_WEBSOCKET_KEY) {
        Once::Missing => "the Sec-WebSocket-Key header is missing".to_owned(),
        // §11.3.1: it must not appear more than once.
        Once::Repeated => "there are several Sec-WebSocket-Key headers".to_owned(),
        Once::Value(value) => match SecWebSocketKey::from_header(value) {
            Some(key) => return Ok(key),
            None => {
                format!("the Sec-WebSocket-Key header {} is not 16 bytes in base64", shown(value))
            }
        },
    };
    Err(bad_request(ErrorCode::InvalidKeyHeader, text))
}

fn read_version<H: Headers + ?Sized>(headers: &H) -> Result<Version, Refusal> {
    let refusal = match once(headers, header::SEC_WEBSOCKET_VERSION) {
        Once::Missing => bad_request(
            ErrorCode::InvalidVersionHeader,
            "the Sec-WebSocket-Version header is missing".to_owned(),
        ),
        // §11.3.5: it must not appear more than once in a request.
        Once::Repeated => bad_request(
            ErrorCode::InvalidVersionHeader,
            "there are several Sec-WebSocket-Version headers".to_owned(),
        ),
        Once::Value(value) => match Version::from_header(value) {
            Some(version) => return Ok(version),
            None => {
                let text = format!(
                    "the Sec-WebSocket-Version header is {}; spoken here: {}",
                    shown(value),
                    Version::SUPPORTED
                );
                // §4.4 has this status in its example; RFC 9110 §15.5.22 wants Upgrade with it.
                refuse(StatusCode::UPGRADE_REQUIRED, ErrorCode::InvalidVersionHeader, text)
                    .header(header::UPGRADE, HeaderValue::from_static("websocket"))
                    .header(header::CONNECTION, HeaderValue::from_static("Upgrade, close"))
            }
        },
    };
    Err(refusal.header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(Version::SUPPORTED)))
}

fn read_origin<H: Headers + ?Sized>(
    headers: &H,
    name: HeaderName,
) -> Result<Option<String>, Refusal> {
    let text = match once(headers, name.clone()) {
        Once::Missing => return Ok(None),
        Once::Repeated => format!("there are several {name} headers"),
        Once::Value(value) => match headers::text(value) {
            Some(origin) => return Ok(Some(origin.to_owned())),
            None => format!("the {name} header has characters that are not ASCII"),
        },
    };
    Err(bad_request(ErrorCode::InvalidHandshake, text))
}
