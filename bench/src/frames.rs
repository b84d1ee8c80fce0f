//! The octets of both directions, prepared before the clock starts.

/// The fixed masking key of every prepared frame.
///
/// A server has to unmask whatever the key is; a constant saves the load generator the work. It is not zero, so a
/// server that skipped unmasking would be caught by the comparison of the first echo.
const MASKING_KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What a message consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// Printable ASCII in a text frame, so that the server validates UTF-8.
    Text,
    /// Octets of all values in a binary frame.
    Binary,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A WebSocket server: requests are masked, responses are not.
    WebSocket,
    /// A byte echo: requests are the very octets a WebSocket server would answer with, 4 fewer than a masked frame.
    Raw,
}

/// One message as it goes out and as it comes back.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The frame that is sent.
    pub request: Vec<u8>,
    /// The frame that must come back.
    pub response: Vec<u8>,
}

impl Exchange {
    /// Prepares the message of `size` bytes that `peer` is to echo.
    pub fn new(peer: Peer, payload: Payload, size: usize) -> Self {
        let body: Vec<u8> = match payload {
            Payload::Text => (b' '..=b'~').cycle().take(size).collect(),
            Payload::Binary => (0..=u8::MAX).cycle().take(size).collect(),
        };
        let response = frame(payload, &body, None);
        let request = match peer {
            Peer::WebSocket => frame(payload, &body, Some(MASKING_KEY)),
            Peer::Raw => response.clone(),
        };
        Self { request, response }
    }
}

/// Encodes one unfragmented frame (RFC 6455 §5.2).
fn frame(payload: Payload, body: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut frame = Vec::with_capacity(body.len() + 14);
    frame.push(match payload {
        Payload::Text => 0x81,
        Payload::Binary => 0x82,
    });
    let mask_bit = if mask.is_some() { 0x80 } else { 0 };
    match body.len() {
        size @ 0..=125 => frame.push(mask_bit | size as u8),
        size @ 126..=65535 => {
            frame.push(mask_bit | 126);
            frame.extend_from_slice(&(size as u16).to_be_bytes());
        }
        size => {
            frame.push(mask_bit | 127);
            frame.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
    match mask {
        None => frame.extend_from_slice(body),
        Some(key) => {
            frame.extend_from_slice(&key);
            frame.extend(body.iter().zip(key.iter().cycle()).map(|(octet, key)| octet ^ key));
        }
    }
    frame
}

/// Encodes a masked frame whose payload is compressed already (RFC 7692 §6: RSV1 says so).
pub fn compressed_frame(payload: Payload, compressed: &[u8]) -> Vec<u8> {
    let mut frame = frame(payload, compressed, Some(MASKING_KEY));
    frame[0] |= 0x40;
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_text_frame_has_the_octets_of_the_rfc() {
        // RFC 6455 §5.7: a single-frame masked text message "Hello".
        let expected = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(frame(Payload::Text, b"Hello", Some(MASKING_KEY)), expected);
    }

    #[test]
    fn lengths_are_encoded_minimally() {
        let header = |size: usize| frame(Payload::Binary, &vec![0; size], None).len() - size;
        assert_eq!([125, 126, 65535, 65536].map(header), [2, 4, 4, 10]);
    }

    #[test]
    fn a_raw_peer_is_sent_what_a_server_would_answer() {
        let raw = Exchange::new(Peer::Raw, Payload::Binary, 32);
        let real = Exchange::new(Peer::WebSocket, Payload::Binary, 32);
        assert_eq!(raw.request, real.response);
        assert_eq!(raw.request.len() + 4, real.request.len());
    }
}
