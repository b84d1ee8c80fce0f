//! [`FrameHeader`]: the 2–14 octets before each payload (RFC 6455 §5.2).
//!
//! The only place that knows the bit layout. Which headers are allowed when is not decided here
//! but in `rules`.

use crate::code::ErrorCode;
use crate::error::Error;
use crate::opcode::Opcode;

/// The key that a client XORs its payload with (RFC 6455 §5.3).
pub type MaskingKey = [u8; 4];

/// The longest header: 2 octets, 8 of length, 4 of masking key.
pub const MAX_HEADER_LEN: usize = 14;

/// The largest payload length spoken: that of `ws`, the largest integer JavaScript can count to.
const MAX_PAYLOAD_LEN: u64 = (1 << 53) - 1;

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// The last frame of its message.
    pub fin: bool,
    /// The first frame of a compressed message (RFC 7692 §6).
    pub rsv1: bool,
    /// What the frame carries.
    pub opcode: Opcode,
    /// The masking key, if the payload is masked.
    pub mask: Option<MaskingKey>,
    /// The length of the payload in octets.
    pub payload_len: u64,
}

/// The first two octets of a frame: enough to refuse it before the rest has come
/// ([`FrameRules`](crate::FrameRules)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderStart(pub u8, pub u8);

impl HeaderStart {
    /// The last frame of its message.
    #[inline]
    pub fn fin(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// The first frame of a compressed message (RFC 7692 §6).
    #[inline]
    pub fn rsv1(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// A bit is set that no extension spoken here gives a meaning.
    #[inline]
    pub fn rsv2_or_rsv3(self) -> bool {
        self.0 & 0x30 != 0
    }

    /// The four bits of the opcode, reserved or not.
    #[inline]
    pub fn opcode_bits(self) -> u8 {
        self.0 & 0x0f
    }

    /// True for a text or binary message in one frame, not compressed.
    #[inline]
    pub fn is_whole_message(self) -> bool {
        matches!(self.0, 0x81 | 0x82)
    }

    /// The payload is masked.
    #[inline]
    pub fn masked(self) -> bool {
        self.1 & 0x80 != 0
    }

    /// The length of the payload, or 126 or 127 if it follows in 2 or 8 octets.
    #[inline]
    pub fn short_len(self) -> u8 {
        self.1 & 0x7f
    }

    /// The length of the whole header.
    #[inline]
    pub fn header_len(self) -> usize {
        let extended = match self.short_len() {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + extended + if self.masked() { 4 } else { 0 }
    }
}

/// A message that has come in one frame, and what follows it.
pub(crate) struct WholeMessage<'a> {
    pub(crate) text: bool,
    pub(crate) key: Option<MaskingKey>,
    /// Still masked.
    pub(crate) payload: &'a [u8],
    pub(crate) rest: &'a [u8],
}

impl FrameHeader {
    /// Decodes the header at the beginning of `input`, and tells its length; `None` if more octets
    /// are needed.
    ///
    /// # Errors
    /// [`Error::Protocol`] if the opcode is reserved or the length is not in its shortest form;
    /// [`Error::Limit`] if the length is larger than 2^53 − 1.
    #[inline(always)]
    pub fn decode(input: &[u8]) -> Result<Option<(FrameHeader, usize)>, Error> {
        let [first, second, rest @ ..] = input else { return Ok(None) };
        let start = HeaderStart(*first, *second);
        let header_len = start.header_len();
        if input.len() < header_len {
            return Ok(None);
        }
        let (payload_len, rest) = match (start.short_len(), rest) {
            (126, [a, b, rest @ ..]) => (minimal(u16::from_be_bytes([*a, *b]).into(), 126)?, rest),
            (127, [a, b, c, d, e, f, g, h, rest @ ..]) => {
                let len = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
                if len > MAX_PAYLOAD_LEN {
                    return Err(unsupported(len));
                }
                (minimal(len, 0x1_0000)?, rest)
            }
            (len, rest) => (len.into(), rest),
        };
        let mask = if start.masked() { rest.first_chunk::<4>().copied() } else { None };
        let opcode = Opcode::from_bits(start.opcode_bits())
            .ok_or_else(|| invalid_opcode(start.opcode_bits()))?;
        let header =
            FrameHeader { fin: start.fin(), rsv1: start.rsv1(), opcode, mask, payload_len };
        Ok(Some((header, header_len)))
    }

    /// Decodes the header of a whole, uncompressed message of less than 64 KiB whose payload has come
    /// with it: masked if it is for a server. `None` says nothing about the octets:
    /// [`decode`](Self::decode) does.
    #[inline(always)]
    pub(crate) fn decode_whole_message(input: &[u8], to_server: bool) -> Option<WholeMessage<'_>> {
        let [first, second, rest @ ..] = input else { return None };
        let start = HeaderStart(*first, *second);
        if !start.is_whole_message() || start.masked() != to_server {
            return None;
        }
        let (len, rest) = match (start.short_len(), rest) {
            (len @ 0..126, rest) => (usize::from(len), rest),
            (126, [a, b, rest @ ..]) => match u16::from_be_bytes([*a, *b]) {
                len @ 126.. => (usize::from(len), rest),
                _ => return None,
            },
            _ => return None,
        };
        let (key, rest) = match to_server {
            true => rest.split_first_chunk::<4>().map(|(key, rest)| (Some(*key), rest))?,
            false => (None, rest),
        };
        let (payload, rest) = rest.split_at_checked(len)?;
        Some(WholeMessage { text: *first == 0x81, key, payload, rest })
    }

    /// The 2 or 4 octets of a header without a masking key for less than 64 KiB, and how many they
    /// are; `None` for any other: [`encode`](Self::encode) does.
    ///
    /// Made in a register: what is stored octet by octet cannot be loaded as one word at once.
    #[inline(always)]
    pub(crate) fn encode_short(&self) -> Option<([u8; 4], usize)> {
        let first = (u8::from(self.fin) << 7) | (u8::from(self.rsv1) << 6) | self.opcode as u8;
        match (self.mask, self.payload_len) {
            (None, len @ 0..126) => Some(([first, len as u8, 0, 0], 2)),
            (None, len @ 126..0x1_0000) => Some(([first, 126, (len >> 8) as u8, len as u8], 4)),
            _ => None,
        }
    }

    /// Encodes the header into `out` and returns its length.
    #[inline(always)]
    pub fn encode(&self, out: &mut [u8; MAX_HEADER_LEN]) -> usize {
        out[0] = (u8::from(self.fin) << 7) | (u8::from(self.rsv1) << 6) | self.opcode as u8;
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        let mut len = 2;
        // RFC 6455 §5.2: the shortest form must be used.
        match self.payload_len {
            short @ 0..126 => out[1] = masked | short as u8,
            medium @ 126..0x1_0000 => {
                out[1] = masked | 126;
                out[2..4].copy_from_slice(&(medium as u16).to_be_bytes());
                len = 4;
            }
            long => {
                out[1] = masked | 127;
                out[2..10].copy_from_slice(&long.to_be_bytes());
                len = 10;
            }
        }
        if let Some(key) = self.mask {
            out[len..len + 4].copy_from_slice(&key);
            len += 4;
        }
        len
    }
}

#[inline]
fn minimal(len: u64, at_least: u64) -> Result<u64, Error> {
    if len >= at_least { Ok(len) } else { Err(not_minimal(len)) }
}

#[cold]
fn not_minimal(len: u64) -> Error {
    Error::protocol(
        ErrorCode::NonMinimalLength,
        format!("payload length {len} is not in its shortest form (RFC 6455 §5.2)"),
    )
}

#[cold]
fn unsupported(len: u64) -> Error {
    Error::limit(
        ErrorCode::UnsupportedDataPayloadLength,
        format!("frame payload is {len} bytes; at most 2^53 - 1 are supported"),
    )
}

#[cold]
pub(crate) fn invalid_opcode(bits: u8) -> Error {
    Error::protocol(
        ErrorCode::InvalidOpcode,
        format!("opcode {bits:#x} is reserved (RFC 6455 §5.2)"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;
    use proptest::prelude::*;

    fn decoded(octets: &[u8]) -> (FrameHeader, usize) {
        FrameHeader::decode(octets).unwrap().unwrap()
    }

    #[test]
    fn each_length_takes_its_shortest_form() {
        for (payload_len, octets) in [
            (0, &hex!("82 00")[..]),
            (125, &hex!("82 7d")[..]),
            (126, &hex!("82 7e 007e")[..]),
            (65535, &hex!("82 7e ffff")[..]),
            (65536, &hex!("82 7f 0000000000010000")[..]),
        ] {
            let header = FrameHeader {
                fin: true,
                rsv1: false,
                opcode: Opcode::Binary,
                mask: None,
                payload_len,
            };
            let mut out = [0; MAX_HEADER_LEN];
            let len = header.encode(&mut out);
            assert_eq!(&out[..len], octets);
            assert_eq!(decoded(octets), (header, len));
        }
    }

    #[test]
    fn a_length_in_a_longer_form_is_refused() {
        for octets in [&hex!("82 7e 007d")[..], &hex!("82 7f 000000000000ffff")[..]] {
            let error = FrameHeader::decode(octets).unwrap_err();
            assert_eq!(error.code(), ErrorCode::NonMinimalLength);
        }
    }

    #[test]
    fn lengths_beyond_2_53_are_refused() {
        for len in [1u64 << 53, (1 << 63) - 1, 1 << 63, u64::MAX] {
            let mut octets = vec![0x82, 0x7f];
            octets.extend(len.to_be_bytes());
            let error = FrameHeader::decode(&octets).unwrap_err();
            assert_eq!(error.code(), ErrorCode::UnsupportedDataPayloadLength);
            assert_eq!(error.close_code().unwrap(), 1009);
        }
        let (header, _) = decoded(&hex!("82 7f 001fffffffffffff"));
        assert_eq!(header.payload_len, (1 << 53) - 1);
    }

    #[test]
    fn a_header_that_has_not_come_whole_asks_for_more() {
        let whole = hex!("81 fe 0100 01020304");
        for cut in 0..whole.len() {
            assert_eq!(FrameHeader::decode(&whole[..cut]), Ok(None));
        }
        assert_eq!(decoded(&whole).0.mask, Some([1, 2, 3, 4]));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            fin: bool, rsv1: bool, mask: Option<[u8; 4]>, payload_len in 0..=MAX_PAYLOAD_LEN, bits in 0..16u8,
        ) {
            let Some(opcode) = Opcode::from_bits(bits) else { return Ok(()) };
            let header = FrameHeader { fin, rsv1, opcode, mask, payload_len };
            let mut out = [0; MAX_HEADER_LEN];
            let len = header.encode(&mut out);
            prop_assert_eq!(decoded(&out[..len]), (header, len));
            match header.encode_short() {
                Some((octets, short)) => prop_assert_eq!(&out[..len], &octets[..short]),
                None => prop_assert!(mask.is_some() || payload_len >= 0x1_0000),
            }
        }
    }
}
