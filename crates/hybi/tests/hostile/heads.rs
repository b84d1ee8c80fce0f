//! Opening handshakes that are too large, too slow to read, or say more than they seem to.

use allocation_counter::measure;
use hybi::server::{Acceptor, HeadLimits};
use hybi::{Client, DeflateOptions, Error, ErrorCode, Options};
use testkit::Script;
use tokio::io::AsyncReadExt;

const MIB: usize = 1024 * 1024;
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

fn run(test: impl Future<Output = ()>) -> u64 {
    // Time stands still while anybody does something: a busy machine makes no head too slow.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    measure(|| runtime.block_on(test)).bytes_max
}

/// What our server answers to these octets, and why it refused.
async fn served(acceptor: Acceptor, request: Vec<u8>) -> (String, Option<ErrorCode>) {
    let (mut peer, stream) = Script::pair();
    let asks = async {
        // Our side may have stopped reading.
        let _ = peer.try_sends(request).await;
        let head = peer.expects_head().await;
        // It is listened to no longer than the attacker keeps the stream.
        drop(peer);
        head
    };
    let (ours, head) = tokio::join!(acceptor.accept(stream), asks);
    (head, ours.err().and_then(|error| error.code()))
}

/// Why our client refuses these octets.
async fn refused(client: Client, response: Vec<u8>) -> ErrorCode {
    let (mut peer, stream) = Script::pair();
    let answers = async {
        peer.expects_head().await;
        let _ = peer.try_sends(response).await;
        peer
    };
    let (ours, _peer) = tokio::join!(client.connect_over(stream, "ws://localhost/"), answers);
    ours.unwrap_err().code().unwrap()
}

#[test]
fn a_header_of_20_mb_in_single_octets_is_refused_at_the_limit() {
    let most = run(async {
        let (mut peer, stream) = Script::pair();
        let attack = async {
            peer.sends("GET / HTTP/1.1\r\nHost: x\r\nX: ").await;
            let mut sent = 0;
            // One octet per read of ours.
            while sent < 20 * MIB && peer.try_sends("a").await.is_ok() {
                tokio::task::yield_now().await;
                sent += 1;
                if sent == 40_000 {
                    break;
                }
            }
            let head = peer.expects_head().await;
            drop(peer);
            head
        };
        let acceptor = Acceptor::new();
        let (error, head) = tokio::join!(acceptor.accept(stream), attack);
        assert_eq!(error.unwrap_err().code(), Some(ErrorCode::HandshakeTooLarge));
        assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
    });
    assert!(most < 300 * 1024, "{most}");
}

#[test]
fn a_header_of_20_mb_of_a_server_is_refused_at_the_limit() {
    let endless = b"HTTP/1.1 101 Switching Protocols\r\nX: ".to_vec();
    let most = run(async {
        let (mut peer, stream) = Script::pair();
        let attack = async {
            peer.expects_head().await;
            peer.sends(endless).await;
            let mut sent = 0;
            while peer.try_sends([b'a'; 1000]).await.is_ok() {
                sent += 1000;
            }
            assert!(sent < 200_000, "{sent} octets were taken");
        };
        let client = Client::new();
        let ours = async {
            let result = client.connect_over(stream, "ws://localhost/").await;
            assert_eq!(result.unwrap_err().code(), Some(ErrorCode::HandshakeTooLarge));
        };
        tokio::join!(ours, attack);
    });
    assert!(most < 400 * 1024, "{most}");
}

#[test]
fn ten_thousand_headers_are_refused_with_431_and_harm_nobody() {
    let headers: String = (0..10_000).map(|n| format!("X-{n}: y\r\n")).collect();
    let request = format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}{UPGRADE}\r\n");
    let response = format!("HTTP/1.1 101 Switching Protocols\r\n{headers}\r\n");
    for large in [false, true] {
        let limits = if large { HeadLimits::new().max_size(4 * MIB) } else { HeadLimits::new() };
        let most = run(async {
            let acceptor = Acceptor::new().head_limits(limits);
            let (head, code) = served(acceptor, request.clone().into_bytes()).await;
            assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
            assert_eq!(code, Some(ErrorCode::HandshakeTooLarge));
            let client = Client::new().head_limits(limits);
            let code = refused(client, response.clone().into_bytes()).await;
            assert_eq!(code, ErrorCode::HandshakeTooLarge);
        });
        assert!(most < MIB as u64, "{most}");
    }
}

#[test]
fn names_and_parameters_that_mean_something_to_others_are_only_names() {
    // Names that every object of JavaScript has; grammar that invites backtracking.
    let quoted = format!("x; a=\"{}", "\\\"".repeat(4000));
    let ten = format!("permessage-deflate{}", ", permessage-deflate".repeat(9));
    let thousand = format!("permessage-deflate{}", ", permessage-deflate".repeat(500));
    let table = [
        ("constructor", "101"),
        ("__proto__; hasOwnProperty", "101"),
        ("permessage-deflate; constructor", "101"),
        ("permessage-deflate; __proto__=1", "101"),
        (ten.as_str(), "101"),
        (thousand.as_str(), "400"),
        (quoted.as_str(), "400"),
        ("permessage-deflate; server_max_window_bits=", "400"),
    ];
    run(async {
        for (value, status) in table {
            let request = format!(
                "GET / HTTP/1.1\r\nHost: x\r\n{UPGRADE}Sec-WebSocket-Extensions: {value}\r\n\r\n"
            );
            let options = Options::new().compression(DeflateOptions::new());
            let acceptor = Acceptor::new().options(options);
            let (head, _) = served(acceptor, request.into_bytes()).await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{value:.60}\n{head}");
        }
    });
}

#[test]
fn window_bits_out_of_range_are_declined_by_a_server_and_fail_a_client() {
    let wrong = ["0", "7", "16", "1000", "-9", "9.5", "99999999999999999999", "09", "\"\"", "x"];
    run(async {
        for bits in wrong {
            for name in ["server_max_window_bits", "client_max_window_bits"] {
                let extension = format!("permessage-deflate; {name}={bits}");
                let request = format!(
                    "GET / HTTP/1.1\r\nHost: x\r\n{UPGRADE}\
                     Sec-WebSocket-Extensions: {extension}\r\n\r\n"
                );
                let options = Options::new().compression(DeflateOptions::new());
                let acceptor = Acceptor::new().options(options);
                let (head, _) = served(acceptor, request.into_bytes()).await;
                let head = head.to_ascii_lowercase();
                assert!(!head.contains("permessage-deflate"), "{extension}: {head}");

                let (mut peer, stream) = Script::pair();
                let lines = format!("Sec-WebSocket-Extensions: {extension}\r\n");
                let client = Client::new();
                let (ours, _) = tokio::join!(
                    client.connect_over(stream, "ws://localhost/"),
                    peer.accepts_with(&lines, [])
                );
                let code = ours.unwrap_err().code();
                assert_eq!(code, Some(ErrorCode::InvalidExtensions), "{extension}");
            }
        }
    });
}

#[test]
fn a_long_list_of_subprotocols_with_spaces_is_only_long() {
    let value = format!("b{}x", " ".repeat(15_000));
    run(async {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: x\r\n{UPGRADE}Sec-WebSocket-Protocol: {value}\r\n\r\n"
        );
        let acceptor = Acceptor::new().subprotocols(["b"]);
        let (head, code) = served(acceptor, request.into_bytes()).await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
        assert_eq!(code, Some(ErrorCode::InvalidSubprotocol));
    });
}

#[test]
fn nothing_smuggles_a_line_into_a_request() {
    const LINE: &str = "X-Injected: 1";
    let evil = format!("a\r\n{LINE}");
    let attempts: [(&str, Client, String); 7] = [
        ("path", Client::new(), format!("ws://localhost/{evil}")),
        ("query", Client::new(), format!("ws://localhost/?{evil}")),
        ("host", Client::new(), format!("ws://local{evil}host/")),
        ("user", Client::new(), format!("ws://{evil}:p@localhost/")),
        ("subprotocol", Client::new().subprotocol(&evil), "ws://localhost/".into()),
        ("origin", Client::new().origin(&evil), "ws://localhost/".into()),
        ("header", Client::new().header("X-Own", evil.as_str()), "ws://localhost/".into()),
    ];
    run(async {
        for (where_, client, url) in attempts {
            let (peer, stream) = Script::pair();
            let connecting = tokio::spawn(async move { client.connect_over(stream, &url).await });
            let (mut pipe, _) = peer.into_parts();
            let mut head = Vec::new();
            // The whole request, or the end, because nothing was sent.
            while !head.ends_with(b"\r\n\r\n") && pipe.read_buf(&mut head).await.unwrap() > 0 {}
            let head = String::from_utf8(head).unwrap();
            assert!(!head.lines().any(|line| line == LINE), "{where_}: {head}");
            drop(pipe);
            let error = connecting.await.unwrap().unwrap_err();
            if head.is_empty() {
                assert!(
                    matches!(error, Error::Handshake(_) | Error::Usage(_)),
                    "{where_}: {error}"
                );
            }
        }
    });
}

#[test]
fn nothing_smuggles_a_line_into_a_response() {
    const EVIL: &str = "a\r\nX-Injected: 1";
    run(async {
        let request =
            format!("GET / HTTP/1.1\r\nHost: x\r\n{UPGRADE}Sec-WebSocket-Protocol: a, b\r\n\r\n");
        let acceptor = Acceptor::new().select_subprotocol(|_, _| Some(EVIL.to_owned()));
        let (head, _) = served(acceptor, request.clone().into_bytes()).await;
        assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
        assert!(!head.contains("\r\nX-Injected"), "{head}");

        let acceptor = Acceptor::new().authorize(|_| async {
            Err(hybi::server::Refusal::new(http::StatusCode::FORBIDDEN, EVIL))
        });
        let (head, _) = served(acceptor, request.into_bytes()).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
        assert!(!head.contains("\r\nX-Injected"), "{head}");
    });
}
