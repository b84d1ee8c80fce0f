//! The opening handshake (RFC 6455 §4): octets in, octets out, for both sides.
//!
//! A client makes a [`ClientHandshake`], writes what it [encodes](ClientHandshake::encode) and
//! hands it what arrives until there is an [`Outcome`]. A server hands what arrives to a
//! [`ServerHandshake`], which yields a request; [`Upgrade::check`] decides whether the request
//! (this one, or one that hyper has read) is an opening handshake, and answers it.
//!
//! `Sec-WebSocket-Extensions` is carried here, not understood: the extension itself negotiates.

pub(crate) mod body;
mod client;
pub(crate) mod headers;
pub(crate) mod http1;
mod key;
mod options;
mod refusal;
mod response;
mod server;
mod subprotocol;
mod upgrade;

pub use client::{ClientHandshake, Outcome};
pub use http1::HeadLimits;
pub use key::SecWebSocketKey;
pub use options::RequestOptions;
pub use refusal::Refusal;
pub use response::encode_response;
pub use server::{JudgedHead, RequestHead, ServerHandshake};
pub use subprotocol::check_subprotocol;
pub use upgrade::Upgrade;

use std::fmt;

/// A version of the protocol, as in `Sec-WebSocket-Version`.
///
/// 13 is RFC 6455; 8 is the draft that differs only in the name of the origin header
/// (`Sec-WebSocket-Origin`). `ws`: `protocolVersion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Version {
    /// Draft hybi-08 to hybi-12.
    V8,
    /// RFC 6455.
    #[default]
    V13,
}

impl Version {
    /// The value of `Sec-WebSocket-Version` that names every version spoken here.
    pub const SUPPORTED: &str = "13, 8";

    /// The number on the wire: 8 or 13.
    pub const fn number(self) -> u8 {
        match self {
            Version::V8 => 8,
            Version::V13 => 13,
        }
    }

    /// The version that this value of `Sec-WebSocket-Version` names; `None` for any other value.
    ///
    /// RFC 6455 §4.3 has no leading zeros, so `013` is no version.
    pub fn from_header(value: &[u8]) -> Option<Self> {
        match value {
            b"8" => Some(Version::V8),
            b"13" => Some(Version::V13),
            _ => None,
        }
    }

    /// The header that carries the origin in this version.
    pub(crate) const fn origin_header(self) -> http::HeaderName {
        match self {
            Version::V8 => headers::SEC_WEBSOCKET_ORIGIN,
            Version::V13 => http::header::ORIGIN,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.number(), f)
    }
}

/// What both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Negotiated {
    /// The version of the protocol.
    pub version: Version,
    /// The subprotocol, if one was chosen: always one that the client offered.
    pub subprotocol: Option<String>,
    /// The server's `Sec-WebSocket-Extensions`, several lines joined with `, `.
    ///
    /// Present only if the client offered any; whether it answers the offer is for the extension
    /// to say.
    pub extensions: Option<String>,
}

#[cfg(test)]
mod tests;
