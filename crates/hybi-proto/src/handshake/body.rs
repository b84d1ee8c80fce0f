//! The body of a rejection (RFC 9112 §6, §7), as far as it is wanted.
//!
//! It is shown to people, so a body that is cut off or malformed yields what there is of it, never
//! an error that would hide the status.

use super::headers::{Headers, elements};
use bytes::Bytes;
use http::{Response, StatusCode, header};

/// What the headers say about the length of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// Nothing: a request has no body, that of a response ends with the connection.
    Unstated,
    Known(u64),
    Chunked,
    /// `Transfer-Encoding` does not end with `chunked`.
    OtherCoding,
}

impl BodyLength {
    /// RFC 9112 §6.3; `None` if the headers contradict themselves.
    pub(crate) fn of<H: Headers + ?Sized>(headers: &H) -> Option<Self> {
        let (length, coding) = (header::CONTENT_LENGTH, header::TRANSFER_ENCODING);
        if headers.all(&coding).next().is_some() {
            if headers.all(&length).next().is_some() {
                return None;
            }
            let last = elements(headers.all(&coding)).last();
            return Some(match last {
                Some(coding) if coding.eq_ignore_ascii_case(b"chunked") => BodyLength::Chunked,
                _ => BodyLength::OtherCoding,
            });
        }
        let mut known = None;
        for digits in elements(headers.all(&length)) {
            // `parse` alone would take a plus sign.
            if !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            let length: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
            if known.is_some_and(|known| known != length) {
                return None;
            }
            known = Some(length);
        }
        Some(known.map_or(BodyLength::Unstated, BodyLength::Known))
    }
}

/// Gathers the beginning of a body.
#[derive(Debug)]
pub(crate) struct BodyReader {
    limit: usize,
    kept: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    UntilEof,
    Length(u64),
    ChunkSize { size: u64, digits: u8 },
    ChunkExtension { size: u64, length: u16 },
    ChunkData { left: u64 },
    ChunkEnd,
    Done,
}

impl BodyReader {
    /// A reader for the body of this response that keeps at most `limit` bytes.
    pub(crate) fn new<B>(response: &Response<B>, limit: usize) -> Self {
        let status = response.status();
        let state = match BodyLength::of(response.headers()) {
            _ if status.is_informational()
                || status == StatusCode::NO_CONTENT
                || status == StatusCode::NOT_MODIFIED
                || limit == 0 =>
            {
                State::Done
            }
            Some(BodyLength::Known(0)) => State::Done,
            Some(BodyLength::Known(length)) => State::Length(length),
            Some(BodyLength::Chunked) => State::ChunkSize { size: 0, digits: 0 },
            Some(BodyLength::Unstated | BodyLength::OtherCoding) | None => State::UntilEof,
        };
        BodyReader { limit, kept: Vec::new(), state }
    }

    /// Whether everything that is wanted has arrived.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// What has arrived.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.kept.into()
    }

    /// Takes what has arrived, until the body or the limit is reached.
    pub(crate) fn receive(&mut self, input: &mut &[u8]) {
        while !self.is_done() && !input.is_empty() {
            self.state = match self.state {
                State::UntilEof => {
                    self.keep(input, u64::MAX);
                    State::UntilEof
                }
                State::Length(left) => match left - self.keep(input, left) {
                    0 => State::Done,
                    left => State::Length(left),
                },
                State::ChunkData { left } => match left - self.keep(input, left) {
                    0 => State::ChunkEnd,
                    left => State::ChunkData { left },
                },
                framing => {
                    let (&b, rest) = input.split_first().expect("not empty");
                    *input = rest;
                    framing.after(b)
                }
            };
            if self.kept.len() == self.limit {
                self.state = State::Done;
            }
        }
    }

    fn keep(&mut self, input: &mut &[u8], wanted: u64) -> u64 {
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let count = input.len().min(wanted).min(self.limit - self.kept.len());
        let (kept, rest) = input.split_at(count);
        self.kept.extend_from_slice(kept);
        *input = rest;
        count as u64
    }
}

impl State {
    /// The state after this octet of the framing between chunks (RFC 9112 §7.1).
    fn after(self, b: u8) -> Self {
        /// A peer must not keep us busy with extensions that nobody reads.
        const LONGEST_EXTENSION: u16 = 1024;
        match (self, b) {
            (State::ChunkSize { size, digits: digits @ 0..16 }, b) if b.is_ascii_hexdigit() => {
                let digit = char::from(b).to_digit(16).map_or(0, u64::from);
                State::ChunkSize { size: size << 4 | digit, digits: digits + 1 }
            }
            (State::ChunkSize { size, digits: 1.. }, b'\n')
            | (State::ChunkExtension { size, .. }, b'\n') => match size {
                0 => State::Done, // the trailers are of no interest
                left => State::ChunkData { left },
            },
            (State::ChunkSize { size, digits: 1.. }, b'\r' | b';' | b' ' | b'\t') => {
                State::ChunkExtension { size, length: 0 }
            }
            (State::ChunkExtension { size, length: length @ 0..LONGEST_EXTENSION }, _) => {
                State::ChunkExtension { size, length: length + 1 }
            }
            (State::ChunkEnd, b'\r') => State::ChunkEnd,
            (State::ChunkEnd, b'\n') => State::ChunkSize { size: 0, digits: 0 },
            _ => State::Done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};

    fn read(
        headers: &[(http::HeaderName, &'static str)],
        limit: usize,
        body: &[u8],
    ) -> (Bytes, bool, usize) {
        let mut response = Response::new(());
        for (name, value) in headers {
            response.headers_mut().append(name, HeaderValue::from_static(value));
        }
        let mut whole = BodyReader::new(&response, limit);
        let mut input = body;
        whole.receive(&mut input);

        let mut bytewise = BodyReader::new(&response, limit);
        for b in body {
            bytewise.receive(&mut &[*b][..]);
        }
        assert_eq!((&bytewise.kept, bytewise.is_done()), (&whole.kept, whole.is_done()));

        let done = whole.is_done();
        (whole.into_bytes(), done, input.len())
    }

    #[test]
    fn a_body_ends_at_its_length() {
        let length = [(header::CONTENT_LENGTH, "5")];
        assert_eq!(read(&length, 100, b"hello, more"), ("hello".into(), true, 6));
        assert_eq!(read(&length, 100, b"hell"), ("hell".into(), false, 0));
        assert_eq!(read(&length, 3, b"hello"), ("hel".into(), true, 2));
        assert_eq!(read(&[(header::CONTENT_LENGTH, "0")], 100, b"x"), ("".into(), true, 1));
    }

    #[test]
    fn a_body_without_length_ends_with_the_connection_or_at_the_limit() {
        assert_eq!(read(&[], 100, b"hello"), ("hello".into(), false, 0));
        assert_eq!(read(&[], 5, b"hello!"), ("hello".into(), true, 1));
        assert_eq!(read(&[], 0, b"hello!"), ("".into(), true, 6));
    }

    #[test]
    fn a_chunked_body_is_decoded() {
        let chunked = [(header::TRANSFER_ENCODING, "gzip, Chunked")];
        let body = b"4\r\nhell\r\n1;q=\"x\"\r\no\r\n0\r\nTrailer: x\r\n\r\n";
        assert_eq!(read(&chunked, 100, body).0, "hello");
        assert!(read(&chunked, 100, body).1);
        assert_eq!(read(&chunked, 4, body).0, "hell");
        assert_eq!(read(&chunked, 100, b"ffffffffffffffff\r\nhe"), ("he".into(), false, 0));
    }

    #[test]
    fn a_malformed_chunk_ends_the_body_and_keeps_what_there_is() {
        let chunked = [(header::TRANSFER_ENCODING, "chunked")];
        for body in [
            &b"2\r\nhe\r\nxyz"[..],
            b"2\r\nhellooo",
            b"2\r\nhe\r\n\r\nxyz",
            b"2\r\nhe\r\n10000000000000000\r\nxyz",
            &[&b"2\r\nhe\r\n1;"[..], &[b'x'; 2000], b"\r\nx"].concat(),
        ] {
            let (kept, done, _) = read(&chunked, 100, body);
            assert_eq!((&kept[..], done), (&b"he"[..], true), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn contradicting_lengths_are_seen() {
        let of = |fields: &[(http::HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(name, HeaderValue::from_static(value));
            }
            BodyLength::of(&headers)
        };
        let length = |value| (header::CONTENT_LENGTH, value);
        assert_eq!(of(&[]), Some(BodyLength::Unstated));
        assert_eq!(of(&[length("5"), length("5, 5")]), Some(BodyLength::Known(5)));
        assert_eq!(of(&[length("5"), length("6")]), None);
        assert_eq!(of(&[length("+5")]), None);
        assert_eq!(of(&[length("")]), None);
        assert_eq!(of(&[length("99999999999999999999")]), None);
        assert_eq!(of(&[length("5"), (header::TRANSFER_ENCODING, "chunked")]), None);
        assert_eq!(
            of(&[(header::TRANSFER_ENCODING, "chunked, gzip")]),
            Some(BodyLength::OtherCoding)
        );
    }
}
