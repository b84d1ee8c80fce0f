//! Groups: one message for many, of whom one may be slow.

use hybi::server::Acceptor;
use hybi::{CloseCode, Event, Group, Options, Server, SlowClient, WebSocket, Writer};
use std::num::NonZeroUsize;

const MAX_BUFFERED: usize = 256 * 1024;
const KIB: usize = 1024;

/// A server whose clients are all in `group`; returns its URL.
async fn server(group: &Group) -> String {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    let group = group.clone();
    let options = Options::new().max_buffered(MAX_BUFFERED);
    tokio::spawn(server.options(options).serve(move |mut ws| {
        let group = group.clone();
        async move {
            let member = group.join(&ws.writer());
            ws.send("joined").await?;
            while let Some(message) = ws.recv().await? {
                match message.as_text() {
                    Some("to all") => member.broadcast(message),
                    _ => member.broadcast_to_others(message),
                };
            }
            Ok(())
        }
    }));
    url
}

async fn join(url: &str) -> WebSocket {
    let mut ws = hybi::connect(url).await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "joined");
    ws
}

/// Sends until more waits for this connection than may.
fn fill(writer: &Writer, message: usize) {
    while writer.try_send(vec![0; message]).is_ok() {}
}

/// Both ends of a connection that holds exactly what it is told to, and of which the server's has
/// nothing left to be filled.
async fn full_pipe() -> (WebSocket, WebSocket) {
    let (ours, theirs) = tokio::io::duplex(64 * KIB);
    let acceptor = Acceptor::new().options(Options::new().max_buffered(MAX_BUFFERED));
    let accept = acceptor.accept(ours);
    let connect = hybi::connect_over(theirs, "ws://test/");
    let (server, client) = tokio::join!(accept, connect);
    let (server, _) = server.unwrap();
    fill(&server.writer(), 64 * KIB);
    (server, client.unwrap())
}

#[tokio::test]
async fn a_message_reaches_all_or_all_others_and_who_has_left_is_gone() {
    let group = Group::new();
    let url = server(&group).await;
    let (mut one, mut two) = (join(&url).await, join(&url).await);
    one.send("to all").await.unwrap();
    assert_eq!(one.recv().await.unwrap().unwrap(), "to all");
    assert_eq!(two.recv().await.unwrap().unwrap(), "to all");
    one.send("to others").await.unwrap();
    assert_eq!(two.recv().await.unwrap().unwrap(), "to others");
    two.send("answer").await.unwrap();
    assert_eq!(one.recv().await.unwrap().unwrap(), "answer");
    two.close(CloseCode::NORMAL, "").await.unwrap();
    while group.len() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(group.broadcast("who is left").sent, 1);
    assert_eq!(one.recv().await.unwrap().unwrap(), "who is left");
}

#[tokio::test]
async fn one_member_that_never_reads_costs_the_others_nothing_and_memory_is_bounded() {
    const MEMBERS: usize = 500;
    const MESSAGES: usize = 40;
    let group = Group::new();
    let url = server(&group).await;
    let slow = join(&url).await;
    let slow_writer = group.writers().pop().unwrap();
    let mut members = Vec::new();
    for _ in 1..MEMBERS {
        members.push(join(&url).await);
    }
    assert_eq!(group.len(), MEMBERS);
    for number in 0..MESSAGES {
        let mut message = vec![0; 16 * KIB];
        message[0] = number as u8;
        fill(&slow_writer, 16 * KIB);
        let delivery = group.broadcast(message);
        assert_eq!((delivery.sent, delivery.dropped), (MEMBERS - 1, 1));
        for writer in group.writers() {
            assert!(writer.buffered_amount() <= MAX_BUFFERED);
        }
        for ws in &mut members {
            let message = ws.recv().await.unwrap().unwrap();
            assert_eq!((message.len(), message.as_bytes()[0]), (16 * KIB, number as u8));
        }
    }
    drop(slow);
}

#[tokio::test]
async fn who_drops_the_oldest_gets_the_newest() {
    let group = Group::with_policy(SlowClient::DropOldest(NonZeroUsize::new(3).unwrap()));
    let (server, mut slow) = full_pipe().await;
    let _member = group.join(&server.writer());
    let (mut kept, mut dropped) = (0, 0);
    for number in 0..100u32 {
        let mut message = vec![1; 64 * KIB];
        message[1..5].copy_from_slice(&number.to_be_bytes());
        let delivery = group.broadcast(message);
        kept += delivery.kept;
        dropped += delivery.dropped;
    }
    assert_eq!((kept, dropped), (100, 97));
    let mut numbers = Vec::new();
    while numbers.last() != Some(&99) {
        let message = slow.recv().await.unwrap().unwrap();
        if let [1, number @ ..] = message.as_bytes() {
            numbers.push(u32::from_be_bytes(number[..4].try_into().unwrap()));
        }
    }
    assert_eq!(numbers, [97, 98, 99]);
    // It has caught up: from here on it gets everything again.
    while group.broadcast("again").sent != 1 {
        assert_eq!(slow.recv().await.unwrap().unwrap(), "again");
    }
    assert_eq!(slow.recv().await.unwrap().unwrap(), "again");
}

#[tokio::test]
async fn who_must_not_miss_anything_is_closed_with_1013() {
    let group = Group::with_policy(SlowClient::Close);
    let url = server(&group).await;
    let (server, mut slow) = full_pipe().await;
    let _member = group.join(&server.writer());
    let mut other = join(&url).await;
    let delivery = group.broadcast(vec![1; 64 * KIB]);
    assert_eq!((delivery.sent, delivery.closed), (1, 1));
    assert_eq!(group.broadcast("later").gone, 1);
    assert_eq!(other.recv().await.unwrap().unwrap().len(), 64 * KIB);
    assert_eq!(other.recv().await.unwrap().unwrap(), "later");
    let code = loop {
        match slow.next_event().await.unwrap().unwrap() {
            Event::Close(frame) => break frame.unwrap().code,
            event => assert!(matches!(event, Event::Message(_))),
        }
    };
    assert_eq!(code, CloseCode::TRY_AGAIN_LATER);
}

#[tokio::test]
async fn members_with_and_without_compression_get_the_same_message() {
    let group = Group::new();
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    let options = Options::new().compression(hybi::DeflateOptions::new());
    let joined = group.clone();
    tokio::spawn(server.options(options).serve(move |mut ws| {
        let group = joined.clone();
        async move {
            let _member = group.join(&ws.writer());
            while ws.recv().await?.is_some() {}
            Ok(())
        }
    }));
    let plain = hybi::Client::new().options(Options::new().no_compression());
    let mut clients = [hybi::connect(&url).await.unwrap(), plain.connect(&url).await.unwrap()];
    while group.len() < 2 {
        tokio::task::yield_now().await;
    }
    let text = "the same again and again ".repeat(100);
    for _ in 0..3 {
        assert_eq!(group.broadcast(text.clone()).sent, 2);
        for ws in &mut clients {
            assert_eq!(ws.recv().await.unwrap().unwrap(), text.as_str());
        }
    }
}
