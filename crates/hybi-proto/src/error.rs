//! [`Error`]: what went wrong in the protocol, and who must act.

use crate::close::{CloseCode, CloseFrame};
use crate::code::ErrorCode;
use std::borrow::Cow;
use std::fmt;

/// An error of the protocol core. The variant says who must act.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke RFC 6455 or RFC 7692; it has been, or will be, sent a Close frame.
    Protocol(ErrorDetail),
    /// The peer went over one of our limits: raise the limit, or let the peer send less.
    Limit(ErrorDetail),
    /// The opening handshake failed.
    Handshake(ErrorDetail),
    /// The call was wrong: change the calling code.
    Usage(ErrorDetail),
    /// The connection is closing or closed.
    Closed(ErrorDetail),
    /// The peer did not answer in time.
    Timeout(ErrorDetail),
    /// The proxy refused the connection, or did not speak its protocol.
    Proxy(ErrorDetail),
}

impl Error {
    pub(crate) fn protocol(code: ErrorCode, text: impl Into<Cow<'static, str>>) -> Self {
        Error::Protocol(ErrorDetail::new(code, text))
    }

    pub(crate) fn limit(code: ErrorCode, text: impl Into<Cow<'static, str>>) -> Self {
        Error::Limit(ErrorDetail::new(code, text))
    }

    /// As [`limit`](Self::limit), with advice for this side that the peer is not told.
    pub(crate) fn limit_to_raise(code: ErrorCode, fact: String, limit: &'static str) -> Self {
        Error::Limit(ErrorDetail::with_advice(code, fact, &[" (raise ", limit, " to allow it)"]))
    }

    pub(crate) fn handshake(code: ErrorCode, text: impl Into<Cow<'static, str>>) -> Self {
        Error::Handshake(ErrorDetail::new(code, text))
    }

    pub(crate) fn usage(text: impl Into<Cow<'static, str>>) -> Self {
        Error::Usage(ErrorDetail::new(ErrorCode::InvalidArgument, text))
    }

    pub(crate) fn proxy(text: impl Into<Cow<'static, str>>) -> Self {
        Error::Proxy(ErrorDetail::new(ErrorCode::Proxy, text))
    }

    /// The error for sending on a connection that is closing or closed.
    pub(crate) fn closed() -> Self {
        Error::Closed(ErrorDetail::new(
            ErrorCode::ConnectionClosed,
            "the connection is closing or closed; nothing can be sent any more",
        ))
    }

    /// What happened.
    pub fn detail(&self) -> &ErrorDetail {
        match self {
            Error::Protocol(detail)
            | Error::Limit(detail)
            | Error::Handshake(detail)
            | Error::Usage(detail)
            | Error::Closed(detail)
            | Error::Timeout(detail)
            | Error::Proxy(detail) => detail,
        }
    }

    /// The frozen name of the error.
    pub fn code(&self) -> ErrorCode {
        self.detail().code()
    }

    /// The code of the Close frame that the peer is sent; `None` if none is.
    pub fn close_code(&self) -> Option<CloseCode> {
        self.code().close_code()
    }

    /// The Close frame that the peer is sent because of it; `None` if none is.
    ///
    /// Its reason is the [`fact`](ErrorDetail::fact), cut to the 123 bytes there is room for.
    pub fn close_frame(&self) -> Option<CloseFrame> {
        Some(CloseFrame::fitting(self.close_code()?, self.detail().fact()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.detail(), f)
    }
}

impl std::error::Error for Error {}

/// The frozen code of an error and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorDetail {
    code: ErrorCode,
    text: Cow<'static, str>,
    /// So many octets at the end of the sentence are advice for this side.
    advice: u16,
}

impl ErrorDetail {
    /// A detail with this code and sentence (lower case, fact first).
    pub fn new(code: ErrorCode, text: impl Into<Cow<'static, str>>) -> Self {
        ErrorDetail { code, text: text.into(), advice: 0 }
    }

    /// A detail whose sentence goes on with advice for this side.
    fn with_advice(code: ErrorCode, fact: String, advice: &[&'static str]) -> Self {
        let (mut text, end) = (fact, advice.concat());
        text.push_str(&end);
        ErrorDetail { code, text: text.into(), advice: end.len() as u16 }
    }

    /// The frozen name of the error.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The sentence; its wording may change between versions.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The sentence without what this side may do about it, which is no business of the peer's: what
    /// the peer is told in a Close frame.
    pub fn fact(&self) -> &str {
        &self.text[..self.text.len() - usize::from(self.advice)]
    }
}

impl fmt::Display for ErrorDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
