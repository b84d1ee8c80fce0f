//! [`ErrorCode`]: the frozen name of each error, and the close code that the peer is told.
//!
//! The first twelve are those of npm `ws`, letter for letter; the others follow the same grammar.
//! `docs/ERRORS.md` is generated from this table (`cargo xtask errors`).

use crate::close::CloseCode;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $close:expr;)+) => {
        /// The frozen name of an error: match on it, log it, count it.
        ///
        /// The text ([`as_str`](ErrorCode::as_str)) never changes between versions; new codes may
        /// be added.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ $name,)+
        }

        impl ErrorCode {
            /// Every code, in the order of the table.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$name),+];

            /// The name, as in `ws`: `"WS_ERR_EXPECTED_FIN"`.
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$name => $text,)+ }
            }

            /// The code of the Close frame that the peer is sent; `None` if no frame is sent.
            pub const fn close_code(self) -> Option<CloseCode> {
                match self { $(ErrorCode::$name => $close,)+ }
            }

            /// What it means, in one or two sentences.
            pub const fn description(self) -> &'static str {
                match self { $(ErrorCode::$name => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

// `str::trim_ascii` is const since 1.80; the descriptions come from the doc comments.
codes! {
    /// A control frame came without the FIN bit (RFC 6455 §5.5).
    ExpectedFin = "WS_ERR_EXPECTED_FIN", Some(CloseCode::PROTOCOL_ERROR);
    /// A client sent a frame that is not masked (RFC 6455 §5.1).
    ExpectedMask = "WS_ERR_EXPECTED_MASK", Some(CloseCode::PROTOCOL_ERROR);
    /// A Close frame carries a code that must not be sent (RFC 6455 §7.4).
    InvalidCloseCode = "WS_ERR_INVALID_CLOSE_CODE", Some(CloseCode::PROTOCOL_ERROR);
    /// A control frame is larger than 125 bytes, or a Close frame has a body of one byte (RFC 6455 §5.5).
    InvalidControlPayloadLength = "WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH", Some(CloseCode::PROTOCOL_ERROR);
    /// A frame has a reserved opcode, or one that does not fit the message in progress (RFC 6455 §5.2, §5.4).
    InvalidOpcode = "WS_ERR_INVALID_OPCODE", Some(CloseCode::PROTOCOL_ERROR);
    /// A text message or a close reason is not UTF-8 (RFC 6455 §8.1).
    InvalidUtf8 = "WS_ERR_INVALID_UTF8", Some(CloseCode::INVALID_PAYLOAD);
    /// A message came in more fragments or pieces than the limits allow.
    TooManyBufferedParts = "WS_ERR_TOO_MANY_BUFFERED_PARTS", Some(CloseCode::POLICY_VIOLATION);
    /// A server sent a masked frame (RFC 6455 §5.1).
    UnexpectedMask = "WS_ERR_UNEXPECTED_MASK", Some(CloseCode::PROTOCOL_ERROR);
    /// RSV1 is set where no extension allows it (RFC 6455 §5.2, RFC 7692 §6).
    UnexpectedRsv1 = "WS_ERR_UNEXPECTED_RSV_1", Some(CloseCode::PROTOCOL_ERROR);
    /// RSV2 or RSV3 is set (RFC 6455 §5.2).
    UnexpectedRsv23 = "WS_ERR_UNEXPECTED_RSV_2_3", Some(CloseCode::PROTOCOL_ERROR);
    /// A frame claims a payload of more than 2^53 − 1 bytes.
    UnsupportedDataPayloadLength = "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH", Some(CloseCode::MESSAGE_TOO_BIG);
    /// A message is larger than `max_message_size`.
    UnsupportedMessageLength = "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", Some(CloseCode::MESSAGE_TOO_BIG);

    /// A payload length is not in its shortest form (RFC 6455 §5.2).
    NonMinimalLength = "WS_ERR_NON_MINIMAL_LENGTH", Some(CloseCode::PROTOCOL_ERROR);
    /// A compressed message is not valid DEFLATE data (RFC 7692 §7.2.2).
    InvalidCompressedData = "WS_ERR_INVALID_COMPRESSED_DATA", Some(CloseCode::INVALID_PAYLOAD);
    /// The TCP connection ended without a Close frame (RFC 6455 §7.1.5, code 1006).
    AbnormalClosure = "WS_ERR_ABNORMAL_CLOSURE", None;
    /// The connection is closing or closed: nothing can be sent any more.
    ConnectionClosed = "WS_ERR_CONNECTION_CLOSED", None;
    /// The peer did not answer in time: a ping, the Close frame, or for the idle timeout anything.
    PeerTimeout = "WS_ERR_PEER_TIMEOUT", None;
    /// A call cannot be served: the argument breaks RFC 6455 or a documented rule.
    InvalidArgument = "WS_ERR_INVALID_ARGUMENT", None;
    /// The URL is not one that a WebSocket client can connect to.
    InvalidUrl = "WS_ERR_INVALID_URL", None;
    /// The peer's head is not HTTP/1.1, or not a WebSocket opening handshake (RFC 6455 §4).
    InvalidHandshake = "WS_ERR_INVALID_HANDSHAKE", None;
    /// The head of the handshake is larger than allowed, or has too many headers.
    HandshakeTooLarge = "WS_ERR_HANDSHAKE_TOO_LARGE", None;
    /// The `Upgrade` header is missing or is not `websocket` (RFC 6455 §4.1, §4.2.1).
    InvalidUpgradeHeader = "WS_ERR_INVALID_UPGRADE_HEADER", None;
    /// The `Connection` header is missing or does not contain `Upgrade` (RFC 6455 §4.1, §4.2.1).
    InvalidConnectionHeader = "WS_ERR_INVALID_CONNECTION_HEADER", None;
    /// The `Sec-WebSocket-Key` header is missing, repeated or not 16 bytes in base64 (RFC 6455 §4.2.1).
    InvalidKeyHeader = "WS_ERR_INVALID_KEY_HEADER", None;
    /// The `Sec-WebSocket-Version` header is missing or names no version spoken here (RFC 6455 §4.4).
    InvalidVersionHeader = "WS_ERR_INVALID_VERSION_HEADER", None;
    /// The `Sec-WebSocket-Accept` header is missing or does not answer our key (RFC 6455 §4.1).
    InvalidAcceptHeader = "WS_ERR_INVALID_ACCEPT_HEADER", None;
    /// A `Sec-WebSocket-Protocol` header is malformed, or the server picked a subprotocol that was not offered (RFC 6455 §4.1).
    InvalidSubprotocol = "WS_ERR_INVALID_SUBPROTOCOL", None;
    /// A `Sec-WebSocket-Extensions` header is malformed, or the server accepted what was not offered (RFC 6455 §9.1, RFC 7692 §7).
    InvalidExtensions = "WS_ERR_INVALID_EXTENSIONS", None;
    /// The server answered the handshake with another status than 101.
    UnexpectedResponse = "WS_ERR_UNEXPECTED_RESPONSE", None;
    /// The server refused the handshake by our own rules: the decision before the 101 said no.
    HandshakeRefused = "WS_ERR_HANDSHAKE_REFUSED", None;
    /// A request that asks for no WebSocket was answered as plain HTTP: nothing is wrong, there is only no connection.
    PlainRequest = "WS_ERR_PLAIN_REQUEST", None;
    /// The handshake did not finish in time.
    HandshakeTimeout = "WS_ERR_HANDSHAKE_TIMEOUT", None;
    /// A redirect cannot be followed: too many, a loop, or a `Location` that is missing or not allowed.
    InvalidRedirect = "WS_ERR_INVALID_REDIRECT", None;
    /// The TCP connection, or the name look-up before it, failed.
    ConnectFailed = "WS_ERR_CONNECT_FAILED", None;
    /// The operating system reported an error while reading or writing.
    Io = "WS_ERR_IO", None;
    /// The TLS handshake failed or the certificate was refused.
    Tls = "WS_ERR_TLS", None;
    /// The proxy refused the connection or did not speak its protocol.
    Proxy = "WS_ERR_PROXY", None;
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_keep_the_grammar_of_ws() {
        let mut names: Vec<_> = ErrorCode::ALL.iter().map(|c| c.as_str()).collect();
        assert!(names.iter().all(|n| n.starts_with("WS_ERR_")
            && n.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
    }

    #[test]
    fn the_twelve_codes_of_ws_send_the_close_codes_of_ws() {
        let sent: Vec<_> =
            ErrorCode::ALL[..12].iter().map(|c| c.close_code().map(|c| c.get())).collect();
        let expected = [1002, 1002, 1002, 1002, 1002, 1007, 1008, 1002, 1002, 1002, 1009, 1009];
        assert_eq!(sent, expected.map(Some));
    }
}
