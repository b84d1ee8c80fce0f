//! `Sec-WebSocket-Protocol` (RFC 6455 §11.3.4).
