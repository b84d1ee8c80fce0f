//! `hybi serve`, the real program.

mod support;

use hybi::{Event, Message};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use support::{HANGS, Running, Served, connect};

/// What the server answers to these octets, to the end.
fn answer(address: SocketAddr, octets: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(HANGS)).expect("a timeout");
    stream.write_all(octets).expect("written");
    let mut answer = Vec::new();
    // A reset after the answer is an end as well.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(address: SocketAddr, path: &str) -> String {
    answer(address, format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())
}

#[test]
fn the_page_is_served_and_needs_nothing_from_elsewhere() {
    let server = Served::start(&[]);
    let response = get(server.address, "/");
    let (head, page) = response.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Type: text/html; charset=utf-8\r\n"), "{head}");
    assert!(page.contains(r#"data-path="/" data-mode="echo""#), "{page}");
    assert!(page.trim_end().ends_with("</html>") && !page.contains("{{"), "{page}");
    for external in ["http://", "https://", " src=", "@import", "url("] {
        assert!(!page.contains(external), "{external} in the page");
    }

    let request = format!("HEAD / HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    let response = answer(server.address, request.as_bytes());
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\n"), "a body after a HEAD request: {response}");
}

#[test]
fn other_requests_are_told_what_is_here() {
    let server = Served::start(&["--path", "/chat"]);
    let response = get(server.address, "/elsewhere");
    assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
    assert!(response.ends_with("\r\n\r\nthere is nothing here; the page is at /\n"), "{response}");
    let response = get(server.address, "/chat");
    assert!(response.starts_with("HTTP/1.1 426 "), "{response}");
    let request = format!("POST / HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    let response = answer(server.address, request.as_bytes());
    assert!(response.starts_with("HTTP/1.1 405 "), "{response}");
    assert!(response.contains("\r\nAllow: GET, HEAD\r\n"), "{response}");
}

#[test]
fn with_a_path_only_that_path_is_a_websocket_and_the_page_knows_it() {
    let server = Served::start(&["--path", "/chat"]);
    assert_eq!(server.url, format!("ws://{}/chat", server.address));
    assert!(get(server.address, "/").contains(r#"data-path="/chat""#));
    assert_eq!(connect(&[&server.url], b"hello\n").stdout, "hello\n");
    let elsewhere = connect(&[&format!("ws://{}/", server.address)], b"hello\n");
    assert_eq!(elsewhere.status, Some(1));
    assert!(elsewhere.stderr.contains("404 Not Found"), "{}", elsewhere.stderr);
}

#[tokio::test]
async fn a_subprotocol_is_spoken_with_those_who_offer_it() {
    let server = Served::start(&["--subprotocol", "chat", "--subprotocol", "superchat"]);
    let client = hybi::Client::new;
    for (offered, agreed) in [("superchat", Some("superchat")), ("other", None)] {
        let connected =
            client().subprotocol("none").subprotocol(offered).connect(&server.url).await;
        match agreed {
            Some(_) => assert_eq!(connected.expect("connected").subprotocol(), agreed),
            None => assert!(connected.expect_err("refused").to_string().contains("subprotocol")),
        }
    }
    client().connect(&server.url).await.expect("connected without any");
    let wrong = Running::start(["serve", "--subprotocol", "not a token"], None).finish();
    assert_eq!(wrong.status, Some(2));
    assert!(wrong.stderr.contains("is not a token"), "{}", wrong.stderr);
}

#[tokio::test]
async fn broadcast_sends_each_message_to_everybody_and_its_sender() {
    let mut server = Served::start(&["--broadcast"]);
    let mut anna = hybi::connect(&server.url).await.expect("connected");
    let mut bert = hybi::connect(&server.url).await.expect("connected");
    server.process.wait_for("2 connections");
    anna.send("from anna").await.expect("sent");
    for ws in [&mut anna, &mut bert] {
        assert_eq!(ws.recv().await.expect("open"), Some(Message::from("from anna")));
    }
    bert.send(vec![0, 1, 2]).await.expect("sent");
    for ws in [&mut anna, &mut bert] {
        assert_eq!(ws.recv().await.expect("open"), Some(Message::from(vec![0, 1, 2])));
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_and_holds_nobody_up_for_good() {
    const COUNT: usize = 32;
    let mut server = Served::start(&["--broadcast"]);
    let _lazy = hybi::connect(&server.url).await.expect("connected");
    let (mut reader, writer) = hybi::connect(&server.url).await.expect("connected").split();
    server.process.wait_for("2 connections");
    let message = Message::from(vec![7; 1024 * 1024]);
    let sending = tokio::spawn(async move {
        for _ in 0..COUNT {
            writer.send(message.clone()).await.expect("sent");
        }
        writer
    });
    for _ in 0..COUNT {
        assert!(reader.recv().await.expect("open").is_some());
    }
    drop((sending.await.expect("everything was sent"), reader));
    server.process.wait_for(" 0 connections");
    let cut = "a client does not read its messages, and is cut off\n";
    assert_eq!(server.process.log().matches(cut).count(), 1, "{}", server.process.log());
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupt_closes_the_connections_with_1001_and_ends_with_0() {
    let mut server = Served::start(&[]);
    let mut ws = hybi::connect(&server.url).await.expect("connected");
    server.process.wait_for("1 connection");
    server.process.interrupt();
    let Ok(Some(Event::Close(Some(frame)))) = ws.next_event().await else {
        panic!("no Close frame")
    };
    assert_eq!(frame.to_string(), "1001 (the server is shutting down)");
    assert!(ws.next_event().await.expect("a clean end").is_none());
    let ended = server.process.finish();
    assert_eq!(ended.status, Some(0));
    assert!(ended.stderr.contains("closing 1 connection\n"), "{}", ended.stderr);
}

#[cfg(unix)]
#[test]
fn quiet_is_quiet() {
    let server = Served::start(&["--quiet"]);
    assert_eq!(connect(&[&server.url], b"hello\n").stdout, "hello\n");
    get(server.address, "/");
    server.process.interrupt();
    assert_eq!(server.process.finish().stderr, "");
}

#[test]
fn what_happens_is_reported() {
    let mut server = Served::start(&[]);
    assert_eq!(connect(&[&server.url], b"hello\n").status, Some(0));
    server.process.wait_for(" connected to /; 1 connection");
    server.process.wait_for(" closed with 1000; 0 connections");
}

#[test]
fn a_port_in_use_is_said_in_one_line_with_a_way_out() {
    let server = Served::start(&[]);
    let listen = server.address.to_string();
    let second = Running::start(["serve", "--listen", &listen], None).finish();
    assert_eq!(second.status, Some(1));
    let other = server.address.port().wrapping_add(1);
    assert_eq!(
        second.stderr,
        format!(
            "hybi: cannot listen on {listen}: the port is in use; choose another with --listen \
             127.0.0.1:{other}\n"
        )
    );
}

#[test]
fn garbage_harms_nobody() {
    let mut server = Served::start(&[]);
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n";
    assert!(answer(server.address, tls).starts_with("HTTP/1.1 400 "));
    assert!(answer(server.address, b"GET / HTTP/1.1\r\n\r\n\0\0").starts_with("HTTP/1.1 "));
    let long = [&b"GET / HTTP/1.1\r\nX: "[..], &vec![b'x'; 1 << 20]].concat();
    let mut stream = TcpStream::connect(server.address).expect("the server listens");
    let _ = stream.write_all(&long); // refused before its end
    drop(stream);
    drop(TcpStream::connect(server.address).expect("the server listens"));
    server.process.wait_for("without a request");

    // Frames that are none, after a correct handshake.
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        server.address
    );
    let response = answer(server.address, &[request.as_bytes(), &[0xff; 100]].concat());
    assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
    server.process.wait_for(" failed: ");

    assert_eq!(connect(&[&server.url], b"still here\n").stdout, "still here\n");
}
