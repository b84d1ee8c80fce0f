//! The heartbeat, on a virtual clock: over a pipe, with the peer's octets visible.

use hex_literal::hex;
use hybi::server::Acceptor;
use hybi::{Error, Event, Options, WebSocket};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const SECOND: Duration = Duration::from_secs(1);

/// Our server on one end of a pipe, and the other end for the test to be the client.
async fn server_and_pipe(options: Options) -> (WebSocket, DuplexStream) {
    let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
    let request = "GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    theirs.write_all(request.as_bytes()).await.unwrap();
    let (ws, _) = Acceptor::new().options(options).accept(ours).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(theirs.read_u8().await.unwrap());
    }
    (ws, theirs)
}

async fn expect(pipe: &mut DuplexStream, octets: &[u8]) {
    let mut got = vec![0; octets.len()];
    pipe.read_exact(&mut got).await.unwrap();
    assert_eq!(got, octets);
}

fn pinging() -> Options {
    Options::new().ping_interval(10 * SECOND).ping_timeout(5 * SECOND)
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_a_ping_is_given_up() {
    let (mut ws, mut pipe) = server_and_pipe(pinging()).await;
    let started = tokio::time::Instant::now();
    let error = ws.recv().await.unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert_eq!(started.elapsed(), 15 * SECOND);
    expect(&mut pipe, &hex!("89 04 00000001")).await;
    assert_eq!(pipe.read(&mut [0]).await.unwrap(), 0); // and TCP is closed
    assert_eq!(ws.recv().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_pong_measures_the_round_trip() {
    let (mut ws, mut pipe) = server_and_pipe(pinging()).await;
    let peer = tokio::spawn(async move {
        expect(&mut pipe, &hex!("89 04 00000001")).await;
        tokio::time::sleep(SECOND).await;
        pipe.write_all(&hex!("8a 84 00000000 00000001")).await.unwrap();
        pipe
    });
    let event = ws.next_event().await.unwrap().unwrap();
    assert!(matches!(event, Event::Pong(_)));
    assert_eq!(ws.round_trip(), Some(SECOND));
    drop(peer.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_never_reads_keeps_a_peer_that_answers() {
    let (ws, mut pipe) = server_and_pipe(pinging()).await;
    let peer = tokio::spawn(async move {
        for number in 1..=20u8 {
            expect(&mut pipe, &[0x89, 4, 0, 0, 0, number]).await;
            pipe.write_all(&[0x8a, 0x84, 0, 0, 0, 0, 0, 0, 0, number]).await.unwrap();
        }
        pipe
    });
    let mut pipe = peer.await.unwrap();
    assert!(ws.is_open());
    // From here on the peer is silent.
    expect(&mut pipe, &[0x89, 4, 0, 0, 0, 21]).await;
    assert_eq!(pipe.read(&mut [0]).await.unwrap(), 0);
    assert!(!ws.is_open());
    assert!(matches!(ws.send("late").await, Err(Error::Timeout(_))));
}

#[tokio::test(start_paused = true)]
async fn the_round_trip_is_measured_for_a_handler_that_never_reads() {
    let (ws, mut pipe) = server_and_pipe(pinging()).await;
    expect(&mut pipe, &hex!("89 04 00000001")).await;
    tokio::time::sleep(SECOND).await;
    pipe.write_all(&hex!("8a 84 00000000 00000001")).await.unwrap();
    expect(&mut pipe, &hex!("89 04 00000002")).await;
    assert_eq!(ws.round_trip(), Some(SECOND));
}

#[tokio::test(start_paused = true)]
async fn what_was_read_for_the_heartbeat_is_received_in_order() {
    let (mut ws, mut pipe) = server_and_pipe(pinging()).await;
    pipe.write_all(&hex!("81 81 00000000 61")).await.unwrap(); // "a"
    pipe.write_all(&hex!("89 80 00000000")).await.unwrap(); // ping
    pipe.write_all(&hex!("81 81 00000000 62")).await.unwrap(); // "b"
    pipe.write_all(&hex!("88 82 00000000 03e8")).await.unwrap(); // close 1000
    expect(&mut pipe, &hex!("89 04 00000001")).await;
    tokio::time::sleep(60 * SECOND).await;
    assert!(ws.is_open(), "the peer has said more than was read: it is the handler that is behind");
    assert_eq!(ws.recv().await.unwrap().unwrap(), "a");
    assert_eq!(ws.recv().await.unwrap().unwrap(), "b");
    assert_eq!(ws.recv().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_with_1001() {
    let (mut ws, mut pipe) = server_and_pipe(Options::new().idle_timeout(60 * SECOND)).await;
    let peer = tokio::spawn(async move {
        expect(&mut pipe, &hex!("88 06 03e9 69646c65")).await; // 1001 "idle"
        pipe.write_all(&hex!("88 82 00000000 03e9")).await.unwrap();
        pipe
    });
    let started = tokio::time::Instant::now();
    assert_eq!(ws.recv().await.unwrap(), None);
    assert_eq!(started.elapsed(), 60 * SECOND);
    drop(peer.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_the_close_frame_is_given_up_after_the_close_timeout() {
    let (mut ws, _pipe) = server_and_pipe(Options::new()).await;
    let started = tokio::time::Instant::now();
    let error = ws.close(hybi::CloseCode::NORMAL, "").await.unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert_eq!(started.elapsed(), 30 * SECOND);
}
