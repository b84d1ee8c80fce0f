//! [`SecWebSocketKey`]: the client's nonce, and the proof that the server has read it.

use data_encoding::BASE64;
use std::fmt;

/// RFC 6455 §1.3: the server appends this to the key, so that no other kind of server gets it right
/// by chance.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of `Sec-WebSocket-Key`: 16 octets in base64 (RFC 6455 §4.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecWebSocketKey([u8; 24]);

impl SecWebSocketKey {
    /// The key made of this nonce, which must be chosen at random for each connection.
    pub fn from_nonce(nonce: [u8; 16]) -> Self {
        let mut text = [0; 24];
        BASE64.encode_mut(&nonce, &mut text);
        SecWebSocketKey(text)
    }

    /// The key in this header value; `None` unless it is 22 base64 digits and `==`.
    ///
    /// The bits of the last digit that belong to no octet may be anything, as in `ws`: RFC 6455
    /// §4.2.1 does not ask a server to decode the key.
    pub fn from_header(value: &[u8]) -> Option<Self> {
        let text: [u8; 24] = value.try_into().ok()?;
        let (digits, padding) = text.split_at(22);
        let is_digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
        (digits.iter().all(is_digit) && padding == b"==").then_some(SecWebSocketKey(text))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        // INVARIANT: base64 digits only, by both constructors.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The value of `Sec-WebSocket-Accept` that answers this key (RFC 6455 §4.2.2).
    pub fn accept(&self) -> String {
        self.accept_octets().iter().copied().map(char::from).collect()
    }

    /// As [`accept`](Self::accept): 20 octets in base64.
    pub(super) fn accept_octets(&self) -> [u8; 28] {
        let mut sha1 = sha1_smol::Sha1::new();
        sha1.update(&self.0);
        sha1.update(GUID);
        let mut text = [0; 28];
        BASE64.encode_mut(&sha1.digest().bytes(), &mut text);
        text
    }
}

impl fmt::Debug for SecWebSocketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecWebSocketKey({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn the_example_of_rfc_6455_section_1_3() {
        let key = SecWebSocketKey::from_nonce(*b"the sample nonce");
        assert_eq!(key.as_str(), "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(key.accept(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn the_example_of_rfc_6455_section_4_1() {
        let key = SecWebSocketKey::from_nonce(hex!("0102030405060708090a0b0c0d0e0f10"));
        assert_eq!(key.as_str(), "AQIDBAUGBwgJCgsMDQ4PEA==");
    }

    #[test]
    fn only_sixteen_octets_in_base64_are_a_key() {
        let good = ["dGhlIHNhbXBsZSBub25jZQ==", "++++++++++//////////aB=="];
        for key in good {
            let parsed = SecWebSocketKey::from_header(key.as_bytes());
            assert_eq!(parsed.as_ref().map(SecWebSocketKey::as_str), Some(key));
        }
        let bad = [
            "",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=A",
            "dGhlIHNhbXBsZSBub25jZQ== ",
            "dGhlIHNhbXBsZSBub25jZQAA",
            "dGhlIHNhbXBsZSBub25j-_==",
            "dGhlIHNhbXBsZSBub25jZSE=",
            "dGhlIHNhbXBsZSBub25j\u{e9}==",
        ];
        for key in bad {
            assert!(SecWebSocketKey::from_header(key.as_bytes()).is_none(), "{key}");
        }
    }
}
