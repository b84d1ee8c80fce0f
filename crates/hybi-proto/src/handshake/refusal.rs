//! [`Refusal`]: why a request got no 101, for the client and for the log.

use crate::error::Error;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

/// Why a request was refused, ready to be answered.
///
/// The body is one line of plain text which states the reason; the error says the same, with a code.
#[derive(Debug, Clone)]
pub struct Refusal(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
    error: Error,
}

impl Refusal {
    /// A refusal by a rule of the server's own (`WS_ERR_HANDSHAKE_REFUSED`).
    ///
    /// The reason is sent to the client.
    pub fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        unimplemented!("{status:?} {}", reason.into())
    }

    /// Adds a header to the response.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.append(name, value);
        self
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The headers of the response, without those of the framing.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// The body of the response: the reason, in one line of plain text.
    pub fn body(&self) -> &str {
        &self.0.body
    }

    /// The reason as an error, for the log.
    pub fn error(&self) -> &Error {
        &self.0.error
    }

    /// The response; [`encode_response`](super::encode_response) adds the length and
    /// `Connection: close`, hyper does so itself.
    pub fn into_response(self) -> Response<String> {
        unimplemented!()
    }
}
