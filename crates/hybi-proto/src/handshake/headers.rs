//! The headers of the handshakes: how they are looked up, and how they are written.

use http::header;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The origin in version 8; from version 13 on it is `Origin`.
pub(crate) const SEC_WEBSOCKET_ORIGIN: HeaderName = HeaderName::from_static("sec-websocket-origin");

/// Where headers are looked up: in a map, or in what has just been parsed, which is quicker than to
/// make a map of it.
pub(crate) trait Headers {
    /// The values of a header, in their order.
    fn all<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a [u8]>;
}

impl Headers for HeaderMap {
    fn all<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).iter().map(HeaderValue::as_bytes)
    }
}

impl Headers for [httparse::Header<'_>] {
    fn all<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
        let name = name.as_str();
        let named = move |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case(name);
        self.iter().filter(named).map(|header| header.value)
    }
}

/// How often a header that must be there once is there.
pub(crate) enum Once<'a> {
    Missing,
    Value(&'a [u8]),
    Repeated,
}

/// Looks up a header that must be there once.
pub(crate) fn once<H: Headers + ?Sized>(headers: &H, name: HeaderName) -> Once<'_> {
    let mut values = headers.all(&name);
    match (values.next(), values.next()) {
        (None, _) => Once::Missing,
        (Some(value), None) => Once::Value(value),
        (Some(_), Some(_)) => Once::Repeated,
    }
}

/// The elements of a comma-separated list, over all its lines (RFC 9110 §5.6.1).
///
/// Empty elements come out too; a recipient of most lists has to ignore them.
pub(crate) fn elements<'a>(
    values: impl Iterator<Item = &'a [u8]>,
) -> impl Iterator<Item = &'a [u8]> {
    values.flat_map(|value| value.split(|&b| b == b',').map(trim_ows))
}

/// Whether a list of tokens has this one, in any case.
pub(crate) fn has_token<H: Headers + ?Sized>(headers: &H, name: HeaderName, token: &str) -> bool {
    elements(headers.all(&name)).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// A value as text; `None` if it has octets that are not visible ASCII characters, spaces or tabs.
pub(crate) fn text(value: &[u8]) -> Option<&str> {
    let visible = |b: &u8| matches!(b, b' '..=b'~' | b'\t');
    if value.iter().all(visible) { std::str::from_utf8(value).ok() } else { None }
}

/// All lines of a list header as one value; `None` if there is no such header.
///
/// `Err` if a line has octets that are not visible ASCII characters, spaces or tabs.
pub(crate) fn joined<H: Headers + ?Sized>(
    headers: &H,
    name: HeaderName,
) -> Result<Option<String>, ()> {
    let mut all: Option<String> = None;
    for value in headers.all(&name) {
        let value = text(value).ok_or(())?;
        match &mut all {
            None => all = Some(value.to_owned()),
            Some(all) => {
                all.push_str(", ");
                all.push_str(value);
            }
        }
    }
    Ok(all)
}

/// RFC 9110 §5.6.2: one or more `tchar`.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&b| is_tchar(b))
}

pub(crate) fn is_tchar(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// RFC 9110 §5.6.3: optional whitespace is spaces and tabs.
fn trim_ows(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// A header value as it may stand in a message for people: escaped, and not long.
pub(crate) fn shown(value: &[u8]) -> String {
    const LONGEST: usize = 80;
    match value.get(..LONGEST) {
        Some(beginning) if value.len() > LONGEST => format!("\"{}…\"", beginning.escape_ascii()),
        _ => format!("\"{}\"", value.escape_ascii()),
    }
}

/// Whether a header is written by the handshake itself, so that nobody else may add it.
pub(crate) fn is_owned(name: &HeaderName) -> bool {
    // A body would be read as the first frames; an upgrade has none.
    const FRAMING: [HeaderName; 5] = [
        header::UPGRADE,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::TRAILER,
    ];
    // `Sec-WebSocket-Origin` is no secret of the handshake: other drafts had it beside `Origin`.
    FRAMING.contains(name)
        || (name.as_str().starts_with("sec-websocket-") && *name != SEC_WEBSOCKET_ORIGIN)
}

/// Appends `Name: value` and the line break.
pub(crate) fn encode(name: &HeaderName, value: &[u8], out: &mut Vec<u8>) {
    encode_name(name.as_str(), out);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends a header name in the capitalisation that specifications use.
///
/// Names compare in any case, but there are servers in the field that know only this one.
fn encode_name(name: &str, out: &mut Vec<u8>) {
    for (i, word) in name.as_bytes().split(|&b| b == b'-').enumerate() {
        if i > 0 {
            out.push(b'-');
        }
        match word {
            b"websocket" => out.extend_from_slice(b"WebSocket"),
            b"www" => out.extend_from_slice(b"WWW"),
            b"etag" => out.extend_from_slice(b"ETag"),
            b"te" => out.extend_from_slice(b"TE"),
            _ => {
                let at = out.len();
                out.extend_from_slice(word);
                if let Some(first) = out.get_mut(at) {
                    first.make_ascii_uppercase();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_in_the_usual_capitalisation() {
        for (name, expected) in [
            ("host", "Host"),
            ("sec-websocket-key", "Sec-WebSocket-Key"),
            ("www-authenticate", "WWW-Authenticate"),
            ("x-forwarded-for", "X-Forwarded-For"),
            ("etag", "ETag"),
            ("x--y-", "X--Y-"),
        ] {
            let mut out = Vec::new();
            encode_name(name, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn a_list_is_read_over_several_lines() {
        let mut headers = HeaderMap::new();
        headers.append(header::CONNECTION, HeaderValue::from_static("keep-alive ,\t"));
        headers.append(header::CONNECTION, HeaderValue::from_static("UPGRADE"));
        assert!(has_token(&headers, header::CONNECTION, "upgrade"));
        assert!(!has_token(&headers, header::CONNECTION, "keep"));
        assert_eq!(
            joined(&headers, header::CONNECTION).unwrap().as_deref(),
            Some("keep-alive ,\t, UPGRADE")
        );
    }

    #[test]
    fn a_shown_value_is_escaped_and_cut() {
        assert_eq!(shown(b"a\"\xff"), r#""a\"\xff""#);
        assert!(shown(&[b'x'; 1000]).len() < 100);
    }
}
