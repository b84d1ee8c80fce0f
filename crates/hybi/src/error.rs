//! [`Error`]: what went wrong, and who must act.

use hybi_proto::{CloseCode, ErrorCode, ErrorDetail};
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;

/// What went wrong. The variant says who must act, [`code`](Error::code) says what it was.
///
/// | variant | who must act |
/// |---|---|
/// | `Protocol` | the peer: it broke RFC 6455 |
/// | `Limit` | you or the peer: raise the limit, or let it send less |
/// | `Handshake` | you or the peer: the opening handshake was refused |
/// | `Usage` | you: the call was wrong |
/// | `Closed` | nobody: the connection has ended |
/// | `Timeout` | nobody: the peer or the network has gone |
/// | `Io`, `Tls`, `Proxy` | whoever runs the network, the certificates, the proxy |
/// | `Application` | you: a handler of yours returned it |
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke RFC 6455 or RFC 7692; it has been sent a Close frame.
    Protocol(ErrorDetail),
    /// The peer went over one of our limits; it has been sent a Close frame.
    Limit(ErrorDetail),
    /// The opening handshake failed.
    Handshake(HandshakeError),
    /// The call was wrong: change the calling code.
    Usage(ErrorDetail),
    /// The connection is closing or closed.
    Closed(ErrorDetail),
    /// The peer did not answer in time.
    Timeout(ErrorDetail),
    /// The operating system reported an error.
    Io(IoError),
    /// The TLS handshake failed or the certificate was refused.
    Tls(ErrorDetail),
    /// The proxy refused the connection or did not speak its protocol.
    Proxy(ErrorDetail),
    /// An error of the application's own, on its way out of a handler.
    Application(Arc<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Wraps an error of the application's own, so that a handler can return it with `?`.
    ///
    /// ```
    /// fn parse(text: &str) -> Result<u32, hybi::Error> {
    ///     text.parse().map_err(hybi::Error::application)
    /// }
    /// assert!(parse("no number").is_err());
    /// ```
    pub fn application(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error::Application(error.into().into())
    }

    pub(crate) fn io(
        code: ErrorCode,
        what: impl Into<Cow<'static, str>>,
        error: io::Error,
    ) -> Self {
        Error::Io(IoError { code, what: what.into(), source: Arc::new(error) })
    }

    pub(crate) fn handshake(detail: ErrorDetail) -> Self {
        Error::Handshake(HandshakeError { detail, response: None })
    }

    pub(crate) fn usage(text: impl Into<Cow<'static, str>>) -> Self {
        Error::Usage(ErrorDetail::new(ErrorCode::InvalidArgument, text))
    }

    pub(crate) fn timeout(code: ErrorCode, text: impl Into<Cow<'static, str>>) -> Self {
        Error::Timeout(ErrorDetail::new(code, text))
    }

    /// The frozen name of the error; `None` for an application's own.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Error::Protocol(detail)
            | Error::Limit(detail)
            | Error::Usage(detail)
            | Error::Closed(detail)
            | Error::Timeout(detail)
            | Error::Tls(detail)
            | Error::Proxy(detail) => Some(detail.code()),
            Error::Handshake(error) => Some(error.detail.code()),
            Error::Io(error) => Some(error.code),
            Error::Application(_) => None,
        }
    }

    /// The code of the Close frame that the peer is sent; `None` if none is.
    pub fn close_code(&self) -> Option<CloseCode> {
        self.code()?.close_code()
    }

    /// The server's answer to the opening handshake, if that is the reason: another status than 101,
    /// or a 101 that is not what was asked for.
    pub fn response(&self) -> Option<&http::Response<bytes::Bytes>> {
        match self {
            Error::Handshake(error) => error.response(),
            _ => None,
        }
    }
}

impl From<hybi_proto::Error> for Error {
    fn from(error: hybi_proto::Error) -> Self {
        match error {
            hybi_proto::Error::Protocol(detail) => Error::Protocol(detail),
            hybi_proto::Error::Limit(detail) => Error::Limit(detail),
            hybi_proto::Error::Handshake(detail) => Error::handshake(detail),
            hybi_proto::Error::Usage(detail) => Error::Usage(detail),
            hybi_proto::Error::Closed(detail) => Error::Closed(ErrorDetail::new(
                detail.code(),
                format!("{detail} (close_info tells how it ended)"),
            )),
            hybi_proto::Error::Timeout(detail) => Error::Timeout(detail),
            hybi_proto::Error::Proxy(detail) => Error::Proxy(detail),
            other => Error::Protocol(other.detail().clone()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Protocol(detail)
            | Error::Limit(detail)
            | Error::Usage(detail)
            | Error::Closed(detail)
            | Error::Timeout(detail)
            | Error::Tls(detail)
            | Error::Proxy(detail) => detail.fmt(f),
            Error::Handshake(error) => error.detail.fmt(f),
            Error::Io(error) => error.fmt(f),
            Error::Application(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io(error) => Some(&error.source),
            Error::Application(error) => error.source(),
            _ => None,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Io(error) => error.kind(),
            Error::Closed(_) => io::ErrorKind::BrokenPipe,
            Error::Timeout(_) => io::ErrorKind::TimedOut,
            Error::Usage(_) => io::ErrorKind::InvalidInput,
            Error::Protocol(_) | Error::Limit(_) => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// An error of the operating system, and what was being done.
#[derive(Debug, Clone)]
pub struct IoError {
    code: ErrorCode,
    what: Cow<'static, str>,
    source: Arc<io::Error>,
}

impl IoError {
    /// The kind of the error, as the standard library classifies it.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.source)
    }
}

/// Why the opening handshake failed.
#[derive(Debug, Clone)]
pub struct HandshakeError {
    detail: ErrorDetail,
    response: Option<Arc<http::Response<bytes::Bytes>>>,
}

impl HandshakeError {
    pub(crate) fn with_response(
        detail: ErrorDetail,
        response: http::Response<bytes::Bytes>,
    ) -> Self {
        HandshakeError { detail, response: Some(Arc::new(response)) }
    }

    /// What happened.
    pub fn detail(&self) -> &ErrorDetail {
        &self.detail
    }

    /// The server's answer, if it is the reason: its status, headers and, if it is not a 101, the
    /// beginning of its body.
    pub fn response(&self) -> Option<&http::Response<bytes::Bytes>> {
        self.response.as_deref()
    }
}
