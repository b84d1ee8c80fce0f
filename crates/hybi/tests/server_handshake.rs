//! The decision before the 101: each refusal states its reason, and harms nobody else.

use http::{HeaderName, HeaderValue, StatusCode, header};
use hybi::server::{Acceptor, HeadLimits, Origins, Refusal};
use hybi::{Client, Error, Server};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

/// Serves an echo with these rules; returns the address.
async fn serve(rules: impl FnOnce(Server) -> Server) -> String {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap().to_string();
    tokio::spawn(rules(server).serve(|mut ws| async move {
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok(())
    }));
    address
}

/// The server's whole answer to this request; of a 101 only the head, because the connection goes on.
async fn answer(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while stream.read_buf(&mut answer).await.unwrap() > 0 {
        if answer.starts_with(b"HTTP/1.1 101 ") && answer.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn every_refusal_states_its_reason_in_the_body_and_harms_nobody_else() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let address = serve(|server| {
        server.path("/chat").head_limits(HeadLimits::new().max_headers(20)).on_error(
            move |error, peer| {
                tell.send((error.to_string(), peer.unwrap().ip().to_string())).unwrap();
            },
        )
    })
    .await;
    let mut calm = hybi::connect(&format!("ws://{address}/chat")).await.unwrap();

    let get = "GET /chat HTTP/1.1\r\nHost: test\r\n";
    let many = "X: y\r\n".repeat(30);
    let large = format!("X: {}\r\n", "y".repeat(20_000));
    let cases = [
        (format!("{get}{many}{UPGRADE}\r\n"), "431 Request Header Fields Too Large", "20"),
        (format!("{get}{large}{UPGRADE}\r\n"), "431 Request Header Fields Too Large", "16384"),
        (format!("{get}{UPGRADE}Content-Length: 5\r\n\r\nhello"), "400 Bad Request", "body"),
        (
            format!("{get}{UPGRADE}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            "400 Bad Request",
            "body",
        ),
        (
            format!("GET /other HTTP/1.1\r\nHost: test\r\n{UPGRADE}\r\n"),
            "404 Not Found",
            "no WebSocket here",
        ),
        (
            format!("POST /chat HTTP/1.1\r\nHost: test\r\n{UPGRADE}\r\n"),
            "405 Method Not Allowed",
            "not POST",
        ),
        (format!("{get}\r\n"), "426 Upgrade Required", "the Upgrade header is missing"),
        (
            format!("{get}{}\r\n", UPGRADE.replace(": 13", ": 99")),
            "426 Upgrade Required",
            "Sec-WebSocket-Version header is \"99\"",
        ),
        (format!("{get}{}\r\n", UPGRADE.replace("==", "")), "400 Bad Request", "base64"),
        ("nonsense\r\n\r\n".to_owned(), "400 Bad Request", ""),
    ];
    for (request, status, reason) in &cases {
        let answer = answer(&address, request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}\n{answer}");
        assert!(head.to_lowercase().contains("\r\nconnection: "), "{answer}");
        assert!(!body.is_empty() && body.contains(reason), "{answer}");
    }

    calm.send("still here").await.unwrap();
    assert_eq!(calm.recv().await.unwrap().unwrap(), "still here");
    // The server tells it when the client has gone.
    let mut errors = Vec::new();
    for _ in &cases {
        let error = tokio::time::timeout(Duration::from_secs(30), told.recv()).await;
        errors.push(error.expect("every refusal is told").unwrap());
    }
    assert!(told.is_empty());
    assert!(errors.iter().all(|(_, peer)| peer == "127.0.0.1"));
    assert!(errors.iter().any(|(error, _)| error.contains("no WebSocket here")));
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_sees_the_end_at_once_and_may_still_be_sending() {
    let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move { Acceptor::new().path("/chat").accept(ours).await.map(drop) });
    let begin = tokio::time::Instant::now();
    theirs.write_all(b"POST / HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    theirs.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert_eq!(begin.elapsed(), Duration::ZERO);
    // What comes after the answer is read and dropped: a reset could overtake the answer.
    theirs.write_all(&[0; 200_000]).await.unwrap();
}

#[tokio::test]
async fn pages_from_elsewhere_are_refused_with_403_and_programs_are_not() {
    let address = serve(|server| server.origins(Origins::same_origin())).await;
    let url = format!("ws://{address}");
    let from = |origin: &str| format!("GET / HTTP/1.1\r\nHost: {address}\r\nOrigin: {origin}\r\n");
    let refused = answer(&address, &format!("{}{UPGRADE}\r\n", from("https://evil.example"))).await;
    assert!(refused.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{refused}");
    assert!(refused.ends_with("pages from https://evil.example may not connect here"), "{refused}");
    let mut own = TcpStream::connect(&address).await.unwrap();
    let request = format!("{}{UPGRADE}\r\n", from(&format!("http://{address}")));
    own.write_all(request.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    own.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 101");
    hybi::connect(&url).await.unwrap();
}

#[tokio::test]
async fn who_is_not_known_is_told_with_401_how_to_authenticate() {
    let address = serve(|server| {
        server.authorize(|request| {
            let known = request.cookie("session") == Some("secret");
            async move {
                // As if a database had been asked.
                tokio::task::yield_now().await;
                if known {
                    return Ok(());
                }
                Err(Refusal::new(StatusCode::UNAUTHORIZED, "log in first").header(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Basic realm=\"chat\""),
                ))
            }
        })
    })
    .await;
    let url = format!("ws://{address}");
    let error = hybi::connect(&url).await.unwrap_err();
    let response = error.response().unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()["www-authenticate"], "Basic realm=\"chat\"");
    assert_eq!(response.body(), "log in first");
    let client = Client::new()
        .header(header::COOKIE, HeaderValue::from_static("theme=dark; session=secret"));
    client.connect(&url).await.unwrap();
}

#[tokio::test]
async fn a_rule_that_panics_is_answered_with_500_and_told_of() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: test\r\n");
    let upgrade = |path| format!("{}{UPGRADE}Sec-WebSocket-Protocol: chat\r\n\r\n", get(path));
    let panics = |path: &str, rule: &str| assert_ne!(path, rule);
    let address = serve(|server| {
        server
            .authorize(move |request| {
                panics(request.uri().path(), "/at-once");
                let path = request.uri().path().to_owned();
                async move {
                    tokio::task::yield_now().await;
                    panics(&path, "/later");
                    Ok(())
                }
            })
            .select_subprotocol(move |_, request| {
                panics(request.uri().path(), "/subprotocol");
                None
            })
            .response_headers(move |request, _| panics(request.uri().path(), "/headers"))
            .http(move |request| {
                panics(request.uri().path(), "/page");
                http::Response::new(b"a page".to_vec())
            })
            .on_error(move |error, _| tell.send(error.to_string()).unwrap())
    })
    .await;
    let upgrades = ["/at-once", "/later", "/subprotocol", "/headers"].map(upgrade);
    for request in upgrades.into_iter().chain([format!("{}\r\n", get("/page"))]) {
        let answer = answer(&address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{answer}");
        assert!(told.recv().await.unwrap().contains("panicked over the request"), "{request}");
    }

    let fine = answer(&address, &upgrade("/fine")).await;
    assert!(fine.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{fine}");
}

#[tokio::test]
async fn the_handler_gets_the_whole_request() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve_with(|ws, request| async move {
        ws.send(format!(
            "{} {} {}",
            request.uri().query().unwrap_or_default(),
            request.header("x-forwarded-for").unwrap_or_default(),
            request.peer_addr().ok_or_else(|| Error::application("no address"))?.ip(),
        ))
        .await
    }));
    let client = Client::new()
        .header(HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static("192.0.2.1"));
    let mut ws = client.connect(&format!("ws://{address}/?room=7")).await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "room=7 192.0.2.1 127.0.0.1");
}

/// The client's end of a stream whose request somebody else has read, and what came of it.
async fn accept_parsed(
    acceptor: Acceptor,
    request: http::Request<()>,
    early: &[u8],
) -> (Result<(hybi::WebSocket, hybi::server::Request), Error>, tokio::io::DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    (acceptor.accept_parsed(request, ours, early).await, theirs)
}

fn parsed(path: &str) -> http::Request<()> {
    http::Request::builder()
        .uri(path)
        .header("host", "test")
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13")
        .header("cookie", "session=1")
        .body(())
        .unwrap()
}

#[tokio::test]
async fn a_request_that_was_parsed_elsewhere_is_answered_on_its_stream() {
    let acceptor = Acceptor::new().path("/chat");
    let (accepted, mut client) =
        accept_parsed(acceptor, parsed("/chat?room=1"), b"\x81\x82\0\0\0\0hi").await;
    let (mut ws, request) = accepted.unwrap();
    assert_eq!(request.cookie("session"), Some("1"));
    assert_eq!(request.uri().query(), Some("room=1"));
    // What had been read after the head is the beginning of the WebSocket.
    assert_eq!(ws.recv().await.unwrap().unwrap(), "hi");
    ws.send("and back").await.unwrap();
    ws.flush().await.unwrap();
    drop(ws);
    let mut octets = Vec::new();
    client.read_to_end(&mut octets).await.unwrap();
    assert!(octets.ends_with(b"\r\n\r\n\x81\x08and back"), "{octets:?}");
    let text = String::from_utf8_lossy(&octets);
    assert!(text.starts_with("HTTP/1.1 101 "), "{text}");
    assert!(text.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{text}");
}

#[tokio::test]
async fn a_request_that_was_parsed_elsewhere_is_refused_on_its_stream() {
    let acceptor = Acceptor::new().path("/chat");
    let refusing = accept_parsed(acceptor, parsed("/elsewhere"), b"");
    let (accepted, mut client) = refusing.await;
    assert!(matches!(accepted, Err(Error::Handshake(_))), "{accepted:?}");
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(answer.ends_with("no WebSocket here"), "{answer}");
}

#[tokio::test]
async fn the_callback_chooses_the_subprotocol_and_the_hook_adds_headers() {
    let address = serve(|server| {
        server
            .select_subprotocol(|offered, request| {
                assert_eq!(offered, ["v1", "v2", "v3"]);
                let wanted = request.uri().query()?;
                offered.iter().find(|name| *name == wanted).cloned()
            })
            .response_headers(|request, headers| {
                let seen = request.uri().path().parse().unwrap();
                headers.insert("x-seen", seen);
                headers.insert(header::SET_COOKIE, HeaderValue::from_static("a=b"));
            })
    })
    .await;
    let client = Client::new().subprotocol("v1").subprotocol("v2").subprotocol("v3");
    let url = format!("ws://{address}/path?v2");
    let (ws, response) = client.connect_with_response(&url).await.unwrap();
    assert_eq!(ws.subprotocol(), Some("v2"));
    // One of them, never the whole list.
    assert_eq!(response.headers()["sec-websocket-protocol"], "v2");
    assert_eq!(response.headers()["x-seen"], "/path");
    assert_eq!(response.headers()["set-cookie"], "a=b");
}

#[tokio::test]
async fn by_default_the_first_subprotocol_offered_that_is_known_is_chosen_and_none_if_none_is() {
    let address = serve(|server| server.subprotocols(["v1", "v2"])).await;
    let url = format!("ws://{address}");
    let client = Client::new().subprotocol("v9").subprotocol("v2").subprotocol("v1");
    assert_eq!(client.connect(&url).await.unwrap().subprotocol(), Some("v2"));
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let request =
        format!("GET / HTTP/1.1\r\nHost: {address}\r\nSec-WebSocket-Protocol: v9\r\n{UPGRADE}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(
        head.starts_with("http/1.1 101 ") && !head.contains("sec-websocket-protocol"),
        "{head}"
    );
}

#[tokio::test]
async fn by_default_pages_of_every_origin_may_connect() {
    let address = serve(|server| server).await;
    let page = Client::new().origin("https://elsewhere.example");
    page.connect(&format!("ws://{address}")).await.unwrap();
}
