//! What a connection tells besides messages: pings, pongs, how it ended; and how to slow a peer down.

mod common;

use hybi::{Client, CloseCode, ClosedBy, Error, ErrorCode, Event, Options, Server, WebSocket};
use std::future::Future;
use std::task::{Context, Poll, Waker};

/// A client, and the server's end of the same connection.
async fn pair() -> (WebSocket, WebSocket) {
    pair_with(Client::new(), 4096).await
}

/// As [`pair`], with so many octets between the ends.
async fn pair_with(client: Client, octets: usize) -> (WebSocket, WebSocket) {
    let (ours, theirs) = tokio::io::duplex(octets);
    let server = tokio::spawn(hybi::accept(theirs));
    let client = client.connect_over(ours, "ws://example.com/").await.unwrap();
    (client, server.await.unwrap().unwrap())
}

#[tokio::test]
async fn pings_and_pongs_are_events() {
    let (mut client, mut server) = pair().await;
    server.ping("are you there?").await.unwrap();
    let reading = tokio::spawn(async move { server.next_event().await });
    assert_eq!(client.next_event().await.unwrap(), Some(Event::Ping("are you there?".into())));
    client.flush().await.unwrap();
    assert_eq!(reading.await.unwrap().unwrap(), Some(Event::Pong("are you there?".into())));
}

#[tokio::test]
async fn a_close_tells_who_began_it_with_which_code_and_reason() {
    let (mut client, mut server) = pair().await;
    assert_eq!(client.close_info(), None);
    let serving = tokio::spawn(async move {
        assert_eq!(server.recv().await.unwrap(), None);
        server.close_info().unwrap()
    });
    client.close(CloseCode::GOING_AWAY, "enough").await.unwrap();
    let seen_by_client = client.close_info().unwrap();
    assert_eq!((seen_by_client.by(), seen_by_client.is_clean()), (ClosedBy::Us, true));
    let seen_by_server = serving.await.unwrap();
    assert_eq!(seen_by_server.by(), ClosedBy::Peer);
    assert_eq!((seen_by_server.code(), seen_by_server.reason()), (1001, "enough"));
    assert!(seen_by_server.is_clean());
}

#[tokio::test]
async fn a_connection_that_breaks_was_closed_by_nobody() {
    let (mut client, server) = pair().await;
    drop(server);
    assert_eq!(client.recv().await.unwrap_err().code(), Some(ErrorCode::AbnormalClosure));
    let info = client.close_info().unwrap();
    assert_eq!((info.by(), info.code(), info.is_clean()), (ClosedBy::Nobody, 1006, false));
}

#[tokio::test]
async fn a_connection_that_is_terminated_was_closed_by_us() {
    let (client, _server) = pair().await;
    client.terminate();
    let info = client.close_info().unwrap();
    assert_eq!((info.by(), info.code()), (ClosedBy::Us, 1006));
}

#[tokio::test]
async fn a_peer_that_breaks_the_rules_is_closed_by_us() {
    let limits = hybi::Limits::new().max_message_size(10);
    let client = Client::new().options(Options::new().limits(limits));
    let (mut client, mut server) = pair_with(client, 4096).await;
    server.send("more than ten octets").await.unwrap();
    let serving = tokio::spawn(async move { (server.recv().await, server.close_info()) });
    assert!(matches!(client.recv().await, Err(Error::Limit(_))));
    assert_eq!(client.close_info().unwrap().by(), ClosedBy::Us);
    drop(client);
    let (_, info) = serving.await.unwrap();
    assert_eq!((info.clone().unwrap().by(), info.unwrap().code()), (ClosedBy::Peer, 1009));
}

#[tokio::test]
async fn a_close_without_a_code_is_1005() {
    // An empty Close frame, from a server without a code to give.
    let (ours, theirs) = tokio::io::duplex(4096);
    let server = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut theirs = theirs;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(theirs.read_u8().await.unwrap());
        }
        let answer = common::scripted::switching(std::str::from_utf8(&head).unwrap());
        theirs.write_all(answer.as_bytes()).await.unwrap();
        theirs.write_all(&[0x88, 0]).await.unwrap();
    });
    let mut client = hybi::connect_over(ours, "ws://example.com/").await.unwrap();
    assert_eq!(client.recv().await.unwrap(), None);
    assert_eq!(client.close_info().unwrap().code(), 1005);
    server.await.unwrap();
}

/// The documented way to slow a peer down: not to call `recv`.
#[tokio::test]
async fn a_client_that_does_not_receive_stops_the_server_and_loses_nothing() {
    const PIPE: usize = 64 * 1024;
    const MESSAGE: usize = 16 * 1024;
    let options = Options::new().no_compression();
    let (mut client, server) = pair_with(Client::new().options(options), PIPE).await;
    let mut accepted = 0u32;
    loop {
        let mut message = vec![0; MESSAGE];
        message[..4].copy_from_slice(&accepted.to_be_bytes());
        let mut sending = std::pin::pin!(server.send(message));
        match sending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result.unwrap(),
            // Everything else that could run has its turn: still nothing has been taken.
            Poll::Pending => {
                tokio::task::yield_now().await;
                match sending.poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Pending => break,
                    Poll::Ready(result) => result.unwrap(),
                }
            }
        }
        accepted += 1;
    }
    // The pipe, what the server lets wait (1 MiB), and the message that goes over it.
    let most = PIPE + 1024 * 1024 + MESSAGE;
    assert!(accepted as usize * MESSAGE <= most, "{accepted} messages");
    assert!(accepted as usize * MESSAGE >= 1024 * 1024 - MESSAGE, "{accepted} messages");

    for i in 0..accepted {
        let message = client.recv().await.unwrap().unwrap();
        assert_eq!(message.as_bytes()[..4], i.to_be_bytes());
    }
    server.send("and on it goes").await.unwrap();
    assert_eq!(client.recv().await.unwrap().unwrap(), "and on it goes");
}

#[tokio::test]
async fn a_handler_that_returns_closes_as_the_peer() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    tokio::spawn(server.serve(|_ws| async { Ok(()) }));
    let mut ws = hybi::connect(&url).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), None);
    let info = ws.close_info().unwrap();
    assert_eq!((info.by(), info.code()), (ClosedBy::Peer, 1000));
}
