//! What a subscriber of `tracing` gets to see.
#![cfg(feature = "tracing")]

use hex_literal::hex;
use hybi::server::{Acceptor, Clients, Origins, Refusal, Shutdown};
use hybi::{Client, CloseCode, DeflateOptions, Error, Group, Options, Server};
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Metadata, Subscriber};

/// Writes down every event, with the span that it happened in.
#[derive(Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    spans: Arc<Mutex<Vec<String>>>,
    entered: Arc<Mutex<Vec<u64>>>,
    most: Option<Level>,
}

/// The fields of a span or an event, in their order.
#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let space = if self.0.is_empty() { "" } else { " " };
        match field.name() {
            "message" => write!(self.0, "{space}{value:?}").unwrap(),
            name => write!(self.0, "{space}{name}={value:?}").unwrap(),
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "hybi" && self.most.is_none_or(|most| *metadata.level() <= most)
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        span.record(&mut fields);
        let mut spans = self.spans.lock().unwrap();
        spans.push(format!("{}{{{}}}", span.metadata().name(), fields.0));
        Id::from_u64(spans.len() as u64)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = format!("{} {}", event.metadata().level(), fields.0);
        if let Some(id) = self.entered.lock().unwrap().last() {
            let spans = self.spans.lock().unwrap();
            write!(line, " in {}", spans[*id as usize - 1]).unwrap();
        }
        self.lines.lock().unwrap().push(line);
    }
    fn enter(&self, span: &Id) {
        self.entered.lock().unwrap().push(span.into_u64());
    }
    fn exit(&self, span: &Id) {
        let mut entered = self.entered.lock().unwrap();
        let at = entered.iter().rposition(|id| *id == span.into_u64()).unwrap();
        entered.remove(at);
    }
}

impl Log {
    /// Listens on this thread until the guard is dropped.
    fn listen(&self) -> DefaultGuard {
        tracing::subscriber::set_default(self.clone())
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    #[track_caller]
    fn has(&self, parts: &[&str]) {
        let lines = self.lines();
        let found = lines.iter().any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(found, "{parts:?} is not among {lines:#?}");
    }
}

const REQUEST: &str = "GET /chat?token=secret HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// The server's connection is served by a handler that only receives.
async fn open(acceptor: Acceptor) -> (tokio::task::JoinHandle<Result<(), Error>>, DuplexStream) {
    let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
    theirs.write_all(REQUEST.as_bytes()).await.unwrap();
    let (mut ws, _) = acceptor.accept(ours).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(theirs.read_u8().await.unwrap());
    }
    let handler = tokio::spawn(async move {
        while ws.recv().await?.is_some() {}
        Ok(())
    });
    (handler, theirs)
}

#[tokio::test]
async fn a_connection_has_a_span_with_what_was_agreed_on_and_nothing_secret() {
    let log = Log::default();
    let _listening = log.listen();
    let options = Options::new().compression(DeflateOptions::new());
    let server = Server::bind("127.0.0.1:0").await.unwrap().options(options).subprotocols(["chat"]);
    let address = server.local_addr().unwrap();
    let serving = tokio::spawn(server.serve(|mut ws| async move {
        tracing::info!(target: "hybi", "said by the handler");
        ws.recv().await.map(drop)
    }));
    let client = Client::new().subprotocol("chat");
    let mut ws = client.connect(&format!("ws://{address}/room?token=secret")).await.unwrap();
    ws.send("a message").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), None);
    serving.abort();
    log.has(&[
        "INFO said by the handler in connection{role=\"server\" peer=127.0.0.1:",
        " at=/room subprotocol=\"chat\" extensions=\"permessage-deflate\"}",
    ]);
    log.has(&["DEBUG opened in connection{role=\"client\"", &format!(" at={address}/room ")]);
    log.has(&["DEBUG closed code=1000 reason=\"\" by=\"us\" in", "role=\"server\""]);
    log.has(&["DEBUG closed code=1000 reason=\"\" by=\"peer\" in", "role=\"client\""]);
    let everything = format!("{:?}{:?}", log.lines(), log.spans.lock().unwrap());
    assert!(!everything.contains("secret") && !everything.contains("a message"), "{everything}");
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason() {
    let log = Log::default();
    let _listening = log.listen();
    let acceptor = Acceptor::new()
        .origins(Origins::same_origin())
        .authorize(|_| async { Err(Refusal::new(http::StatusCode::UNAUTHORIZED, "who are you?")) });
    for more in ["", "\r\nOrigin: https://evil.example"] {
        let request = REQUEST.replace("Host: test", &format!("Host: test{more}"));
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        theirs.write_all(request.as_bytes()).await.unwrap();
        theirs.shutdown().await.unwrap();
        acceptor.accept(ours).await.unwrap_err();
    }
    log.has(&["INFO handshake refused path=\"/chat\" status=401 reason=who are you?"]);
    log.has(&["INFO handshake refused path=\"/chat\" status=403 reason=", "evil.example"]);
    // A request that never becomes one.
    let (ours, theirs) = tokio::io::duplex(64);
    drop(theirs);
    acceptor.accept(ours).await.unwrap_err();
    log.has(&["DEBUG handshake failed error="]);
}

#[tokio::test]
async fn a_close_is_told_with_code_reason_and_who_began() {
    let log = Log::default();
    let _listening = log.listen();
    let (handler, mut pipe) = open(Acceptor::new()).await;
    // 1001 "a\nb": a reason must not forge a line.
    pipe.write_all(&hex!("88 85 00000000 03e9 610a62")).await.unwrap();
    handler.await.unwrap().unwrap();
    log.has(&["DEBUG closed code=1001 reason=\"a\\nb\" by=\"peer\" in connection{"]);
}

#[tokio::test]
async fn our_own_close_is_told_with_our_reason_whatever_the_peer_answers() {
    let log = Log::default();
    let _listening = log.listen();
    let (ours, mut pipe) = tokio::io::duplex(64 * 1024);
    pipe.write_all(REQUEST.as_bytes()).await.unwrap();
    let (mut ws, _) = Acceptor::new().accept(ours).await.unwrap();
    // 1001 "x".
    pipe.write_all(&hex!("88 83 00000000 03e9 78")).await.unwrap();
    ws.writer().close(CloseCode::POLICY_VIOLATION, "a\nb").await.unwrap();
    while ws.recv().await.unwrap().is_some() {}
    log.has(&["DEBUG closed code=1008 reason=\"a\\nb\" by=\"us\" in connection{"]);
}

#[tokio::test]
async fn what_the_peer_breaks_is_told_with_the_name_of_the_error() {
    let log = Log::default();
    let _listening = log.listen();
    let (handler, mut pipe) = open(Acceptor::new()).await;
    pipe.write_all(&hex!("83 80 00000000")).await.unwrap();
    handler.await.unwrap().unwrap_err();
    log.has(&[
        "INFO the peer broke the protocol code=\"WS_ERR_INVALID_OPCODE\" error=",
        " in connection{",
    ]);
    log.has(&["DEBUG closed code=1002 reason=\"opcode 0x3 is reserved", " by=\"us\" in"]);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_is_not_answered_is_told() {
    let log = Log::default();
    let _listening = log.listen();
    let second = Duration::from_secs(1);
    let options = Options::new().ping_interval(second).ping_timeout(second);
    let (handler, _pipe) = open(Acceptor::new().options(options)).await;
    handler.await.unwrap().unwrap_err();
    log.has(&[
        "INFO the peer did not answer in time code=\"WS_ERR_PEER_TIMEOUT\"",
        " in connection{",
    ]);
    log.has(&["DEBUG closed code=1006 reason=\"\" by=\"nobody\""]);
}

#[tokio::test]
async fn a_slow_client_is_told_of_once() {
    let log = Log::default();
    let _listening = log.listen();
    let (ours, mut theirs) = tokio::io::duplex(1024);
    theirs.write_all(REQUEST.as_bytes()).await.unwrap();
    let acceptor = Acceptor::new().options(Options::new().max_buffered(1000));
    let (ws, _) = acceptor.accept(ours).await.unwrap();
    let group = Group::new();
    let _member = group.join(&ws.writer());
    for _ in 0..10 {
        group.broadcast(vec![0; 600]);
    }
    let lines = log.lines();
    let slow: Vec<_> = lines.iter().filter(|line| line.starts_with("WARN")).collect();
    assert_eq!(slow.len(), 1, "{lines:#?}");
    assert!(slow[0].contains("it misses messages") && slow[0].contains("a client is slow"));
}

#[tokio::test]
async fn a_handler_that_fails_or_panics_is_told_in_its_span_and_so_is_the_shutdown() {
    let log = Log::default();
    let _listening = log.listen();
    let clients = Clients::new();
    let server = Server::bind("127.0.0.1:0").await.unwrap().clients(&clients);
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve_with(|mut ws, request| async move {
        assert!(request.uri().path() != "/panic", "as asked");
        ws.recv().await?;
        Err(Error::application("no disk space"))
    }));
    for path in ["fail", "panic"] {
        let mut ws = hybi::connect(&format!("ws://{address}/{path}")).await.unwrap();
        let _ = ws.send("something").await;
        assert_eq!(ws.recv().await.unwrap(), None);
    }
    clients.shutdown(Shutdown::new()).await;
    log.has(&["WARN the handler failed error=no disk space in connection{", "at=/fail"]);
    log.has(&["ERROR the handler panicked in connection{", "at=/panic"]);
    log.has(&["INFO shutting down connections=0"]);
}

#[tokio::test]
async fn at_level_info_an_ordinary_connection_says_nothing() {
    let log = Log { most: Some(Level::INFO), ..Log::default() };
    let _listening = log.listen();
    let (handler, mut pipe) = open(Acceptor::new()).await;
    pipe.write_all(&hex!("81 81 00000000 61" "88 82 00000000 03e8")).await.unwrap();
    handler.await.unwrap().unwrap();
    assert_eq!(log.lines(), Vec::<String>::new());
    assert_eq!(log.spans.lock().unwrap().len(), 1);
}
