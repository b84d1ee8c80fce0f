//! The head of an HTTP/1.1 message (RFC 9112): found incrementally, parsed once.
//!
//! Stricter than httparse, which takes bare line feeds and any number of empty lines before the
//! first line. Called by both handshakes and by the CONNECT tunnel.

use super::body::BodyLength;
use super::headers::{Headers, is_tchar, shown};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
use std::borrow::Cow;
use std::mem::MaybeUninit;

/// The bounds on the head of a request or response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    max_size: usize,
    max_headers: usize,
}

impl HeadLimits {
    /// The defaults: 16 KiB and 100 headers.
    pub const fn new() -> Self {
        HeadLimits { max_size: 16 * 1024, max_headers: 100 }
    }

    /// The largest head, in bytes from the first line to the empty line (default 16384).
    pub const fn max_size(mut self, bytes: usize) -> Self {
        self.max_size = bytes;
        self
    }

    /// The largest number of header lines (default 100).
    pub const fn max_headers(mut self, lines: usize) -> Self {
        self.max_headers = lines;
        self
    }
}

impl Default for HeadLimits {
    fn default() -> Self {
        HeadLimits::new()
    }
}

/// Why a head is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// It is not HTTP/1.
    Malformed(Cow<'static, str>),
    /// It is larger than the limits allow.
    TooLarge(String),
    /// It is HTTP, but of another major version.
    OtherVersion(String),
}

impl HeadError {
    pub(crate) fn into_text(self) -> Cow<'static, str> {
        match self {
            HeadError::Malformed(text) => text,
            HeadError::TooLarge(text) | HeadError::OtherVersion(text) => text.into(),
        }
    }
}

fn malformed<T>(text: impl Into<Cow<'static, str>>) -> Result<T, HeadError> {
    Err(HeadError::Malformed(text.into()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Response,
    /// A proxy's answer to CONNECT.
    ProxyResponse,
}

/// Where in the head the next octet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Begin,
    /// After the carriage return of an empty line before the request.
    BeginCr,
    Line,
    LineCr,
    LineBegin,
    /// After the carriage return of the empty line that ends the head.
    EndCr,
}

/// Gathers the octets of a head until its end, looking at each octet once.
#[derive(Debug)]
pub(crate) struct HeadReader {
    kind: Kind,
    limits: HeadLimits,
    /// What arrived in earlier pieces; a head that arrives in one piece is never copied.
    buffer: Vec<u8>,
    at: At,
    /// The octets of an empty line before the request.
    skipped: usize,
    lines: usize,
}

impl HeadReader {
    pub(crate) fn new(kind: Kind, limits: HeadLimits) -> Self {
        HeadReader { kind, limits, buffer: Vec::new(), at: At::Begin, skipped: 0, lines: 0 }
    }

    /// How many octets of an unfinished head have arrived.
    pub(crate) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Takes octets up to the end of the head and no further, and parses it once it is complete.
    ///
    /// `parse` is given the head and the number of its header lines. Afterwards the reader stands
    /// at the beginning of another head. After an error it is of no more use.
    pub(crate) fn receive<T>(
        &mut self,
        input: &mut &[u8],
        parse: impl FnOnce(&[u8], usize) -> Result<T, HeadError>,
    ) -> Result<Option<T>, HeadError> {
        let Some(end) = self.find_end(input)? else {
            self.buffer.extend_from_slice(input);
            *input = &[];
            return Ok(None);
        };
        let (last, rest) = input.split_at(end);
        *input = rest;
        let mut buffer = std::mem::take(&mut self.buffer);
        let head = if buffer.is_empty() {
            last
        } else {
            buffer.extend_from_slice(last);
            &buffer
        };
        let parsed = parse(&head[self.skipped..], self.lines - 1)?;
        *self = HeadReader::new(self.kind, self.limits);
        Ok(Some(parsed))
    }

    /// Looks for the end of the head in the octets after the buffered ones.
    fn find_end(&mut self, input: &[u8]) -> Result<Option<usize>, HeadError> {
        let room = self.limits.max_size.saturating_sub(self.buffer.len());
        let full = input.len() >= room;
        let window = &input[..room.min(input.len())];
        let mut i = 0;
        loop {
            // What most octets are.
            if self.at == At::Line {
                i += text_length(&window[i..]);
            }
            let Some(&b) = window.get(i) else { break };
            i += 1;
            self.at = match (self.at, b) {
                (At::Line, b'\r') => At::LineCr,
                (At::LineCr, b'\n') => {
                    self.lines += 1;
                    if self.lines > self.limits.max_headers.saturating_add(1) {
                        return Err(HeadError::TooLarge(format!(
                            "the head has more than {} headers",
                            self.limits.max_headers
                        )));
                    }
                    At::LineBegin
                }
                (At::LineBegin, b'\r') => At::EndCr,
                (At::EndCr, b'\n') => return Ok(Some(i)),

                (At::Begin, _) => self.begin(b)?,
                // RFC 9112 §2.2: a server should ignore an empty line before the request.
                (At::BeginCr, b'\n') => {
                    self.skipped = 2;
                    At::Begin
                }
                // RFC 9112 §2.2: a recipient may take a bare LF for a line break; one that does
                // sees other headers than a proxy that does not.
                (At::LineCr | At::EndCr | At::BeginCr, _) => {
                    return malformed("the head has a carriage return without a line feed");
                }
                (_, b'\n') => {
                    return malformed("the head has a line feed without a carriage return");
                }
                // RFC 9112 §5.2: a server must reject obsolete line folding.
                (At::LineBegin, b' ' | b'\t') => {
                    return malformed("a header is folded over two lines (RFC 9112 §5.2)");
                }
                (_, b) if !is_text(b) => {
                    return malformed(format!("the head has the control character 0x{b:02x}"));
                }
                (At::LineBegin, _) | (At::Line, _) => At::Line,
            };
        }
        if full {
            return Err(HeadError::TooLarge(format!(
                "the head is larger than {} bytes",
                self.limits.max_size
            )));
        }
        Ok(None)
    }

    /// The first octet tells other protocols apart, without waiting for a line break.
    fn begin(&self, b: u8) -> Result<At, HeadError> {
        match (self.kind, b) {
            (Kind::Request, b'\r') if self.skipped == 0 => Ok(At::BeginCr),
            (Kind::Request, _) if is_tchar(b) => Ok(At::Line),
            (Kind::Response | Kind::ProxyResponse, b'H') => Ok(At::Line),
            // RFC 8446 §5.1: a TLS record of the type handshake, or alert.
            (Kind::Request, 0x16) => {
                malformed("the client speaks TLS, but this port is plain HTTP (use ws://)")
            }
            (Kind::Response, 0x15 | 0x16) => {
                malformed("the server speaks TLS on this port, not plain HTTP (use wss://)")
            }
            (Kind::ProxyResponse, 0x15 | 0x16) => malformed(
                "it is TLS, which is not supported on the way to a proxy (use the port on which it \
                 speaks plain HTTP)",
            ),
            // RFC 1928 §3: the version, with which each answer begins.
            (Kind::ProxyResponse, 5) => {
                malformed("it is not HTTP, but probably SOCKS5 (use socks5:// in the proxy's URL)")
            }
            (Kind::Request, _) => {
                malformed(format!("this is not an HTTP request: it begins with {}", shown(&[b])))
            }
            (Kind::Response, _) => malformed(format!(
                "the server does not speak HTTP: its answer begins with {}",
                shown(&[b])
            )),
            (Kind::ProxyResponse, _) => {
                malformed(format!("it is not HTTP, but begins with {}", shown(&[b])))
            }
        }
    }
}

/// RFC 9110 §5.5: what a field value may have; the rest of a head has less.
fn is_text(b: u8) -> bool {
    b >= b' ' && b != 0x7f || b == b'\t'
}

/// How many octets of text there are before another one, or before a tab.
fn text_length(octets: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const TOPS: u64 = ONES << 7;
    // The top bits of the octets that are zero; above the lowest of these also of others.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    let mut length = 0;
    for chunk in octets.chunks_exact(8) {
        let word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
        let controls = word.wrapping_sub(ONES * b' ' as u64) & !word & TOPS;
        let others = controls | zeros(word ^ (ONES * 0x7f));
        if others != 0 {
            return length + others.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let (_, rest) = octets.split_at(length);
    length + rest.iter().take_while(|&&b| is_text(b) && b != b'\t').count()
}

/// Enough for nearly all heads, so that the list of their headers need not be allocated.
const FEW: usize = 32;

/// A head of up to so many octets has no name that is too long for [`HeaderMap`] (64 KiB).
const SHORT: usize = 60 * 1024;

/// The first line of a request.
pub(crate) struct RequestLine {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: http::Version,
}

/// Parses the head of a request, whose headers `then` may look at.
pub(crate) fn parse_request<T>(
    head: &[u8],
    lines: usize,
    then: impl FnOnce(RequestLine, &[httparse::Header<'_>]) -> Result<T, HeadError>,
) -> Result<T, HeadError> {
    let mut few = [const { MaybeUninit::uninit() }; FEW];
    let mut many;
    let slots = match few.get_mut(..lines) {
        Some(slots) => slots,
        None => {
            many = vec![MaybeUninit::uninit(); lines];
            &mut many[..]
        }
    };
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(head, slots) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return malformed("the request is not complete"),
        Err(error) => return Err(request_error(head, error)),
    }

    let (Some(method), Some(path), Some(minor)) = (parsed.method, parsed.path, parsed.version)
    else {
        return malformed("the request line is malformed");
    };
    let method =
        Method::from_bytes(method.as_bytes()).or_else(|_| malformed("the method is malformed"))?;
    let uri = parse_request_target(path)?;
    let version = if minor == 0 { http::Version::HTTP_10 } else { http::Version::HTTP_11 };
    let headers = &*parsed.headers;
    if headers.len() > FEW || head.len() > SHORT {
        // What the map of the headers has no room for is refused here.
        collect_headers(headers)?;
    }

    check_host(version, headers)?;
    // RFC 9112 §6.3: a body of two lengths is how requests are smuggled past a proxy.
    if BodyLength::of(headers).is_none() {
        return malformed(
            "Content-Length is malformed, or contradicts itself or Transfer-Encoding",
        );
    }
    then(RequestLine { method, uri, version }, headers)
}

/// The request with this first line and these headers.
pub(crate) fn request(
    line: RequestLine,
    headers: &[httparse::Header<'_>],
) -> Result<Request<()>, HeadError> {
    let mut request = Request::new(());
    *request.method_mut() = line.method;
    *request.uri_mut() = line.uri;
    *request.version_mut() = line.version;
    *request.headers_mut() = collect_headers(headers)?;
    Ok(request)
}

/// Parses the head of a response.
pub(crate) fn parse_response(head: &[u8], lines: usize) -> Result<Response<()>, HeadError> {
    let mut few = [const { MaybeUninit::uninit() }; FEW];
    let mut many;
    let slots = match few.get_mut(..lines) {
        Some(slots) => slots,
        None => {
            many = vec![MaybeUninit::uninit(); lines];
            &mut many[..]
        }
    };
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    match config.parse_response_with_uninit_headers(&mut parsed, head, slots) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return malformed("the response is not complete"),
        Err(httparse::Error::Version | httparse::Error::Status | httparse::Error::Token) => {
            return malformed(format!("the server does not speak HTTP/1.1: {}", first_line(head)));
        }
        Err(error) => return Err(header_error(error)),
    }

    let (Some(code), Some(minor)) = (parsed.code, parsed.version) else {
        return malformed("the status line is malformed");
    };
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(code)
        .or_else(|_| malformed(format!("the status {code} is out of range")))?;
    *response.version_mut() =
        if minor == 0 { http::Version::HTTP_10 } else { http::Version::HTTP_11 };
    *response.headers_mut() = collect_headers(parsed.headers)?;
    Ok(response)
}

fn collect_headers(parsed: &[httparse::Header<'_>]) -> Result<HeaderMap, HeadError> {
    let mut headers = HeaderMap::with_capacity(parsed.len().min(FEW));
    for header in parsed {
        let name = HeaderName::from_bytes(header.name.as_bytes())
            .or_else(|_| malformed("a header name is malformed"))?;
        let value = HeaderValue::from_bytes(header.value)
            .or_else(|_| malformed(format!("the value of the header {name} is malformed")))?;
        headers
            .try_append(name, value)
            .map_err(|_| HeadError::TooLarge("the head has too many headers".to_owned()))?;
    }
    Ok(headers)
}

fn parse_request_target(target: &str) -> Result<Uri, HeadError> {
    // RFC 3986 §2: a URI is ASCII. `http::Uri` would take UTF-8, and drop a fragment.
    if !target.is_ascii() {
        return malformed("the request target has characters that are not ASCII");
    }
    if target.contains('#') {
        return malformed("the request target has a fragment");
    }
    Uri::try_from(target).or_else(|_| malformed("the request target is malformed"))
}

/// RFC 9112 §3.2: exactly one Host in HTTP/1.1, else 400.
pub(crate) fn check_host<H: Headers + ?Sized>(
    version: http::Version,
    headers: &H,
) -> Result<(), HeadError> {
    let name = header::HOST;
    let mut hosts = headers.all(&name);
    let Some(host) = hosts.next() else {
        if version < http::Version::HTTP_11 {
            return Ok(());
        }
        return malformed("the Host header is missing");
    };
    if hosts.next().is_some() {
        return malformed("there are several Host headers");
    }
    #[rustfmt::skip]
    let legal = |b: &u8| matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_'
        | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=' | b'%' | b':'
        | b'[' | b']');
    if !host.iter().all(legal) {
        return malformed(format!("the Host header {} is malformed", shown(host)));
    }
    Ok(())
}

fn request_error(head: &[u8], error: httparse::Error) -> HeadError {
    match error {
        httparse::Error::Version if names_http_version(head) => HeadError::OtherVersion(format!(
            "only HTTP/1.1 is spoken here, not as in {}",
            first_line(head)
        )),
        httparse::Error::Version | httparse::Error::Token => HeadError::Malformed(
            format!("the request line {} is malformed", first_line(head)).into(),
        ),
        error => header_error(error),
    }
}

fn header_error(error: httparse::Error) -> HeadError {
    HeadError::Malformed(match error {
        httparse::Error::HeaderName => "a header name is malformed".into(),
        httparse::Error::HeaderValue => "a header value is malformed".into(),
        error => format!("the head is not HTTP/1.1: {error}").into(),
    })
}

/// Whether the first line ends like a request line of some version of HTTP.
fn names_http_version(head: &[u8]) -> bool {
    let line = head.split(|&b| b == b'\r').next().unwrap_or_default();
    matches!(line, [.., b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

fn first_line(head: &[u8]) -> String {
    shown(head.split(|&b| b == b'\r').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn octets_looked_at_together_are_judged_as_each_by_itself(
            octets in proptest::collection::vec(prop_oneof![8 => b' '..=b'~', 1 => any::<u8>(), 1 => 0x80..=0xffu8], 0..64),
        ) {
            let naive = octets.iter().take_while(|&&b| is_text(b) && b != b'\t').count();
            prop_assert_eq!(text_length(&octets), naive);
        }
    }
}
