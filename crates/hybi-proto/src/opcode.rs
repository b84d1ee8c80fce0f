//! [`Opcode`]: what a frame carries.

/// The opcode of a frame (RFC 6455 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// `0x0`: continues a fragmented message.
    Continuation = 0x0,
    /// `0x1`: begins a text message.
    Text = 0x1,
    /// `0x2`: begins a binary message.
    Binary = 0x2,
    /// `0x8`: begins or answers the closing handshake.
    Close = 0x8,
    /// `0x9`: asks for a pong.
    Ping = 0x9,
    /// `0xA`: answers a ping, or is unsolicited.
    Pong = 0xA,
}

impl Opcode {
    /// The opcode with these four bits; `None` for the reserved ones (3–7 and B–F).
    pub const fn from_bits(bits: u8) -> Option<Opcode> {
        Some(match bits {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xA => Opcode::Pong,
            _ => return None,
        })
    }

    /// True for Close, Ping and Pong (RFC 6455 §5.5).
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}
