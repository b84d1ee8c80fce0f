//! [`CloseCode`] and [`CloseFrame`]: how a connection says why it ends (RFC 6455 §7.4).

use crate::code::ErrorCode;
use crate::error::{Error, ErrorDetail};
use hybi_bytes::Utf8Bytes;
use std::fmt;

/// A code that a Close frame may carry: 1000–1003, 1007–1014, and 3000–4999.
///
/// ```
/// # use hybi_proto::CloseCode;
/// assert_eq!(CloseCode::NORMAL.get(), 1000);
/// assert!(CloseCode::new(1005).is_err()); // reserved: must not be sent
/// assert!(CloseCode::new(4321).is_ok()); // for private use
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = CloseCode(1000);
    /// 1001: the server shuts down, or the browser leaves the page.
    pub const GOING_AWAY: Self = CloseCode(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = CloseCode(1002);
    /// 1003: a kind of data that is not accepted here (for example binary).
    pub const UNSUPPORTED_DATA: Self = CloseCode(1003);
    /// 1007: text that is not UTF-8, or data that cannot be decompressed.
    pub const INVALID_PAYLOAD: Self = CloseCode(1007);
    /// 1008: a rule of ours was broken; for when no other code fits.
    pub const POLICY_VIOLATION: Self = CloseCode(1008);
    /// 1009: the message is too large.
    pub const MESSAGE_TOO_BIG: Self = CloseCode(1009);
    /// 1010: the client needs an extension that the server did not accept.
    pub const MANDATORY_EXTENSION: Self = CloseCode(1010);
    /// 1011: the server failed.
    pub const INTERNAL_ERROR: Self = CloseCode(1011);
    /// 1012: the server restarts: come back.
    pub const SERVICE_RESTART: Self = CloseCode(1012);
    /// 1013: the server is overloaded: come back later.
    pub const TRY_AGAIN_LATER: Self = CloseCode(1013);
    /// 1014: a gateway got an invalid answer from behind it.
    pub const BAD_GATEWAY: Self = CloseCode(1014);

    /// The code with this number.
    ///
    /// # Errors
    /// [`Error::Usage`] if the number must not be sent (RFC 6455 §7.4): below 1000, 1004–1006,
    /// 1015–2999, above 4999.
    pub fn new(code: u16) -> Result<Self, Error> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(CloseCode(code)),
            _ => Err(Error::Usage(ErrorDetail::new(
                ErrorCode::InvalidArgument,
                format!(
                    "close code {code} must not be sent; use 1000–1003, 1007–1014 or 3000–4999 (RFC 6455 §7.4)"
                ),
            ))),
        }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for CloseCode {
    type Error = Error;
    fn try_from(code: u16) -> Result<Self, Error> {
        CloseCode::new(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> u16 {
        code.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl PartialEq<u16> for CloseCode {
    fn eq(&self, other: &u16) -> bool {
        self.0 == *other
    }
}

/// The body of a Close frame: a code and a reason of at most 123 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// Why.
    pub code: CloseCode,
    /// For logs, not for people; often empty.
    pub reason: Utf8Bytes,
}

impl CloseFrame {
    /// The longest reason, in bytes (RFC 6455 §5.5: 125 less the two of the code).
    pub const MAX_REASON: usize = 123;

    /// A frame with as much of `reason` as fits into it.
    pub fn fitting(code: CloseCode, reason: &str) -> Self {
        let mut end = reason.len().min(CloseFrame::MAX_REASON);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        CloseFrame { code, reason: Utf8Bytes::from(&reason[..end]) }
    }

    /// Decodes the payload of a Close frame; `None` if it is empty (no code was given).
    ///
    /// # Errors
    /// [`Error::Protocol`] if it is one octet, if the code must not be sent (RFC 6455 §7.4), or if
    /// the reason is not UTF-8.
    pub fn decode(payload: &[u8]) -> Result<Option<Self>, Error> {
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            if payload.is_empty() {
                return Ok(None);
            }
            return Err(Error::protocol(
                ErrorCode::InvalidControlPayloadLength,
                "close frame payload is 1 byte; it must be empty or at least 2 (RFC 6455 §5.5.1)",
            ));
        };
        let number = u16::from_be_bytes(*code);
        let code = CloseCode::new(number).map_err(|_| {
            Error::protocol(
                ErrorCode::InvalidCloseCode,
                format!("close code {number} must not be sent (RFC 6455 §7.4)"),
            )
        })?;
        let reason = Utf8Bytes::copy_from_slice(reason).map_err(|_| {
            Error::protocol(
                ErrorCode::InvalidUtf8,
                "close reason is not valid UTF-8 (RFC 6455 §5.5.1)",
            )
        })?;
        Ok(Some(CloseFrame { code, reason }))
    }
}

impl fmt::Display for CloseFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if !self.reason.is_empty() {
            write!(f, " ({})", self.reason)?;
        }
        Ok(())
    }
}
