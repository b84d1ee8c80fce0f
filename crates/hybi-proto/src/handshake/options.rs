//! [`RequestOptions`]: what a client asks for in the opening handshake.

use super::{HeadLimits, Version};
use crate::uri::Target;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// What a client asks for in the opening handshake.
///
/// Nothing is checked here: [`ClientHandshake::new`](super::ClientHandshake::new) refuses what must
/// not be sent.
///
/// ```
/// use hybi_proto::handshake::RequestOptions;
/// let options = RequestOptions::new().subprotocol("graphql-ws").origin("https://example.com");
/// ```
#[derive(Debug, Clone)]
pub struct RequestOptions {
    pub(super) version: Version,
    pub(super) subprotocols: Vec<String>,
    pub(super) subprotocol_required: bool,
    pub(super) extensions: Option<String>,
    pub(super) origin: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) follow_redirects: bool,
    pub(super) max_rejection_body: usize,
    pub(super) head_limits: HeadLimits,
}

impl RequestOptions {
    /// Version 13, and nothing optional.
    pub fn new() -> Self {
        RequestOptions {
            version: Version::V13,
            subprotocols: Vec::new(),
            subprotocol_required: true,
            extensions: None,
            origin: None,
            headers: HeaderMap::new(),
            follow_redirects: false,
            max_rejection_body: 64 * 1024,
            head_limits: HeadLimits::new(),
        }
    }

    /// The version of the protocol (default 13). `ws`: `protocolVersion`.
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Offers one more subprotocol; the first one offered is the most wanted.
    ///
    /// It must be a token (RFC 9110 §5.6.2), and different from those offered before.
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocols.push(name.into());
        self
    }

    /// Whether a server that chooses none of the offered subprotocols is refused (default `true`, as
    /// in `ws` and in browsers).
    ///
    /// RFC 6455 §4.1 would let the connection open without a subprotocol. Without an offer this has
    /// no effect.
    pub fn subprotocol_required(mut self, required: bool) -> Self {
        self.subprotocol_required = required;
        self
    }

    /// The value of `Sec-WebSocket-Extensions` (default none): what the extensions offer.
    pub fn extensions(mut self, offer: Option<String>) -> Self {
        self.extensions = offer;
        self
    }

    /// The value of `Origin`, or of `Sec-WebSocket-Origin` in version 8 (default none).
    ///
    /// Browsers send it; other clients need it only where the server asks for it.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Adds one header.
    ///
    /// `Host` and `Authorization` replace those made from the URL. The headers that the handshake
    /// itself owns (`Upgrade`, `Connection`, `Sec-WebSocket-*`) and those that announce a body are
    /// refused by [`ClientHandshake::new`](super::ClientHandshake::new).
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Replaces the additional headers; see [`header`](RequestOptions::header).
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// The additional headers, to look at or change.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// Whether a redirect is reported as [`Outcome::Redirect`](super::Outcome::Redirect) rather than
    /// as a rejection (default `false`). `ws`: `followRedirects`.
    pub fn follow_redirects(mut self, follow: bool) -> Self {
        self.follow_redirects = follow;
        self
    }

    /// How much of the body of a rejection is kept, in bytes (default 65536).
    pub fn max_rejection_body(mut self, bytes: usize) -> Self {
        self.max_rejection_body = bytes;
        self
    }

    /// The limits on the head of the response.
    pub fn head_limits(mut self, limits: HeadLimits) -> Self {
        self.head_limits = limits;
        self
    }

    /// Drops what must not follow a redirect from one target to another.
    ///
    /// `Authorization`, `Cookie`, `Proxy-Authorization` and `Host` were meant for the origin they
    /// were given for: they are dropped unless both targets have the [same
    /// origin](Target::same_origin), so also from `wss` to `ws` and from a Unix socket to TCP.
    pub fn redirected(&mut self, from: &Target, to: &Target) {
        if from.same_origin(to) {
            return;
        }
        for name in
            [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION, header::HOST]
        {
            self.headers.remove(name);
        }
    }
}

impl Default for RequestOptions {
    fn default() -> Self {
        RequestOptions::new()
    }
}
