//! One write for all that one read brought, and nothing left lying.

mod common;

use common::counting::Counting;
use hex_literal::hex;
use hybi::{Error, Server, WebSocket};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use testkit::Script;
use tokio::io::DuplexStream;
use tokio::net::TcpStream;

/// A server's connection, the peer's script, and the count of writes since the handshake.
async fn counted() -> (WebSocket, Script<DuplexStream>, Arc<AtomicUsize>) {
    let (mut peer, stream) = Script::pair();
    let writes = Arc::new(AtomicUsize::new(0));
    let counting = Counting { stream, writes: writes.clone() };
    let opening = tokio::spawn(hybi::accept(counting));
    peer.opens("/", []).await;
    let ws = opening.await.unwrap().unwrap();
    writes.store(0, Ordering::SeqCst);
    (ws, peer, writes)
}

async fn echo(mut ws: WebSocket) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_plain_loop_answers_sixteen_messages_of_one_read_with_one_write() {
    let (ws, mut peer, writes) = counted().await;
    let handler = tokio::spawn(hybi::batch(echo(ws)));
    peer.sends(hex!("81 81 00000000 61").repeat(16)).await;
    peer.expects(hex!("81 01 61").repeat(16)).await;
    assert_eq!(writes.load(Ordering::SeqCst), 1);
    handler.abort();
}

#[tokio::test]
async fn without_a_batch_each_send_is_written_at_once() {
    let (ws, mut peer, writes) = counted().await;
    ws.send("a").await.unwrap();
    assert_eq!(writes.load(Ordering::SeqCst), 1);
    ws.send("b").await.unwrap();
    assert_eq!(writes.load(Ordering::SeqCst), 2);
    peer.expects(hex!("81 01 61  81 01 62")).await;
}

#[tokio::test]
async fn fed_messages_leave_together_with_flush() {
    let (ws, mut peer, writes) = counted().await;
    ws.feed("a").await.unwrap();
    ws.feed("b").await.unwrap();
    assert_eq!((writes.load(Ordering::SeqCst), ws.buffered_amount()), (0, 6));
    ws.flush().await.unwrap();
    assert_eq!((writes.load(Ordering::SeqCst), ws.buffered_amount()), (1, 0));
    peer.expects(hex!("81 01 61  81 01 62")).await;
}

#[tokio::test]
async fn pings_and_messages_of_one_read_are_answered_in_order_in_one_write() {
    let (ws, mut peer, writes) = counted().await;
    let handler = tokio::spawn(hybi::batch(echo(ws)));
    peer.sends(hex!("81 81 00000000 61  89 81 00000000 70  81 81 00000000 62")).await;
    peer.expects(hex!("81 01 61  8a 01 70  81 01 62")).await;
    assert_eq!(writes.load(Ordering::SeqCst), 1);
    handler.abort();
}

#[tokio::test]
async fn a_message_is_not_left_lying_when_the_handler_waits_for_something_else() {
    let (mut ws, mut peer, _) = counted().await;
    let handler = tokio::spawn(hybi::batch(async move {
        let message = ws.recv().await.unwrap().unwrap(); // a second one has come with it
        ws.send(message).await.unwrap();
        pending::<()>().await;
    }));
    peer.sends(hex!("81 81 00000000 61  81 81 00000000 62")).await;
    peer.expects(hex!("81 01 61")).await;
    handler.abort();
}

#[tokio::test]
async fn a_pong_is_not_left_lying_when_a_message_came_behind_its_ping() {
    let (mut ws, mut peer, writes) = counted().await;
    peer.sends(hex!("89 81 00000000 70  89 81 00000000 71  81 81 00000000 62")).await;
    ws.recv().await.unwrap().unwrap();
    // The program does something else now.
    peer.expects(hex!("8a 01 70  8a 01 71")).await;
    assert_eq!(writes.load(Ordering::SeqCst), 1);
    peer.sends(hex!("89 81 00000000 70  81 81 00000000 62")).await;
    ws.next_event().await.unwrap().unwrap();
    peer.expects(hex!("8a 01 70")).await;
}

#[tokio::test]
async fn nor_does_a_handler_that_waits_for_something_else_keep_it() {
    let (mut ws, mut peer, _) = counted().await;
    let handler = tokio::spawn(hybi::batch(async move {
        ws.recv().await.unwrap().unwrap();
        pending::<()>().await;
    }));
    peer.sends(hex!("89 81 00000000 70  81 81 00000000 62")).await;
    peer.expects(hex!("8a 01 70")).await;
    handler.abort();
}

#[tokio::test]
async fn what_one_handler_sends_on_another_connection_leaves_when_it_waits() {
    let writers = Arc::new(std::sync::Mutex::new(Vec::<hybi::Writer>::new()));
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(move |mut ws| {
        let writers = writers.clone();
        async move {
            let others = writers.lock().unwrap().clone();
            writers.lock().unwrap().push(ws.writer());
            for other in &others {
                other.send("hello").await?;
                other.send("again").await?;
            }
            if others.is_empty() {
                while ws.recv().await?.is_some() {}
                return Ok(());
            }
            pending().await
        }
    }));
    let mut first = Script::new(TcpStream::connect(address).await.unwrap());
    first.opens("/", []).await;
    // The answer to a ping shows that the first handler runs.
    first.sends(hex!("89 80 00000000")).await;
    first.expects(hex!("8a 00")).await;
    let mut second = Script::new(TcpStream::connect(address).await.unwrap());
    second.opens("/", []).await;
    first.expects(hex!("81 05 68656c6c6f  81 05 616761696e")).await;
}

#[tokio::test]
async fn a_server_answers_a_burst_over_tcp_whole_and_in_order() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(echo));
    let mut peer = Script::new(TcpStream::connect(address).await.unwrap());
    peer.opens("/", []).await;
    for round in 0..50u8 {
        let frames: Vec<u8> = (0..40).flat_map(|i| [0x82, 0x82, 0, 0, 0, 0, round, i]).collect();
        let answers: Vec<u8> = (0..40).flat_map(|i| [0x82, 2, round, i]).collect();
        peer.sends(frames).await;
        peer.expects(answers).await;
    }
}
