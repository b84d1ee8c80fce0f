//! Frames made by hand ([`frame`](frame())) and read by hand ([`frames`]): RFC 6455 §5.2 written
//! down a second time, plainly, so that the code under test is not its own witness.

/// Which of the three forms the payload length takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthForm {
    /// In the second octet; at most 125.
    Short,
    /// 126, then 2 octets.
    Medium,
    /// 127, then 8 octets.
    Long,
}

/// A frame made by hand: nothing about it need be allowed.
///
/// ```
/// use testkit::{Frame, KEY};
/// assert_eq!(Frame::text("Hello").octets(), b"\x81\x05Hello");
/// assert_eq!(Frame::ping("").masked(KEY).octets(), b"\x89\x80\x37\xfa\x21\x3d");
/// assert_eq!(Frame::binary([7]).not_final().rsv(4).claiming(300).octets(), b"\x42\x7e\x01\x2c\x07");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    fin: bool,
    rsv: u8,
    opcode: u8,
    mask: Option<[u8; 4]>,
    form: Option<LengthForm>,
    claims: Option<u64>,
    payload: Vec<u8>,
}

/// A final, unmasked frame with this opcode (its lower four bits) and payload.
pub fn frame(opcode: u8, payload: impl AsRef<[u8]>) -> Frame {
    Frame {
        fin: true,
        rsv: 0,
        opcode: opcode & 0x0f,
        mask: None,
        form: None,
        claims: None,
        payload: payload.as_ref().to_vec(),
    }
}

impl Frame {
    /// A text frame, whether or not the payload is UTF-8.
    pub fn text(payload: impl AsRef<[u8]>) -> Frame {
        frame(0x1, payload)
    }

    /// A binary frame.
    pub fn binary(payload: impl AsRef<[u8]>) -> Frame {
        frame(0x2, payload)
    }

    /// A continuation frame.
    pub fn continuation(payload: impl AsRef<[u8]>) -> Frame {
        frame(0x0, payload)
    }

    /// A ping.
    pub fn ping(payload: impl AsRef<[u8]>) -> Frame {
        frame(0x9, payload)
    }

    /// A pong.
    pub fn pong(payload: impl AsRef<[u8]>) -> Frame {
        frame(0xa, payload)
    }

    /// A Close frame with any code and reason.
    pub fn close(code: u16, reason: &str) -> Frame {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        frame(0x8, payload)
    }

    /// Clears FIN: a continuation is to follow.
    pub fn not_final(mut self) -> Frame {
        self.fin = false;
        self
    }

    /// Sets the reserved bits: 4 for RSV1, 2 for RSV2, 1 for RSV3.
    pub fn rsv(mut self, bits: u8) -> Frame {
        self.rsv = bits & 0x7;
        self
    }

    /// Masks the payload, as clients do.
    pub fn masked(mut self, key: [u8; 4]) -> Frame {
        self.mask = Some(key);
        self
    }

    /// Writes the length in this form, the shortest or not.
    pub fn length_form(mut self, form: LengthForm) -> Frame {
        self.form = Some(form);
        self
    }

    /// Writes this length instead of that of the payload.
    pub fn claiming(mut self, len: u64) -> Frame {
        self.claims = Some(len);
        self
    }

    /// The octets on the wire.
    pub fn octets(&self) -> Vec<u8> {
        let len = self.claims.unwrap_or(self.payload.len() as u64);
        let form = self.form.unwrap_or(match len {
            0..=125 => LengthForm::Short,
            126..=65535 => LengthForm::Medium,
            _ => LengthForm::Long,
        });
        let mask_bit = if self.mask.is_some() { 0x80 } else { 0 };
        let mut octets = vec![u8::from(self.fin) << 7 | self.rsv << 4 | self.opcode];
        match form {
            LengthForm::Short => octets.push(mask_bit | (len as u8 & 0x7f)),
            LengthForm::Medium => {
                octets.push(mask_bit | 126);
                octets.extend((len as u16).to_be_bytes());
            }
            LengthForm::Long => {
                octets.push(mask_bit | 127);
                octets.extend(len.to_be_bytes());
            }
        }
        match self.mask {
            None => octets.extend_from_slice(&self.payload),
            Some(key) => {
                octets.extend_from_slice(&key);
                octets.extend(self.payload.iter().zip(key.iter().cycle()).map(|(o, k)| o ^ k));
            }
        }
        octets
    }
}

impl From<Frame> for Vec<u8> {
    fn from(frame: Frame) -> Vec<u8> {
        frame.octets()
    }
}

/// A frame that was read by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The last frame of its message.
    pub fin: bool,
    /// The reserved bits: 4 for RSV1, 2 for RSV2, 1 for RSV3.
    pub rsv: u8,
    /// The opcode's four bits.
    pub opcode: u8,
    /// The masking key.
    pub mask: Option<[u8; 4]>,
    /// The payload, unmasked.
    pub payload: Vec<u8>,
}

/// The frames that these octets are.
///
/// # Panics
/// If the octets do not end with a frame, or a length is not in its shortest form.
pub fn frames(octets: &[u8]) -> Vec<Received> {
    let mut frames = Vec::new();
    let mut rest = octets;
    while !rest.is_empty() {
        let (frame, len) =
            Received::first(rest).unwrap_or_else(|| panic!("cut-off frame: {}", hex(rest)));
        frames.push(frame);
        rest = &rest[len..];
    }
    frames
}

impl Received {
    /// The first frame in `octets` and its length on the wire; `None` if it has not come whole.
    ///
    /// # Panics
    /// If a length is not in its shortest form.
    pub fn first(octets: &[u8]) -> Option<(Received, usize)> {
        let (first, second) = (*octets.first()?, *octets.get(1)?);
        let mut at = 2;
        let mut take = |n: usize| {
            at += n;
            octets.get(at - n..at)
        };
        let len = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes(take(2)?.try_into().ok()?)),
            127 => u64::from_be_bytes(take(8)?.try_into().ok()?),
            short => u64::from(short),
        };
        match second & 0x7f {
            126 => assert!(len > 125, "length {len} in 2 octets"),
            127 => assert!(len > 65535, "length {len} in 8 octets"),
            _ => {}
        }
        let mask: Option<[u8; 4]> =
            if second & 0x80 != 0 { Some(take(4)?.try_into().ok()?) } else { None };
        let mut payload = take(usize::try_from(len).ok()?)?.to_vec();
        if let Some(key) = mask {
            for (i, octet) in payload.iter_mut().enumerate() {
                *octet ^= key[i % 4];
            }
        }
        let (fin, rsv, opcode) = (first & 0x80 != 0, first >> 4 & 0x7, first & 0x0f);
        Some((Received { fin, rsv, opcode, mask, payload }, at))
    }
}

/// Octets as they are written in tests: `"81 05 48 65"`; cut off after 64.
pub fn hex(octets: &[u8]) -> String {
    let mut text: Vec<_> = octets.iter().take(64).map(|octet| format!("{octet:02x}")).collect();
    if octets.len() > 64 {
        text.push(format!("... ({} octets)", octets.len()));
    }
    text.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn frames_are_those_of_the_examples_in_rfc_6455_5_7() {
        assert_eq!(Frame::text("Hello").octets(), hex!("81 05 48656c6c6f"));
        let key = hex!("37fa213d");
        assert_eq!(Frame::text("Hello").masked(key).octets(), hex!("81 85 37fa213d 7f9f4d5158"));
        assert_eq!(Frame::text("Hel").not_final().octets(), hex!("01 03 48656c"));
        assert_eq!(Frame::continuation("lo").octets(), hex!("80 02 6c6f"));
        assert_eq!(Frame::binary([0; 256]).octets()[..4], hex!("82 7e 0100"));
        assert_eq!(Frame::binary([0; 65536]).octets()[..10], hex!("82 7f 0000000000010000"));
    }

    #[test]
    fn frames_read_are_those_made() {
        let mut octets = Frame::text("Hello").masked(*b"key!").octets();
        octets.extend(Frame::binary([7; 300]).not_final().rsv(5).octets());
        let read = frames(&octets);
        assert_eq!(read[0].payload, b"Hello");
        assert_eq!(read[0].mask, Some(*b"key!"));
        let second = Received { fin: false, rsv: 5, opcode: 2, mask: None, payload: vec![7; 300] };
        assert_eq!(read[1], second);
        assert_eq!(Received::first(&octets[..10]), None);
    }

    #[test]
    #[should_panic(expected = "length 3 in 2 octets")]
    fn a_length_in_a_longer_form_is_noticed() {
        frames(&Frame::text("abc").length_form(LengthForm::Medium).octets());
    }
}
