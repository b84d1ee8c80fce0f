//! Settings that cannot be right are told where they are used, before anybody is bothered with them.

use hybi::server::{Acceptor, Origins};
use hybi::{Client, Error, ErrorCode, Limits, Options, Server};
use std::time::Duration;

const ZERO: Duration = Duration::ZERO;

/// Options with a zero that makes no sense, each with the name of what is wrong.
fn wrong_options() -> [(&'static str, Options); 7] {
    let limits = |limits| Options::new().limits(limits);
    [
        ("ping_interval", Options::new().ping_interval(ZERO)),
        ("ping_timeout", Options::new().ping_timeout(ZERO)),
        ("idle_timeout", Options::new().idle_timeout(ZERO)),
        ("max_frame_size", Options::new().max_frame_size(0)),
        ("max_message_size", limits(Limits::new().max_message_size(0))),
        ("max_fragments", limits(Limits::new().max_fragments(0))),
        ("max_buffered_chunks", limits(Limits::new().max_buffered_chunks(0))),
    ]
}

/// The sentence of an error of usage that begins like this.
#[track_caller]
fn assert_told(error: &Error, begin: &str) {
    assert!(matches!(error, Error::Usage(_)), "{begin}: {error:?}");
    assert_eq!(error.code(), Some(ErrorCode::InvalidArgument));
    assert!(error.to_string().starts_with(begin), "{begin}: {error}");
}

/// What `serve` says to these settings; a server that serves would never return.
async fn told_by_serve(set: impl FnOnce(Server) -> Server) -> Error {
    let server = set(Server::bind("127.0.0.1:0").await.unwrap());
    let serving = server.shutdown_on(std::future::ready(())).serve(|_ws| async { Ok(()) });
    serving.await.expect_err("the setting is accepted")
}

/// What a client says when it connects, to a stream at whose other end nothing must arrive.
async fn told_by_client(client: Client) -> Error {
    let (ours, mut theirs) = tokio::io::duplex(1024);
    let error = client.connect_over(ours, "ws://example.com/").await.unwrap_err();
    let mut octets = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut theirs, &mut octets).await.unwrap();
    assert!(octets.is_empty(), "{error}: {octets:?}");
    error
}

#[tokio::test]
async fn options_of_zero_are_told_by_client_server_and_acceptor() {
    for (name, options) in wrong_options() {
        let begin = format!("{name} is ");
        assert_told(&told_by_client(Client::new().options(options.clone())).await, &begin);
        let error = Client::new().options(options.clone()).connect("ws://127.0.0.1:1").await;
        assert_told(&error.unwrap_err(), &begin);

        assert_told(&told_by_serve(|server| server.options(options.clone())).await, &begin);
        let acceptor = Acceptor::new().options(options);
        assert_told(&told_by_serve(|server| server.acceptor(acceptor.clone())).await, &begin);
        // Nothing ever comes on this stream: the error is not waited for.
        let (silent, _theirs) = tokio::io::duplex(1024);
        assert_told(&acceptor.accept(silent).await.unwrap_err(), &begin);
        let (silent, _theirs) = tokio::io::duplex(1024);
        let request = http::Request::new(());
        assert_told(&acceptor.accept_parsed(request, silent, b"").await.unwrap_err(), &begin);
    }
}

#[tokio::test]
async fn times_of_zero_are_told_with_the_way_to_have_none() {
    let error = told_by_client(Client::new().handshake_timeout(ZERO)).await;
    assert_told(&error, "handshake_timeout is zero");
    assert!(error.to_string().contains("no_handshake_timeout"), "{error}");
    let error = told_by_client(Client::new().connect_timeout(ZERO)).await;
    assert_told(&error, "connect_timeout is zero");
    let error = told_by_client(Client::new().tcp_keep_alive(ZERO)).await;
    assert_told(&error, "tcp_keep_alive is zero");
    let error = told_by_serve(|server| server.handshake_timeout(ZERO)).await;
    assert_told(&error, "the timeout of the handshake is zero");
    assert!(error.to_string().contains("no_timeout"), "{error}");
}

#[tokio::test]
async fn the_least_that_is_allowed_and_a_close_timeout_of_zero_are_accepted() {
    let least = Duration::from_nanos(1);
    let limits = Limits::new().max_message_size(1).max_fragments(1).max_buffered_chunks(1);
    let options = Options::new()
        .limits(limits)
        .max_frame_size(1)
        .max_buffered(0)
        .ping_interval(Duration::from_secs(3600))
        .ping_timeout(least)
        .idle_timeout(Duration::from_secs(3600))
        .close_timeout(ZERO);
    options.check().unwrap();
    let (ours, theirs) = tokio::io::duplex(1024);
    let client = Client::new().options(options.clone());
    let acceptor = Acceptor::new().options(options);
    let (client, server) =
        tokio::join!(client.connect_over(ours, "ws://example.com/"), acceptor.accept(theirs));
    let (client, (mut server, _)) = (client.unwrap(), server.unwrap());
    client.send("1").await.unwrap();
    assert_eq!(server.recv().await.unwrap().unwrap(), "1");
}

#[cfg(feature = "hyper")]
#[tokio::test]
async fn a_wrong_setting_is_a_500_where_hyper_serves() {
    let acceptor = Acceptor::new().options(Options::new().idle_timeout(ZERO));
    let refusal = acceptor.upgrade(&mut http::Request::new(())).await.unwrap_err();
    assert_eq!(refusal.status(), 500);
    assert_told(&refusal.error().clone().into(), "idle_timeout is zero");
}

#[tokio::test]
async fn rules_that_no_client_could_keep_are_told_by_server_and_acceptor() {
    for path in ["chat", "", "/chat?room=1", "/chat#1", "/a room", "/bücher", "/\n"] {
        let begin = format!("no request can have the path {path:?}: it must begin with /");
        assert_told(&told_by_serve(|server| server.path(path)).await, &begin);
    }
    for name in ["a b", "", "chat,v2", "bücher"] {
        let error = told_by_serve(|server| server.subprotocols(["chat", name])).await;
        assert_told(&error, "the subprotocol \"");
        assert!(error.to_string().contains("is not a token"), "{error}");
    }
    for origin in ["nonsense url", "*", "https://example.com/chat"] {
        let origins = Origins::list(["https://example.com", origin]);
        let error = told_by_serve(|server| server.origins(origins)).await;
        assert_told(&error, &format!("{origin:?} is not an origin"));
    }
    // The first one that is wrong is told, whatever is set after it.
    let acceptor = Acceptor::new().path("chat").path("/chat").subprotocols(["a b"]);
    let (silent, _theirs) = tokio::io::duplex(1024);
    assert_told(&acceptor.accept(silent).await.unwrap_err(), "no request can have the path");
}

#[tokio::test]
async fn rules_that_can_be_kept_are_accepted() {
    let server = Server::bind("127.0.0.1:0")
        .await
        .unwrap()
        .path("/chat/b%C3%BCcher;v=1/")
        .subprotocols(["chat.v2", "chat~1"])
        .origins(Origins::list(["https://example.com/", "localhost:3000"]));
    let serving = server.shutdown_on(std::future::ready(())).serve(|_ws| async { Ok(()) });
    serving.await.unwrap();
}
