//! Percent-encoding (RFC 3986 §2.1), with the sets of characters of browsers.

/// WHATWG URL: the path percent-encode set.
pub(super) fn in_path_set(b: u8) -> bool {
    !(0x21..=0x7e).contains(&b) || b"\"#<>?^`{}".contains(&b)
}

/// WHATWG URL: the special-query percent-encode set.
pub(super) fn in_query_set(b: u8) -> bool {
    !(0x21..=0x7e).contains(&b) || b"\"#<>'".contains(&b)
}

pub(super) fn percent_encode(text: &str, in_set: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if in_set(b) {
            out.push_str(&format!("%{b:02X}"));
        } else {
            // INVARIANT: the sets hold everything that is not ASCII.
            out.push(char::from(b));
        }
    }
    out
}

/// A percent sign that is not followed by two digits stands for itself, as in browsers.
pub(super) fn percent_decode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let octet = match rest {
            [b'%', high, low, ..] => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        match octet {
            Some((high, low)) => {
                out.push(high << 4 | low);
                rest = &rest[3..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

fn hex_digit(b: u8) -> Option<u8> {
    char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
