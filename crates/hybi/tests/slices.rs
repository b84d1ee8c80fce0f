//! Large compressed messages: other tasks of the thread get their turn while one is worked on, and
//! nothing else about a connection changes meanwhile.

use hybi::server::Acceptor;
use hybi::{
    Client, CloseCode, DeflateOptions, Error, Event, Group, Limits, Message, Options, TrySendError,
    WebSocket,
};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use testkit::{Script, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};

const MIB: usize = 1024 * 1024;
/// What is compressed at a stretch by default, and what is inflated.
const SLICE: usize = 32 * 1024;
const INFLATE_SLICE: usize = 8 * SLICE + 16 * 1024;

fn options() -> Options {
    Options::new().compression(DeflateOptions::new().level(1))
}

/// Two connections, joined by a pipe, that compress.
async fn pair(options: Options) -> (WebSocket, WebSocket) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let acceptor = Acceptor::new().options(options.clone());
    let server = tokio::spawn(async move { acceptor.accept(far).await });
    let client = Client::new().options(options).connect_over(near, "ws://localhost/").await;
    (client.unwrap(), server.await.unwrap().unwrap().0)
}

/// A server's connection that compresses, and the octets of its peer.
async fn with_script(options: Options) -> (WebSocket, Script<DuplexStream>) {
    let (mut peer, far) = Script::pair();
    let acceptor = Acceptor::new().options(options);
    let server = tokio::spawn(async move { acceptor.accept(far).await });
    peer.sends(
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    )
    .await;
    assert!(peer.expects_head().await.contains("permessage-deflate"));
    (server.await.unwrap().unwrap().0, peer)
}

/// A task beside the others of this thread; counts its turns.
fn bystander() -> Arc<AtomicUsize> {
    let turns = Arc::new(AtomicUsize::new(0));
    let counter = turns.clone();
    tokio::spawn(async move {
        loop {
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    turns
}

/// Two sockets that send an octet to and fro through the reactor; counts the rounds.
async fn ping_pong() -> Arc<AtomicUsize> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    tokio::spawn(async move {
        let mut octet = [0];
        while far.read_exact(&mut octet).await.is_ok() {
            far.write_all(&octet).await.unwrap();
        }
    });
    let rounds = Arc::new(AtomicUsize::new(0));
    let counter = rounds.clone();
    tokio::spawn(async move {
        loop {
            near.write_all(b"?").await.unwrap();
            near.read_exact(&mut [0]).await.unwrap();
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    rounds
}

/// JSON-like text: it compresses well, and not at once.
fn text(len: usize) -> String {
    let mut text = String::with_capacity(len + 64);
    for n in 0_usize.. {
        if text.len() >= len {
            break;
        }
        text += &format!("{{\"sequence\":{n},\"price\":{}}},", n * 7919 % 10_007);
    }
    text.truncate(len);
    text
}

#[tokio::test]
async fn others_get_their_turn_while_64_mib_are_sent() {
    let (ws, mut peer) = with_script(options()).await;
    let reading = tokio::spawn(async move { peer.expects_frame().await.payload.len() });
    let message = text(64 * MIB);
    let (turns, rounds) = (bystander(), ping_pong().await);
    let before = (turns.load(Ordering::Relaxed), rounds.load(Ordering::Relaxed));
    ws.send(message).await.unwrap();
    let turns_of_send = turns.load(Ordering::Relaxed) - before.0;
    assert!(turns_of_send <= 2, "accepting it is no work");
    ws.flush().await.unwrap();
    let turns = turns.load(Ordering::Relaxed) - before.0;
    let rounds = rounds.load(Ordering::Relaxed) - before.1;
    let slices = 64 * MIB / SLICE;
    assert!(turns >= slices, "{turns} turns in {slices} slices");
    // Sockets too: whoever yields must let the reactor look at them, not only tasks that can run.
    assert!(rounds >= slices / 8, "{rounds} rounds in {slices} slices");
    assert!(reading.await.unwrap() < 32 * MIB);
}

#[tokio::test]
async fn others_get_their_turn_while_64_mib_are_received() {
    let (mut ws, mut peer) = with_script(options()).await;
    let message = text(64 * MIB);
    let mut compressed = Vec::new();
    hybi_proto::Compressor::compress_once(
        hybi_proto::WindowBits::MAX,
        &DeflateOptions::new().level(1),
        message.as_bytes(),
        &mut compressed,
    )
    .unwrap();
    let octets = frame(1, compressed).rsv(4).masked([1, 2, 3, 4]).octets();
    tokio::spawn(async move {
        peer.sends(octets).await;
        peer
    });
    let (turns, rounds) = (bystander(), ping_pong().await);
    let before = (turns.load(Ordering::Relaxed), rounds.load(Ordering::Relaxed));
    let received = ws.recv().await.unwrap().unwrap();
    let turns = turns.load(Ordering::Relaxed) - before.0;
    let rounds = rounds.load(Ordering::Relaxed) - before.1;
    assert!(received == message.as_str());
    let slices = 64 * MIB / INFLATE_SLICE;
    assert!(turns >= slices, "{turns} turns in {slices} slices");
    assert!(rounds >= slices / 8, "{rounds} rounds in {slices} slices");
}

#[tokio::test]
async fn others_get_their_turn_while_one_read_brings_a_bomb() {
    let limits = Limits::new().max_message_size(32 * MIB);
    let (mut ws, mut peer) = with_script(options().limits(limits)).await;
    let mut bomb = Vec::new();
    let zeros = vec![0; 33 * MIB];
    hybi_proto::Compressor::compress_once(
        hybi_proto::WindowBits::MAX,
        &DeflateOptions::new(),
        &zeros,
        &mut bomb,
    )
    .unwrap();
    assert!(bomb.len() < 64 * 1024);
    peer.sends(frame(2, bomb).rsv(4).masked([1, 2, 3, 4]).octets()).await;
    let turns = bystander();
    let error = ws.recv().await.unwrap_err();
    assert_eq!(error.close_code(), Some(CloseCode::MESSAGE_TOO_BIG));
    let (turns, slices) = (turns.load(Ordering::Relaxed), 32 * MIB / INFLATE_SLICE);
    assert!(turns >= slices, "{turns} turns in {slices} slices");
}

#[tokio::test]
async fn everything_arrives_in_the_order_in_which_it_was_sent() {
    let (mut client, mut server) = pair(options().max_buffered(usize::MAX)).await;
    let sent: Vec<Message> =
        (0..30).map(|n| Message::text(text([3, 200_000, 40_000, 500, 70_000][n % 5]))).collect();
    let writer = client.writer();
    for (n, message) in sent.iter().enumerate() {
        match n % 4 {
            0 => client.send(message.clone()).await.unwrap(),
            1 => writer.feed(message.clone()).await.unwrap(),
            2 => writer.send_uncompressed(message.clone()).await.unwrap(),
            _ => client.try_send(message.clone()).unwrap(),
        }
        writer.ping([n as u8]).await.unwrap();
    }
    let closing = tokio::spawn(async move { client.close(CloseCode::NORMAL, "").await });
    for (n, message) in sent.into_iter().enumerate() {
        assert_eq!(server.next_event().await.unwrap(), Some(Event::Message(message)));
        let ping = Event::Ping(vec![n as u8].into());
        assert_eq!(server.next_event().await.unwrap(), Some(ping));
    }
    assert!(matches!(server.next_event().await.unwrap(), Some(Event::Close(Some(_)))));
    assert_eq!(server.next_event().await.unwrap(), None);
    closing.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_recv_dropped_at_every_poll_loses_nothing_of_a_large_message() {
    let (client, mut server) = pair(options()).await;
    let sent = [text(3 * MIB), text(5), text(2 * MIB)];
    let sending = tokio::spawn({
        let sent = sent.clone();
        async move {
            for message in sent {
                client.send(message).await.unwrap();
            }
            client.flush().await.unwrap();
            client
        }
    });
    let mut dropped = 0;
    for message in sent {
        let received = loop {
            let mut recv = pin!(server.recv());
            match poll_fn(|cx| Poll::Ready(recv.as_mut().poll(cx))).await {
                Poll::Ready(received) => break received,
                Poll::Pending => dropped += 1,
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(received.unwrap().unwrap(), message.as_str());
    }
    assert!(dropped >= 5 * MIB / INFLATE_SLICE, "{dropped}");
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn a_large_message_fills_max_buffered_until_it_is_written() {
    let (client, mut server) = pair(options()).await;
    client.send(text(4 * MIB)).await.unwrap();
    assert_eq!(client.buffered_amount(), 4 * MIB);
    assert!(matches!(client.try_send("no room"), Err(TrySendError::Full(_))));
    let receiving = tokio::spawn(async move {
        let large = server.recv().await.unwrap().unwrap();
        (large.len(), server.recv().await.unwrap().unwrap())
    });
    client.send("waits for room").await.unwrap();
    assert_eq!(receiving.await.unwrap(), (4 * MIB, Message::from("waits for room")));
    client.flush().await.unwrap();
    assert_eq!(client.buffered_amount(), 0);
}

#[tokio::test]
async fn terminate_ends_the_work_on_a_large_message() {
    let (client, mut server) = pair(options()).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    client.send(text(16 * MIB)).await.unwrap();
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(tasks(), before + 1, "a task works on it");
    client.terminate();
    assert_eq!(client.buffered_amount(), 0);
    assert!(matches!(server.recv().await, Err(Error::Closed(_))));
    while tasks() > before {
        tokio::task::yield_now().await;
    }
    assert!(client.send("gone").await.is_err());
}

#[tokio::test]
async fn a_broadcast_of_a_large_message_does_no_work_in_the_task_that_sends_it() {
    let group = Group::new();
    let mut clients = Vec::new();
    let mut members = Vec::new();
    for _ in 0..3 {
        let (client, server) = pair(options().max_buffered(usize::MAX)).await;
        members.push((group.join(&server.writer()), server));
        clients.push(client);
    }
    let message = text(4 * MIB);
    let turns = bystander();
    assert_eq!(group.broadcast(message.clone()).sent, 3);
    for (_, server) in &members {
        assert_eq!(server.buffered_amount(), 4 * MIB, "nothing has been compressed yet");
    }
    for (_, server) in &members {
        server.send("after it").await.unwrap();
    }
    for client in &mut clients {
        assert!(client.recv().await.unwrap().unwrap() == message.as_str());
        assert_eq!(client.recv().await.unwrap().unwrap(), "after it");
    }
    // Three tasks each do a slice between two turns.
    assert!(turns.load(Ordering::Relaxed) >= 4 * MIB / SLICE / 3);
}

#[test]
fn without_a_runtime_a_large_message_is_sent_at_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (client, mut server) = runtime.block_on(pair(options()));
    client.try_send(vec![0; 4 * MIB]).unwrap();
    assert_eq!(client.buffered_amount(), 0);
    let received = runtime.block_on(server.recv());
    assert_eq!(received.unwrap().unwrap(), Message::from(vec![0; 4 * MIB]));
}
