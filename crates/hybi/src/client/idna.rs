//! Hosts with other letters than ASCII, as DNS knows them (UTS #46).

use crate::error::Error;
use hybi_proto::{ErrorCode, ErrorDetail};
use std::borrow::Cow;
use std::ops::Range;

/// The URL with its host in ASCII.
///
/// # Errors
/// [`Error::Usage`] if the host is not ASCII and cannot be made so.
pub(super) fn ascii_host(url: &str) -> Result<Cow<'_, str>, Error> {
    if url.is_ascii() {
        return Ok(Cow::Borrowed(url));
    }
    let Some(at) = host(url).filter(|at| !url[at.clone()].is_ascii()) else {
        return Ok(Cow::Borrowed(url));
    };
    let ascii = to_ascii(&url[at.clone()])
        .map_err(|text| Error::Usage(ErrorDetail::new(ErrorCode::InvalidUrl, text)))?;
    Ok(Cow::Owned(format!("{}{ascii}{}", &url[..at.start], &url[at.end..])))
}

/// Where the host is.
fn host(url: &str) -> Option<Range<usize>> {
    let start = url.find("//")? + 2;
    let before = &url[..start - 2];
    // Two slashes later on belong to a path.
    if before.contains(['/', '?', '#']) {
        return None;
    }
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |end| start + end);
    let start = url[start..end].rfind('@').map_or(start, |at| start + at + 1);
    let end = url[start..end].find(':').map_or(end, |colon| start + colon);
    Some(start..end)
}

#[cfg(feature = "idna")]
fn to_ascii(host: &str) -> Result<String, String> {
    idna::domain_to_ascii_strict(host)
        .map_err(|_| format!("the host {host:?} is not a name that DNS can know (UTS #46)"))
}

#[cfg(not(feature = "idna"))]
fn to_ascii(host: &str) -> Result<String, String> {
    Err(format!(
        "the host {host:?} is not ASCII; give it in punycode (xn--...), or turn the feature idna of \
         hybi on"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ascii_host_is_left_alone_whatever_follows_it() {
        for url in ["ws://example.com/ü", "/ü//ö", "ws://ü@example.com:80", "?//ü", "ws:ü"] {
            assert_eq!(ascii_host(url).unwrap(), url);
        }
    }

    #[cfg(feature = "idna")]
    #[test]
    fn a_host_of_other_letters_becomes_punycode() {
        for (url, expected) in [
            ("wss://user@Bücher.example:81/ü", "wss://user@xn--bcher-kva.example:81/ü"),
            ("//例え.jp", "//xn--r8jz45g.jp"),
        ] {
            assert_eq!(ascii_host(url).unwrap(), expected);
        }
        let error = ascii_host("ws://a\u{338}b..ü/").unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::InvalidUrl));
    }

    #[cfg(not(feature = "idna"))]
    #[test]
    fn a_host_of_other_letters_is_refused_and_the_feature_named() {
        let error = ascii_host("ws://bücher.example/").unwrap_err();
        assert!(error.to_string().contains("feature idna"), "{error}");
    }
}
