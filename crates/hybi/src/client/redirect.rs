//! [`Redirect`]: what a hook may look at and change before a redirect is followed.

use crate::error::{Error, HandshakeError};
use http::{HeaderMap, Response};
use hybi_proto::{ErrorCode, ErrorDetail, Target};

/// A redirect that is about to be followed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Redirect<'a> {
    /// Which target has answered with the redirect.
    pub from: &'a Target,
    /// Where it leads.
    pub to: &'a Target,
    /// The answer, without its body.
    pub response: &'a Response<()>,
    /// The additional headers of the next request; what must not go to another origin has been
    /// removed.
    pub headers: &'a mut HeaderMap,
}

/// The error for a chain of redirects that is too long.
pub(super) fn too_many(visited: &[Target], next: &Target, response: Response<()>) -> Error {
    let count = visited.len();
    let text = if visited.contains(next) {
        format!(
            "the server redirects in a circle: after {count} redirects it leads to {next} again"
        )
    } else {
        format!(
            "the server redirects {count} times, at last to {next} (raise \
             Client::follow_redirects to go there)"
        )
    };
    invalid(text, response)
}

/// The error for a redirect where there is no way to follow it.
pub(super) fn not_followed(response: Response<()>) -> Error {
    invalid("a redirect cannot be followed over a stream that was given".to_owned(), response)
}

fn invalid(text: String, response: Response<()>) -> Error {
    let detail = ErrorDetail::new(ErrorCode::InvalidRedirect, text);
    Error::Handshake(HandshakeError::with_response(detail, response.map(|()| Default::default())))
}
