//! [`Failure`]: the end of the program that is not a success: an exit status, and one line for
//! people.

use crate::render;
use hybi::{Error, ErrorCode};
use std::io;

/// The connection could not be opened, broke, or was closed because of an error.
const BROKEN: u8 = 1;
/// The command or its input was wrong (as for clap).
const USAGE: u8 = 2;
/// 128 + SIGINT, as shells have it.
const INTERRUPTED: u8 = 130;

/// Why the program ends, and with which status.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) status: u8,
    /// One line; nothing is shown if it is empty.
    pub(crate) text: String,
}

impl Failure {
    /// The connection or the system failed.
    pub(crate) fn broken(text: impl Into<String>) -> Self {
        Failure { status: BROKEN, text: text.into() }
    }

    /// The command or its input was wrong.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Failure { status: USAGE, text: text.into() }
    }

    /// The user did not want to wait for an orderly end.
    pub(crate) fn interrupted() -> Self {
        Failure { status: INTERRUPTED, text: String::new() }
    }

    /// The connection to `url` could not be opened.
    pub(crate) fn connecting(error: &Error, url: &str) -> Self {
        // What is wrong with a 101 is told by the error.
        let answer = error.response();
        if let Some(response) = answer.filter(|answer| answer.status() != 101) {
            return Failure::broken(not_a_websocket(response));
        }
        let text = plain(error);
        match error {
            Error::Usage(_) if error.code() == Some(ErrorCode::InvalidUrl) => {
                Failure::usage(format!("{}: {text}", render::url(url)))
            }
            Error::Usage(_) => Failure::usage(text),
            Error::Io(io) if io.kind() == io::ErrorKind::ConnectionRefused => {
                Failure::broken(format!("{text} (is the server running?)"))
            }
            Error::Io(_) if text.contains("failed to lookup address") => {
                Failure::broken(format!("{text} (is the host name right?)"))
            }
            _ => Failure::broken(text),
        }
    }

    /// The open connection failed.
    pub(crate) fn connection(error: &Error) -> Self {
        Failure::broken(plain(error))
    }
}

/// What the library advises a programmer to do, and its words for whoever types a command.
const ADVICE: [(&str, &str); 7] = [
    ("Tls::authority", "--ca"),
    ("Tls::identity", "--cert and --key"),
    ("; allow that with subprotocol_required(false)", ""),
    (" (raise HeadLimits to allow it)", ""),
    (" (raise Limits::max_message_size to allow it)", ""),
    (" (raise Limits::max_fragments to allow it)", ""),
    (" (raise Limits::max_buffered_chunks to allow it)", ""),
];

/// An error on one line, without the number that the operating system has for it, and with advice
/// that can be followed here.
pub(crate) fn plain(error: &dyn std::error::Error) -> String {
    let mut text = render::one_line(&error.to_string(), usize::MAX);
    for (library, command) in ADVICE {
        text = text.replace(library, command);
    }
    match text.split_once(" (os error ") {
        Some((before, after)) => {
            let rest = after.split_once(')').map_or("", |(_, rest)| rest);
            format!("{before}{rest}")
        }
        None => text,
    }
}

/// What a server that is there, but does not speak WebSocket at this URL, has said.
fn not_a_websocket(response: &http::Response<impl AsRef<[u8]>>) -> String {
    const SHOWN: usize = 200;
    let mut text =
        format!("no WebSocket there: the server answered {} instead of 101", response.status());
    if let Some(location) = response.headers().get(http::header::LOCATION) {
        let location = render::one_line(&String::from_utf8_lossy(location.as_bytes()), SHOWN);
        text = format!("{text}, and to look at {location}");
    }
    let body = String::from_utf8_lossy(response.body().as_ref());
    match render::one_line(&body, SHOWN) {
        body if body.is_empty() => text,
        body => format!("{text}: {body}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_the_operating_system_is_left_out() {
        let error = io::Error::other("cannot connect: Connection refused (os error 111), sorry");
        assert_eq!(plain(&error), "cannot connect: Connection refused, sorry");
    }

    #[test]
    fn advice_is_given_that_can_be_followed_here() {
        let error = io::Error::other("signed by nobody (add the authority with Tls::authority)");
        assert_eq!(plain(&error), "signed by nobody (add the authority with --ca)");
    }

    #[test]
    fn a_plain_http_answer_shows_status_and_the_beginning_of_the_body_on_one_line() {
        let body = format!("<h1>\n  Not\tfound\u{1b}[2J</h1>{}", "x".repeat(1000));
        let response = http::Response::builder().status(404).body(body).expect("valid");
        let text = not_a_websocket(&response);
        assert!(
            text.starts_with(
                "no WebSocket there: the server answered 404 Not Found instead of 101: \
                 <h1> Not found\\u{1b}[2J</h1>xxx"
            ),
            "{text}"
        );
        assert!(text.ends_with("x…") && text.chars().count() < 300, "{text}");
    }
}
