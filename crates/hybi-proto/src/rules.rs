//! [`FrameRules`]: which frame a peer may send, told by its first two octets.

use crate::code::ErrorCode;
use crate::error::Error;
use crate::header::{HeaderStart, invalid_opcode};
use crate::opcode::Opcode;
use crate::role::Role;

/// The rules for single frames (RFC 6455 §5.1, §5.2, §5.4, §5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRules {
    /// Our side: a server is sent masked frames, a client unmasked ones.
    pub role: Role,
    /// RSV1 may mark compressed messages (RFC 7692 §6).
    pub compression: bool,
}

impl FrameRules {
    /// Refuses a frame by its first two octets; `in_message` says that a fragmented message waits
    /// for its next frame.
    ///
    /// # Errors
    /// [`Error::Protocol`] for the first rule that is broken, in the order of `ws`, so that the
    /// codes agree.
    pub fn check(self, start: HeaderStart, in_message: bool) -> Result<(), Error> {
        let unexpected_rsv1 =
            || Error::protocol(ErrorCode::UnexpectedRsv1, "RSV1 must be clear (RFC 6455 §5.2)");
        if start.rsv2_or_rsv3() {
            return Err(Error::protocol(
                ErrorCode::UnexpectedRsv23,
                "RSV2 and RSV3 must be clear (RFC 6455 §5.2)",
            ));
        }
        if start.rsv1() && !self.compression {
            return Err(unexpected_rsv1());
        }
        let bits = start.opcode_bits();
        match Opcode::from_bits(bits) {
            Some(Opcode::Continuation) => {
                // RFC 7692 §6.1: RSV1 is set on the first frame of a message only.
                if start.rsv1() {
                    return Err(unexpected_rsv1());
                }
                if !in_message {
                    return Err(Error::protocol(
                        ErrorCode::InvalidOpcode,
                        "continuation frame without a message to continue (RFC 6455 §5.4)",
                    ));
                }
            }
            Some(Opcode::Text | Opcode::Binary) => {
                if in_message {
                    return Err(Error::protocol(
                        ErrorCode::InvalidOpcode,
                        "a new message began inside a fragmented one (RFC 6455 §5.4)",
                    ));
                }
            }
            Some(opcode) => control(opcode, start, unexpected_rsv1)?,
            None => return Err(invalid_opcode(bits)),
        }
        match (self.role, start.masked()) {
            (Role::Server, false) => Err(Error::protocol(
                ErrorCode::ExpectedMask,
                "a client must mask its frames (RFC 6455 §5.1)",
            )),
            (Role::Client, true) => Err(Error::protocol(
                ErrorCode::UnexpectedMask,
                "a server must not mask its frames (RFC 6455 §5.1)",
            )),
            _ => Ok(()),
        }
    }
}

fn control(
    opcode: Opcode,
    start: HeaderStart,
    unexpected_rsv1: impl FnOnce() -> Error,
) -> Result<(), Error> {
    if !start.fin() {
        return Err(Error::protocol(
            ErrorCode::ExpectedFin,
            "a control frame must not be fragmented (RFC 6455 §5.5)",
        ));
    }
    if start.rsv1() {
        return Err(unexpected_rsv1());
    }
    let len = start.short_len();
    if len > 125 {
        return Err(Error::protocol(
            ErrorCode::InvalidControlPayloadLength,
            "control frame payload is longer than 125 bytes (RFC 6455 §5.5)",
        ));
    }
    if opcode == Opcode::Close && len == 1 {
        return Err(Error::protocol(
            ErrorCode::InvalidControlPayloadLength,
            "close frame payload is 1 byte; it must be empty or at least 2 (RFC 6455 §5.5.1)",
        ));
    }
    Ok(())
}
