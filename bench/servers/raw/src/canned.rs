//! The answer to the one request that the load generator makes.

/// Where a request head ends.
pub(crate) const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// The 101 for the sample key of RFC 6455 §1.3.
pub(crate) const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
