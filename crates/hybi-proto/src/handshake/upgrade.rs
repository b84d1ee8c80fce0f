//! [`Upgrade`]: a request that is a valid opening handshake (RFC 6455 §4.2.1), and its answer.

use super::{Negotiated, Refusal, SecWebSocketKey, Version};
use crate::error::Error;
use http::{HeaderMap, Method, Request, Response};

/// A request that is a valid opening handshake: proof of the check, and what the client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    version: Version,
    key: SecWebSocketKey,
    subprotocols: Vec<String>,
    extensions: Option<String>,
    origin: Option<String>,
}

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
        unimplemented!("{method:?} {version:?} {headers:?}")
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
        unimplemented!("{subprotocol:?} {extensions:?} {extra:?}")
    }
}
