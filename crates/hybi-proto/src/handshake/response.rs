//! [`encode_response`]: a response as octets.

use http::Response;

/// Appends a response to `out`.
///
/// A 101 is written as it is. Any other status is final here: `Content-Length` is computed,
/// `Connection: close` added, and the connection must be closed after it.
pub fn encode_response<B: AsRef<[u8]>>(response: &Response<B>, out: &mut Vec<u8>) {
    unimplemented!("{:?} {:?}", response.status(), out)
}
