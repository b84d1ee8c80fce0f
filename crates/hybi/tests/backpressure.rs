//! What a peer that does not read costs, and what senders are told.

use hybi::server::Acceptor;
use hybi::{Error, Options, TrySendError, WebSocket};
use std::io::ErrorKind;
use std::time::Duration;
use testkit::{Faulty, Script};
use tokio::io::DuplexStream;

async fn open(
    stream: impl FnOnce(DuplexStream) -> Faulty<DuplexStream>,
    options: Options,
) -> (WebSocket, Script<DuplexStream>) {
    let (mut peer, far) = Script::pair();
    let far = stream(far);
    let acceptor = Acceptor::new().options(options);
    let opening = tokio::spawn(async move { acceptor.accept(far).await });
    peer.opens("/", []).await;
    (opening.await.unwrap().unwrap().0, peer)
}

#[tokio::test]
async fn send_waits_at_max_buffered_and_goes_on_when_the_peer_reads() {
    let mut gate = None;
    let options = Options::new().max_buffered(100);
    let (ws, mut peer) = open(
        |far| {
            let far = Faulty::new(far);
            gate = Some(far.write_gate());
            far
        },
        options,
    )
    .await;
    let gate = gate.unwrap();
    gate.close();
    ws.send(vec![1; 60]).await.unwrap(); // 62 octets with the header
    assert_eq!(ws.buffered_amount(), 62);
    assert!(
        matches!(ws.try_send(vec![2; 60]), Err(TrySendError::Full(message)) if message.len() == 60)
    );
    let waiting = tokio::spawn({
        let writer = ws.writer();
        async move { writer.send(vec![2; 60]).await }
    });
    // One thread and no timers: after some turns everyone who can wait does.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(gate.is_waited_for() && !waiting.is_finished());
    gate.open();
    waiting.await.unwrap().unwrap();
    ws.flush().await.unwrap();
    assert_eq!(ws.buffered_amount(), 0);
    assert_eq!(peer.expects_frame().await.payload, [1; 60]);
    assert_eq!(peer.expects_frame().await.payload, [2; 60]);
}

#[tokio::test]
async fn a_message_larger_than_the_bound_is_accepted_when_nothing_else_waits() {
    let (ws, mut peer) = open(Faulty::new, Options::new().max_buffered(100)).await;
    ws.send(vec![7; 5_000]).await.unwrap();
    assert_eq!(peer.expects_frame().await.payload, [7; 5_000]);
}

#[tokio::test]
async fn what_was_accepted_is_written_without_anybody_s_further_action() {
    let mut gate = None;
    let (ws, mut peer) = open(
        |far| {
            let far = Faulty::new(far).max_write(7);
            gate = Some(far.write_gate());
            far
        },
        Options::new(),
    )
    .await;
    let gate = gate.unwrap();
    gate.close();
    ws.send(vec![3; 100]).await.unwrap();
    gate.open();
    // Nobody polls `ws` any more.
    assert_eq!(peer.expects_frame().await.payload, [3; 100]);
    drop(ws);
}

#[tokio::test]
async fn what_was_accepted_and_not_written_is_reported() {
    let head = 129; // octets of the 101
    let (ws, peer) = open(
        |far| Faulty::new(far).write_error_after(head + 50, ErrorKind::BrokenPipe),
        Options::new(),
    )
    .await;
    ws.send(vec![1; 100]).await.unwrap();
    let error = ws.flush().await.unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error}");
    assert!(matches!(ws.send("more").await, Err(Error::Io(_))));
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn a_ping_flood_of_a_peer_that_does_not_read_stays_bounded() {
    let mut gate = None;
    let (mut ws, mut peer) = open(
        |far| {
            let far = Faulty::new(far);
            gate = Some(far.write_gate());
            far
        },
        Options::new(),
    )
    .await;
    gate.unwrap().close();
    let reading = tokio::spawn(async move {
        let _ = tokio::time::timeout(Duration::from_secs(1), ws.recv()).await;
        ws.buffered_amount()
    });
    for _ in 0..10_000 {
        peer.sends([0x89, 0x84, 0, 0, 0, 0, 1, 2, 3, 4]).await;
    }
    let buffered = reading.await.unwrap();
    assert!(buffered < 10_000, "{buffered} octets for 60000 of pongs");
}

#[tokio::test]
async fn a_peer_whose_messages_nobody_receives_is_not_read_without_bound() {
    let (ws, mut peer) = open(Faulty::new, Options::new()).await;
    // The pipe holds 64 KiB; once it is full, nothing more is taken from the peer.
    let flood = tokio::spawn(async move {
        peer.sends([0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0]).await;
        peer.sends(vec![0; 200_000]).await;
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!flood.is_finished());
    drop(ws);
    assert!(flood.await.is_err());
}
