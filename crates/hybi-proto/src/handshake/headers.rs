//! The headers of the opening handshake: their names, and how they are looked up.

use http::HeaderName;

pub(crate) const SEC_WEBSOCKET_ORIGIN: HeaderName = HeaderName::from_static("sec-websocket-origin");
