//! [`Refusal`]: why a request got no 101, for the client and for the log.

use crate::code::ErrorCode;
use crate::error::Error;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use std::fmt;

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
    /// The reason is sent to the client; without one the name of the status is.
    ///
    /// A status below 200 refuses nothing, and becomes 500.
    pub fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        if reason.is_empty() {
            reason = status.canonical_reason().unwrap_or("refused").to_owned();
        }
        Refusal::because(status, Error::handshake(ErrorCode::HandshakeRefused, reason))
    }

    /// A refusal because of this error, whose sentence is sent to the client.
    ///
    /// A status below 200 refuses nothing, and becomes 500.
    pub fn because(status: StatusCode, error: Error) -> Self {
        let status =
            if status.is_informational() { StatusCode::INTERNAL_SERVER_ERROR } else { status };
        let body = error.to_string();
        Refusal(Box::new(Inner { status, headers: HeaderMap::new(), body, error }))
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
        let Inner { status, headers, body, .. } = *self.0;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        // The reason may quote the request: a browser must not take it for a page.
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().entry(header::CONTENT_TYPE).or_insert(plain);
        response
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.status, self.0.error)
    }
}

impl std::error::Error for Refusal {}
