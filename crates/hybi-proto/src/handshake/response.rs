//! [`encode_response`]: a response as octets.

use super::headers::{self, has_token};
use http::{Response, StatusCode, header};

/// Appends a response to `out`.
///
/// A 1xx is written as it is. Any other status is final here: `Content-Length` is computed,
/// `Connection: close` added, and the connection must be closed after it.
///
/// The response to a HEAD request must have no body: give an empty one.
pub fn encode_response<B: AsRef<[u8]>>(response: &Response<B>, out: &mut Vec<u8>) {
    let status = response.status();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");

    let last = !status.is_informational();
    for (name, value) in response.headers() {
        // Framing is computed below: a wrong length would let the body be read as a response.
        if last && (name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING) {
            continue;
        }
        headers::encode(name, value.as_bytes(), out);
    }
    if !last {
        out.extend_from_slice(b"\r\n");
        return;
    }

    if !has_token(response.headers(), header::CONNECTION, "close") {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    // RFC 9110 §6.4.1, §8.6: these statuses have neither a body nor a length.
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        out.extend_from_slice(b"\r\n");
        return;
    }
    let body = response.body().as_ref();
    out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    out.extend_from_slice(body);
}
