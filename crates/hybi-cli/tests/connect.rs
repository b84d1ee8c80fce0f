//! `hybi connect` with a pipe, the real program.

mod support;

use hybi::server::Request;
use hybi::{CloseCode, Message, Server, WebSocket};
use std::fmt::Write as _;
use std::future::Future;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use support::{Ended, Running, Served, connect, hybi};

/// A server of this process, with its runtime; gives its URL to `test`.
fn with_server<F, Fut>(handler: F, test: impl FnOnce(&str))
where
    F: Fn(WebSocket, Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), hybi::Error>> + Send + 'static,
{
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(Server::bind("127.0.0.1:0")).expect("a free port");
    let url = format!("ws://{}/", server.local_addr().expect("an address"));
    runtime.spawn(server.subprotocols(["chat"]).serve_with(handler));
    test(&url);
}

/// As [`connect`], without input, as a program would: nothing to read from.
fn connect_without_input(args: &[&str]) -> Ended {
    Running::start(["connect"].iter().chain(args).copied(), None).finish()
}

#[test]
fn a_line_in_is_a_message_and_a_message_is_a_line_out() {
    let server = Served::start(&[]);
    let ended = connect(&[&server.url], "one\r\n\nπ last".as_bytes());
    assert_eq!(ended.stdout, "one\n\nπ last\n");
    assert_eq!(ended.stderr, "hybi: closed with 1000\n");
    assert_eq!(ended.status, Some(0));
}

#[test]
fn what_comes_after_our_close_frame_is_still_written() {
    let server = Served::start(&[]);
    let mut input = String::new();
    for number in 0..50_000 {
        let _ = writeln!(input, "line {number}");
    }
    let ended = connect(&[&server.url], input.as_bytes());
    assert!(ended.stdout == input, "{} of {} bytes", ended.stdout.len(), input.len());
    assert_eq!(ended.status, Some(0));
}

#[test]
fn the_servers_close_code_decides_over_the_exit_status() {
    let close = |code: u16, reason: &'static str| {
        move |mut ws: WebSocket, _: Request| async move { ws.close(CloseCode::new(code)?, reason).await }
    };
    let wait = ["--wait", "forever"];
    for (code, reason, status, text) in [
        (1000, "", 0, "1000"),
        (1001, "maintenance", 0, "1001 (maintenance)"),
        (1011, "", 1, "1011"),
        (4321, "no\x1b[2J\nmanners", 1, "4321 (no\\u{1b}[2J manners)"),
    ] {
        with_server(close(code, reason), |url| {
            let ended = connect_without_input(&[url, wait[0], wait[1]]);
            let expected = format!("hybi: the server closed the connection with {text}\n");
            assert_eq!((ended.stderr, ended.status), (expected, Some(status)));
        });
    }
}

#[test]
fn a_connection_that_breaks_is_a_failure() {
    let cut = |ws: WebSocket, _: Request| async move {
        ws.terminate();
        Ok(())
    };
    with_server(cut, |url| {
        let ended = connect_without_input(&[url, "--wait", "forever"]);
        assert_eq!(ended.status, Some(1));
        assert!(ended.stderr.starts_with("hybi: the connection ended"), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    });
}

#[test]
fn a_refused_connection_asks_whether_the_server_runs() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let ended = connect(&[&format!("ws://{address}/")], b"hello\n");
    assert_eq!(
        ended.stderr,
        format!("hybi: cannot connect to {address}: Connection refused (is the server running?)\n")
    );
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""));
}

#[test]
fn a_server_that_is_no_websocket_is_shown_with_its_status_and_body() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut request = Vec::new();
        let mut octet = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut octet).is_ok_and(|n| n > 0) {
            request.push(octet[0]);
        }
        let body = "<h1>\n  No such\n  page\x1b[2J\n</h1>";
        let head = "HTTP/1.1 404 Not Found\r\nServer: test";
        write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("written");
    });
    let ended = connect(&["-v", &format!("ws://{address}/")], b"hello\n");
    server.join().expect("the server answered");
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(
        lines.last(),
        Some(
            &"hybi: no WebSocket there: the server answered 404 Not Found instead of 101: \
              <h1> No such page\\u{1b}[2J </h1>"
        )
    );
    assert!(lines.contains(&"hybi: < HTTP/1.1 404 Not Found"), "{lines:?}");
    assert!(lines.contains(&"hybi: < server: test"), "{lines:?}");
    assert_eq!(ended.status, Some(1));
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let server = Served::start(&[]);
    for args in [
        &["nonsense"][..],
        &["localhost:80"],
        &["ftp://host/"],
        &["ws://host/", "--nonsense"],
        &["ws://host/", "-H", "no colon"],
        &["ws://host/", "--ping", "0"],
        &["ws://host/", "--ping-timeout", "5"],
        &["ws://host/", "--ping", "1", "--ping-timeout", "never"],
        &["ws://host/", "--wait", "soon"],
        &["ws://host/", "--proxy", "ftp://proxy"],
        &["ws://host/", "--auth", "a\nb:c"],
        &["ws://host/", "--origin", "two\nlines"],
        &["ws://host/#fragment"],
        &[&server.url, "-H", "Upgrade: other"],
        &[&server.url, "--subprotocol", "not a token"],
        &[],
    ] {
        let ended = connect(args, b"");
        assert_eq!(ended.status, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty(), "{args:?}");
        assert!(!ended.stderr.contains("panicked"), "{args:?}: {}", ended.stderr);
    }
    let secret = connect(&["ws://me:secret@host:99999/"], b"");
    assert_eq!(secret.status, Some(2));
    assert!(!secret.stderr.contains("secret"), "{}", secret.stderr);
}

#[test]
fn input_that_is_not_text_is_refused_after_what_came_before_it() {
    let server = Served::start(&[]);
    let ended = connect(&[&server.url], b"fine\n\xff\nnever sent\n");
    assert_eq!(ended.stdout, "fine\n");
    assert_eq!(
        ended.stderr,
        "hybi: line 2 of the input is not UTF-8 (--binary sends any octets)\n"
    );
    assert_eq!(ended.status, Some(2));
}

#[test]
fn binary_sends_any_octets_and_writes_them_as_they_are() {
    let say = |mut ws: WebSocket, _: Request| async move {
        while let Some(message) = ws.recv().await? {
            assert_eq!(message, Message::from(&b"\xc3\x28\r"[..]));
            ws.send(&b"\xe2\x82\xac\0\x1b"[..]).await?;
        }
        Ok(())
    };
    with_server(say, |url| {
        let ended = connect(&["--binary", url], b"\xc3\x28\r\n");
        assert_eq!((ended.stdout.as_str(), ended.status), ("€\0\x1b\n", Some(0)));
    });
}

#[test]
fn binary_is_also_what_exec_sends() {
    let kind = |mut ws: WebSocket, _: Request| async move {
        while let Some(message) = ws.recv().await? {
            ws.send(if message.is_binary() { "binary" } else { "text" }).await?;
        }
        Ok(())
    };
    with_server(kind, |url| {
        let ended = connect_without_input(&["--exec", "one", url]);
        assert_eq!((ended.stdout.as_str(), ended.status), ("text\n", Some(0)));
        let ended = connect_without_input(&["--binary", "--exec", "one", url]);
        assert_eq!((ended.stdout.as_str(), ended.status), ("binary\n", Some(0)));
    });
}

#[test]
fn headers_subprotocol_and_origin_are_sent_and_verbose_shows_the_handshake() {
    let tell = |ws: WebSocket, request: Request| async move {
        let headers = ["x-one", "origin", "sec-websocket-protocol"];
        let values = headers.map(|name| request.header(name).unwrap_or("-").to_owned());
        ws.send(format!("{} {}", request.uri(), values.join(" "))).await
    };
    with_server(tell, |url| {
        let ended = connect_without_input(&[
            "-v",
            "-H",
            "X-One: 1",
            "--origin",
            "https://example.com",
            "--subprotocol",
            "chat",
            "--wait",
            "forever",
            &format!("{url}room?id=1"),
        ]);
        assert_eq!(ended.stdout, "/room?id=1 1 https://example.com chat\n");
        for line in [
            &format!("hybi: connecting to {url}room?id=1\n")[..],
            "hybi: > GET /room?id=1 HTTP/1.1\n",
            &format!("hybi: > Host: {}\n", url["ws://".len()..].trim_end_matches('/')),
            "hybi: > Upgrade: websocket\n",
            "hybi: > Connection: Upgrade\n",
            "hybi: > Sec-WebSocket-Key: ",
            "hybi: > Sec-WebSocket-Version: 13\n",
            "hybi: > Sec-WebSocket-Extensions: permessage-deflate",
            "hybi: > X-One: 1\n",
            "hybi: > Origin: https://example.com\n",
            "hybi: > Sec-WebSocket-Protocol: chat\n",
            "hybi: < HTTP/1.1 101 Switching Protocols\n",
            "hybi: < upgrade: websocket\n",
            "hybi: < sec-websocket-accept: ",
            "hybi: < sec-websocket-protocol: chat\n",
        ] {
            assert!(ended.stderr.contains(line), "no {line:?} in:\n{}", ended.stderr);
        }
        assert_eq!(ended.status, Some(0));
    });
}

#[test]
fn a_server_that_chooses_no_subprotocol_is_refused_in_words_of_the_command_line() {
    let ended = connect(&["--subprotocol", "chat", &Served::start(&[]).url], b"never sent\n");
    assert_eq!((ended.stdout.as_str(), ended.status), ("", Some(1)));
    assert_eq!(ended.stderr, "hybi: the server chose none of the offered subprotocols (chat)\n");
}

#[test]
fn compression_is_offered_unless_it_is_not_wanted() {
    let tell = |ws: WebSocket, request: Request| async move {
        ws.send(request.header("sec-websocket-extensions").unwrap_or("nothing").to_owned()).await
    };
    with_server(tell, |url| {
        let offer = connect_without_input(&[url, "--wait", "forever"]).stdout;
        assert!(offer.starts_with("permessage-deflate"), "{offer}");
        let none = connect_without_input(&[url, "--wait", "forever", "--no-compress"]).stdout;
        assert_eq!(none, "nothing\n");
    });
}

#[test]
fn exec_writes_an_answer_for_each_message_and_closes() {
    // Chatty: after its answers it would go on and on.
    let answer = |mut ws: WebSocket, _: Request| async move {
        while let Some(message) = ws.recv().await? {
            ws.send(format!("answer to {message}")).await?;
        }
        Ok(())
    };
    with_server(answer, |url| {
        let ended = connect_without_input(&["--exec", "-one", "--exec", "two", url]);
        assert_eq!(ended.stdout, "answer to -one\nanswer to two\n");
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), "hybi: closed with 1000\n"));
    });
}

#[test]
fn exec_without_an_answer_is_a_failure() {
    let silent = |mut ws: WebSocket, _: Request| async move {
        ws.recv().await?;
        Ok(())
    };
    with_server(silent, |url| {
        let ended = connect_without_input(&["--exec", "anyone?", url]);
        assert_eq!(ended.status, Some(1));
        assert_eq!(
            ended.stderr,
            "hybi: the server closed the connection with 1000 before it had answered\n"
        );
    });
}

#[test]
fn pings_are_answered_and_shown_if_wanted() {
    let server = Served::start(&[]);
    let args = ["connect", "--ping", "0.01", "--show-control", "--wait", "forever", &server.url];
    let mut client = Running::start(args, Some(b""));
    // A pong that comes after the next ping was sent is shown without its time.
    for _ in 0..2 {
        let line = client.wait_for(", after ");
        assert!(line.starts_with("hybi: < pong, 4 bytes: 00 00 00 "), "{line}");
    }
}

#[test]
fn pings_of_the_server_are_shown_if_wanted() {
    let ping = |mut ws: WebSocket, _: Request| async move {
        ws.ping(&b"\x01\x02"[..]).await?;
        ws.recv().await.map(drop)
    };
    with_server(ping, |url| {
        for (args, shown) in [(&["--show-control"][..], true), (&[], false)] {
            let ended =
                connect(&[&["--exec", "hello", "--wait", "forever", url], args].concat(), b"");
            let line = "hybi: < ping, 2 bytes: 01 02\n";
            assert_eq!(ended.stderr.contains(line), shown, "{}", ended.stderr);
        }
    });
}

#[test]
fn a_server_that_stops_answering_pings_is_given_up() {
    // A handler that does not read answers no pings either, and TCP stays open.
    let silent = |mut ws: WebSocket, _: Request| async move {
        ws.send("the last word").await?;
        std::future::pending::<()>().await;
        ws.close(CloseCode::NORMAL, "").await
    };
    with_server(silent, |url| {
        let patience = ["--ping", "0.05", "--ping-timeout", "0.2", "--wait", "forever"];
        let ended = connect_without_input(&[&patience[..], &[url]].concat());
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), "the last word\n"));
        assert_eq!(ended.stderr, "hybi: the peer has not answered a ping for 200ms\n");
    });
}

#[cfg(unix)]
#[test]
fn an_interrupt_closes_the_connection() {
    let mut server = Served::start(&[]);
    let client = Running::start(["connect", "--wait", "forever", &server.url], Some(b"hello\n"));
    assert_eq!(client.line(), "hello");
    client.interrupt();
    let ended = client.finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), "hybi: closed with 1000\n"));
    server.process.wait_for(" closed with 1000; 0 connections");
}

#[test]
fn a_reader_that_has_had_enough_ends_the_client_quietly() {
    let mut server = Served::start(&[]);
    let mut child = hybi()
        .args(["connect", "--wait", "forever", &server.url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().expect("piped");
    let mut stderr = child.stderr.take().expect("piped");
    stdin.write_all(b"hello\n").expect("written");
    let mut text = String::new();
    stderr.read_to_string(&mut text).expect("text");
    assert_eq!(text, "");
    assert_eq!(support::wait(&mut child).code(), Some(0));
    server.process.wait_for(" closed with 1000; 0 connections");
}
