//! How things look to people: sizes, durations, octets in hex, and text from the network made safe
//! for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

/// Writes a line to standard error. That nobody reads it is no reason to fail.
pub(crate) fn note(text: &str) {
    // In one piece, so that nothing gets in between.
    let _ = std::io::stderr().write_all(format!("hybi: {text}\n").as_bytes());
}

/// Text from the peer, with what could command the terminal written out; line feeds and tabs stay.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_command) {
        return Cow::Borrowed(text);
    }
    let mut visible = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_command(c) {
            visible.extend(c.escape_unicode());
        } else {
            visible.push(c);
        }
    }
    Cow::Owned(visible)
}

/// Control characters, and those that change the direction of what follows.
fn is_command(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    }
}

/// Text from the peer on one line of at most `most` characters.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let mut chars = line.chars();
    let mut shown: String = chars.by_ref().take(most).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    visible(&shown).into_owned()
}

/// A URL as it may be shown: a password in it is nobody's business.
pub(crate) fn url(url: &str) -> String {
    let without = url.split_once("://").and_then(|(scheme, rest)| {
        let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let at = rest[..authority].rfind('@')?;
        Some(format!("{scheme}://{}", &rest[at + 1..]))
    });
    one_line(without.as_deref().unwrap_or(url), usize::MAX)
}

/// The length and the first octets.
pub(crate) fn octets(octets: &[u8]) -> String {
    const SHOWN: usize = 32;
    let mut text = bytes(octets.len());
    for (index, octet) in octets.iter().take(SHOWN).enumerate() {
        let _ = write!(text, "{}{octet:02x}", if index == 0 { ": " } else { " " });
    }
    if octets.len() > SHOWN {
        text.push_str(" …");
    }
    text
}

/// A number of bytes.
pub(crate) fn bytes(count: usize) -> String {
    match count {
        1 => "1 byte".to_owned(),
        count => format!("{count} bytes"),
    }
}

/// A duration, to a tenth of a millisecond.
pub(crate) fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

/// Seconds, with decimals only where they say something.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_command_the_terminal_is_written_out() {
        assert_eq!(visible("plain\ttext\nπ"), "plain\ttext\nπ");
        assert_eq!(visible("\x1b]0;title\x07"), "\\u{1b}]0;title\\u{7}");
        assert_eq!(visible("a\rb\u{9b}2J\u{202e}"), "a\\u{d}b\\u{9b}2J\\u{202e}");
    }

    #[test]
    fn one_line_is_one_line_and_not_too_long() {
        assert_eq!(one_line("  a\r\n\t b ", 10), "a b");
        assert_eq!(one_line("äöü", 3), "äöü");
        assert_eq!(one_line("äöüß", 3), "äöü…");
    }

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        assert_eq!(url("ws://me:secret@host:1/a@b"), "ws://host:1/a@b");
        assert_eq!(url("ws://host/a@b"), "ws://host/a@b");
        assert_eq!(url("nonsense\x1b"), "nonsense\\u{1b}");
    }

    #[test]
    fn octets_are_shown_with_their_length() {
        assert_eq!(octets(b""), "0 bytes");
        assert_eq!(octets(&[0xff]), "1 byte: ff");
        assert_eq!(octets(&[1; 33]), format!("33 bytes: {} …", ["01"; 32].join(" ")));
    }
}
