//! What the client sends, and the way there.

mod common;

use common::scripted::{Scripted, header, read_head, switching};
use common::{assert_echoes, echo};
use hybi::client::Version;
use hybi::{Client, Error, ErrorCode};
use std::future::Future;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// The head of the request that this client sends to a server that accepts it.
async fn request_of(client: Client, path: &str) -> String {
    let mut server = Scripted::start_open(switching).await;
    client.connect(&server.url(path)).await.unwrap();
    server.request().await
}

#[tokio::test]
async fn http_means_ws() {
    let port = common::echo_server().await;
    let mut ws = hybi::connect(&format!("http://127.0.0.1:{port}")).await.unwrap();
    assert_echoes(&mut ws).await;
}

#[cfg(not(any(feature = "tls", feature = "native-tls")))]
#[tokio::test]
async fn wss_without_tls_names_the_feature() {
    for url in ["wss://example.com/", "https://example.com/"] {
        let error = hybi::connect(url).await.unwrap_err();
        assert!(matches!(error, Error::Tls(_)));
        assert!(error.to_string().contains("turn its feature tls or native-tls on"), "{error}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_connected_to_and_its_path_asked_for() {
    let directory = std::env::temp_dir().join(format!("hybi-test-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("a b.sock");
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let acceptor = hybi::server::Acceptor::new().path("/chat");
        let (ws, request) = acceptor.accept(stream).await.unwrap();
        assert_eq!(request.header("host"), Some("localhost"));
        echo(ws).await
    });
    let url = format!("ws+unix:{}:/chat?room=1", path.display()).replace(' ', "%20");
    let mut ws = hybi::connect(&url).await.unwrap();
    assert_echoes(&mut ws).await;
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn user_info_and_basic_auth_become_an_authorization() {
    let mut server = Scripted::start_open(switching).await;
    let url = server.url("/").replace("ws://", "ws://Aladdin:open%20sesame@");
    hybi::connect(&url).await.unwrap();
    let expected = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
    assert_eq!(header(&server.request().await, "authorization"), Some(expected));

    let head = request_of(Client::new().basic_auth("Aladdin", "open sesame"), "/").await;
    assert_eq!(header(&head, "authorization"), Some(expected));
    for (user, password) in [("a:b", "c"), ("a\nb", "c"), ("a", "\u{7f}")] {
        let error = Client::new().basic_auth(user, password).connect(&url).await.unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{error}");
    }
}

#[tokio::test]
async fn a_url_that_cannot_be_connected_to_is_refused_with_the_reason() {
    for (url, expected) in [
        ("ws://example.com/#top", "the URL has a fragment (#)"),
        ("ftp://example.com/", "the URL's scheme \"ftp\" is not one of ws, wss"),
        ("example.com", "the URL has no scheme"),
        ("ws://", "the URL has no host"),
    ] {
        let error = hybi::connect(url).await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::InvalidUrl));
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

#[tokio::test]
async fn headers_are_sent_in_their_order() {
    let mut more = http::HeaderMap::new();
    more.append("x-second", "2".parse().unwrap());
    more.append("x-second", "3".parse().unwrap());
    let client = Client::new().header("X-First", "1").headers(more).header(http::header::TE, "x");
    let head = request_of(client, "/path?query").await;
    assert!(head.starts_with("GET /path?query HTTP/1.1\r\nHost: 127.0.0.1:"), "{head}");
    let head = head.to_ascii_lowercase();
    assert!(head.contains("\r\nx-first: 1\r\nx-second: 2\r\nx-second: 3\r\nte: x\r\n"), "{head}");
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_an_error_and_not_a_panic() {
    let client = Client::new();
    for (client, expected) in [
        (client.clone().header("no name", "x"), "\"no name\" is no name that a header can have"),
        (
            client.clone().header("x-name", "line\r\nbreak"),
            "the value of the header x-name has characters that a header cannot carry",
        ),
        (
            client.clone().header("Sec-WebSocket-Key", "x"),
            "the header sec-websocket-key belongs to the handshake; use the option for it, or leave \
             it out",
        ),
        (client.clone().subprotocol("a, b"), "the subprotocol \"a, b\" "),
        (client.clone().proxy("gopher://x"), "the URL of the proxy is refused: "),
    ] {
        let server = Scripted::start(switching).await;
        let error = client.connect(&server.url("/")).await.unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{error:?}");
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

/// A listener that notices whoever comes.
async fn untouched(client: Client, scheme: &str) -> Error {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("{scheme}://{}/", listener.local_addr().unwrap());
    let error = client.connect(&url).await.unwrap_err();
    // Loopback: who had connected would be there by now.
    let mut accept = std::pin::pin!(listener.accept());
    let came =
        std::future::poll_fn(|cx| std::task::Poll::Ready(accept.as_mut().poll(cx).is_ready()));
    assert!(!came.await, "{error}");
    error
}

#[tokio::test]
async fn wrong_options_are_refused_before_anything_is_dialled() {
    let wrong = [
        Client::new().subprotocol("two words"),
        Client::new().subprotocol("twice").subprotocol("twice"),
        Client::new().origin("http://a\r\nEvil: yes"),
        Client::new().header("Upgrade", "h2c"),
        Client::new().header("Sec-WebSocket-Key", "mine"),
        Client::new().header("Content-Length", "5"),
        Client::new().header("no name", "x"),
        Client::new().header("x", "a\nb"),
        Client::new().basic_auth("a:b", "c"),
        Client::new().proxy("ftp://127.0.0.1"),
        Client::new().on_request(|_, headers| {
            headers.insert("connection", "close".parse().unwrap());
            Ok(())
        }),
    ];
    for client in wrong {
        let error = untouched(client, "ws").await;
        assert!(matches!(error, Error::Usage(_) | Error::Proxy(_)), "{error:?}");
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn wrong_tls_settings_are_refused_before_anything_is_dialled() {
    use hybi::client::{Roots, Tls};
    let name = Tls::new().server_name("not a name");
    let error = untouched(Client::new().tls(name), "wss").await;
    assert!(error.to_string().contains("is no name that a certificate can have"), "{error}");
    let authority = common::certificates::Authority::new();
    let (one, other) = (authority.sign(&["a"]), authority.sign(&["b"]));
    let mixed = Tls::new().roots(Roots::Mozilla).identity(&one.certificate, &other.key).unwrap();
    let error = untouched(Client::new().tls(mixed), "wss").await;
    assert!(matches!(error, Error::Tls(_)), "{error:?}");
}

#[tokio::test]
async fn an_address_of_ip_version_6_stands_in_brackets() {
    let Ok(server) = hybi::Server::bind("[::1]:0").await else {
        eprintln!("this machine has no ::1");
        return;
    };
    let url = format!("ws://[::1]:{}/", server.local_addr().unwrap().port());
    tokio::spawn(server.serve(echo));
    assert_echoes(&mut hybi::connect(&url).await.unwrap()).await;
}

#[tokio::test]
async fn the_origin_has_the_header_of_its_version() {
    let client = Client::new().origin("https://example.com");
    let head = request_of(client.clone(), "/").await;
    assert_eq!(header(&head, "origin"), Some("https://example.com"));
    assert_eq!(header(&head, "sec-websocket-version"), Some("13"));
    let head = request_of(client.version(Version::V8), "/").await;
    assert_eq!(header(&head, "sec-websocket-origin"), Some("https://example.com"));
    assert_eq!(header(&head, "origin"), None);
    assert_eq!(header(&head, "sec-websocket-version"), Some("8"));
}

#[tokio::test]
async fn a_server_of_ours_speaks_version_8_too() {
    let port = common::echo_server().await;
    let client = Client::new().version(Version::V8);
    let mut ws = client.connect(&format!("ws://127.0.0.1:{port}")).await.unwrap();
    assert_echoes(&mut ws).await;
}

#[tokio::test]
async fn the_last_minute_hook_sees_the_target_and_changes_the_headers() {
    let client = Client::new().header("x-stale", "1").on_request(|target, headers| {
        headers.remove("x-stale");
        headers.insert("x-signature", format!("of {}", target.path_and_query()).parse().unwrap());
        Ok(())
    });
    let head = request_of(client, "/path").await;
    assert_eq!(header(&head, "x-signature"), Some("of /path"));
    assert_eq!(header(&head, "x-stale"), None);
}

#[tokio::test]
async fn the_last_minute_hook_may_refuse() {
    let client = Client::new().on_request(|_, _| Err(Error::application("the token is stale")));
    let error = client.connect("ws://127.0.0.1:1/").await.unwrap_err();
    assert!(matches!(error, Error::Application(_)), "{error:?}");
}

#[tokio::test]
async fn a_resolver_of_ones_own_is_asked() {
    let port = common::echo_server().await;
    let client = Client::new().resolver(|host, port| {
        assert_eq!(host, "server.test");
        // The first address refuses: 127.0.0.2 is not listened on.
        let addresses = vec![([127, 0, 0, 2], port).into(), ([127, 0, 0, 1], port).into()];
        async move { Ok(addresses) }
    });
    let mut ws = client.connect(&format!("ws://server.test:{port}/")).await.unwrap();
    assert_echoes(&mut ws).await;

    let nothing = Client::new().resolver(|_, _| async { Ok(Vec::new()) });
    let error = nothing.connect("ws://server.test/").await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::ConnectFailed));
    assert!(error.to_string().starts_with("the name server.test was not found: "), "{error}");
}

#[cfg(target_os = "linux")]
/// On Linux a listener whose queue is full answers nothing: packets to it are lost.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_that_swallows_everything_does_not_keep_the_next_one_from_being_tried() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let hole = socket.listen(0).unwrap();
    let swallows = hole.local_addr().unwrap();
    let _fills_the_queue = tokio::net::TcpStream::connect(swallows).await.unwrap();
    let answers = ([127, 0, 0, 1], common::echo_server().await).into();

    let begun = std::time::Instant::now();
    let client = Client::new().resolver(move |_, _| async move { Ok(vec![swallows, answers]) });
    let mut ws = client.connect("ws://two-addresses.test/").await.unwrap();
    assert_echoes(&mut ws).await;
    assert!(begun.elapsed() >= Duration::from_millis(250), "it is tried first");

    let client = client
        .resolver(move |_, _| async move { Ok(vec![swallows]) })
        .connect_timeout(Duration::from_millis(100));
    let error = client.connect("ws://one-address.test/").await.unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error:?}");
    assert_eq!(error.to_string(), "one-address.test:80 was not reached within 100ms");
}

#[tokio::test]
async fn what_is_sent_is_shown_whole() {
    let shown = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let heads = shown.clone();
    let client = Client::new().header("x-one", "1").on_request_sent(move |target, head| {
        heads.lock().unwrap().push((target.to_string(), head.to_vec()));
    });
    let mut server = Scripted::start_open(switching).await;
    client.connect(&server.url("/path")).await.unwrap();
    let shown = shown.lock().unwrap().clone();
    let [(target, head)] = &shown[..] else { panic!("{shown:?}") };
    assert_eq!(*target, server.url("/path"));
    assert_eq!(String::from_utf8_lossy(head), server.request().await);
}

#[tokio::test]
async fn the_local_address_is_where_the_connection_comes_from() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (stream, peer) = listener.accept().await.unwrap();
        hybi::accept(stream).await.unwrap();
        peer.ip().to_string()
    });
    let client = Client::new()
        .local_address("127.0.0.3".parse().unwrap())
        .tcp_keep_alive(Duration::from_secs(60));
    let _ws = client.connect(&format!("ws://127.0.0.1:{port}")).await.unwrap();
    assert_eq!(server.await.unwrap(), "127.0.0.3");
}

#[tokio::test]
async fn cookies_of_the_101_can_be_read() {
    let server = Scripted::start_open(|head| {
        switching(head).replace("Upgrade: ", "Set-Cookie: id=1\r\nUpgrade: ")
    })
    .await;
    let (_ws, response) = Client::new().connect_with_response(&server.url("/")).await.unwrap();
    assert_eq!(response.headers()["set-cookie"], "id=1");
}

#[tokio::test]
async fn frames_that_come_with_the_101_are_not_lost() {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tokio::io::AsyncReadExt::read_u8(&mut theirs).await.unwrap());
        }
        let mut answer = switching(std::str::from_utf8(&head).unwrap()).into_bytes();
        answer.extend_from_slice(b"\x81\x05early");
        theirs.write_all(&answer).await.unwrap();
        theirs
    });
    let mut ws = hybi::connect_over(ours, "ws://example.com/").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "early");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_given_up_after_the_handshake_timeout() {
    let (ours, _theirs) = tokio::io::duplex(4096);
    let start = tokio::time::Instant::now();
    let error = hybi::connect_over(ours, "ws://example.com/").await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    assert_eq!(error.code(), Some(ErrorCode::HandshakeTimeout));
    assert!(matches!(error, Error::Timeout(_)));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_whose_body_never_ends_is_still_shown() {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nnot today";
    theirs.write_all(refusal).await.unwrap();
    let error = hybi::connect_over(ours, "ws://example.com/").await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 403);
    assert_eq!(error.to_string(), "the server answered 403 Forbidden instead of 101: not today");
}

#[tokio::test(start_paused = true)]
async fn the_handshake_timeout_begins_anew_with_each_redirect() {
    common::let_time_pass();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        for last in [false, false, true] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = read_head(&mut stream).await;
            tokio::time::sleep(Duration::from_secs(6)).await;
            let answer = if last { switching(&head) } else { common::scripted::redirect("/again") };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let client = Client::new().follow_redirects(10).handshake_timeout(Duration::from_secs(10));
    let start = tokio::time::Instant::now();
    client.connect(&format!("ws://127.0.0.1:{port}/")).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(18), "{:?}", start.elapsed());
}
