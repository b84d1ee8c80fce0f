//! Answers that do not open a WebSocket: each is refused with a code of its own.

mod common;

use common::scripted::{Scripted, switching};
use hybi::{Client, Error, ErrorCode};

/// The error of a client that gets this answer.
async fn error_of(
    client: Client,
    answer: impl Fn(&str) -> String + Send + Sync + 'static,
) -> Error {
    let server = Scripted::start(answer).await;
    client.connect(&server.url("/")).await.unwrap_err()
}

/// Replaces a header of the 101; an empty line leaves it out.
fn with(name: &'static str, line: &'static str) -> impl Fn(&str) -> String {
    move |head| {
        let answer = switching(head);
        let lines = answer.split_inclusive("\r\n").map(|found| {
            if !found.starts_with(name) {
                return found.to_owned();
            }
            if line.is_empty() { String::new() } else { format!("{line}\r\n") }
        });
        lines.collect()
    }
}

#[tokio::test]
async fn every_wrong_101_has_its_own_code() {
    use ErrorCode::*;
    for (name, line, code) in [
        ("Upgrade", "", InvalidUpgradeHeader),
        ("Upgrade", "Upgrade: h2c", InvalidUpgradeHeader),
        ("Connection", "", InvalidConnectionHeader),
        ("Connection", "Connection: keep-alive", InvalidConnectionHeader),
        ("Sec-WebSocket-Accept", "", InvalidAcceptHeader),
        (
            "Sec-WebSocket-Accept",
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            InvalidAcceptHeader,
        ),
        ("Upgrade", "Upgrade: websocket\r\nSec-WebSocket-Protocol: other", InvalidSubprotocol),
        ("Upgrade", "Upgrade: websocket\r\nSec-WebSocket-Extensions: bzip", InvalidExtensions),
        (
            "Upgrade",
            "Upgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate; \
             server_max_window_bits=7",
            InvalidExtensions,
        ),
        (
            "Upgrade",
            "Upgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate; unknown",
            InvalidExtensions,
        ),
        ("HTTP/1.1", "HTTP/1.0 101 Switching Protocols", InvalidHandshake),
        ("HTTP/1.1", "SSH-2.0-OpenSSH_9.2", InvalidHandshake),
    ] {
        // A subprotocol is on offer in each case, but none is demanded.
        let client = Client::new().subprotocol("chat").subprotocol_required(false);
        let error = error_of(client, with(name, line)).await;
        assert!(matches!(error, Error::Handshake(_)), "{line:?}: {error:?}");
        assert_eq!(error.code(), Some(code), "{line:?}: {error}");
    }
}

#[tokio::test]
async fn an_extension_that_was_not_offered_is_refused() {
    let options = hybi::Options::new().no_compression();
    let answer =
        with("Upgrade", "Upgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate");
    let error = error_of(Client::new().options(options), answer).await;
    assert_eq!(error.code(), Some(ErrorCode::InvalidExtensions));
    assert!(error.to_string().contains("none was offered"), "{error}");
}

#[tokio::test]
async fn a_subprotocol_is_demanded_if_one_was_offered() {
    let error = error_of(Client::new().subprotocol("chat"), switching).await;
    assert_eq!(error.code(), Some(ErrorCode::InvalidSubprotocol));
    let error = error_of(
        Client::new(),
        with("Upgrade", "Upgrade: websocket\r\nSec-WebSocket-Protocol: unasked"),
    )
    .await;
    assert_eq!(error.code(), Some(ErrorCode::InvalidSubprotocol));
}

#[tokio::test]
async fn a_refusal_carries_status_headers_and_the_beginning_of_the_body() {
    let answer = |_: &str| {
        let body = "<p>no\r\nentry</p>".repeat(1000);
        format!(
            "HTTP/1.1 503 Out of Order\r\nRetry-After: 7\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let error = error_of(Client::new().max_rejection_body(100), answer).await;
    assert_eq!(error.code(), Some(ErrorCode::UnexpectedResponse));
    let response = error.response().unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(response.body().len(), 100);
    let text = error.to_string();
    let expected = "the server answered 503 Service Unavailable instead of 101: <p>no entry</p>";
    assert!(text.starts_with(expected), "{text}");
    assert!(!text.contains(['\r', '\n']), "{text}");
}

#[tokio::test]
async fn the_head_of_a_101_that_is_refused_can_be_looked_at() {
    for (lines, code) in [
        (
            "Upgrade: websocket\r\nServer: odd\r\nSec-WebSocket-Protocol: other",
            ErrorCode::InvalidSubprotocol,
        ),
        (
            "Upgrade: websocket\r\nServer: odd\r\nSec-WebSocket-Protocol: chat\r\n\
             Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99",
            ErrorCode::InvalidExtensions,
        ),
    ] {
        let error = error_of(Client::new().subprotocol("chat"), with("Upgrade", lines)).await;
        assert_eq!(error.code(), Some(code), "{error}");
        let response = error.response().unwrap();
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()["server"], "odd");
    }
}

#[tokio::test]
async fn an_answer_with_chunks_or_without_length_is_read_too() {
    for answer in [
        "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nlost\r\n0\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\n\r\nlost",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\nlost",
    ] {
        let error = error_of(Client::new(), move |_| answer.to_owned()).await;
        assert_eq!(error.response().unwrap().body(), "lost", "{answer:?}");
    }
}

#[tokio::test]
async fn a_head_without_end_is_refused_at_the_limit() {
    let answer = |_: &str| format!("HTTP/1.1 101 x\r\nX: {}", "y".repeat(100_000));
    let error = error_of(Client::new(), answer).await;
    assert!(matches!(error, Error::Limit(_)), "{error:?}");
    assert_eq!(error.code(), Some(ErrorCode::HandshakeTooLarge));
}

#[tokio::test]
async fn a_server_that_hangs_up_without_an_answer_is_told() {
    let error = error_of(Client::new(), |_| String::new()).await;
    assert_eq!(error.to_string(), "the server closed the connection without an answer");
}
