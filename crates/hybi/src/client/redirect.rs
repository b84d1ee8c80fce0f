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

/// The error for a chain of redirects that is too long: all `visited` answered with one.
pub(super) fn too_many(visited: &[Target], next: &Target, response: Response<()>) -> Error {
    let followed = visited.len() - 1;
    let text = if visited.contains(next) {
        format!(
            "the server redirects in a circle: {followed} redirects were followed, and the next one \
             leads to {next} again"
        )
    } else {
        format!(
            "{followed} redirects were followed, and the next one leads to {next} (raise \
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
