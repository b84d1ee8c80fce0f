//! A WebSocket as a stream of octets.

use hybi::server::Acceptor;
use hybi::{ByteStream, Message, Options, WebSocket};
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MAX_BUFFERED: usize = 128 * 1024;

/// Both ends of a connection that holds no more than it is told to.
async fn pair() -> (WebSocket, WebSocket) {
    let (ours, theirs) = tokio::io::duplex(16 * 1024);
    let acceptor = Acceptor::new().options(Options::new().max_buffered(MAX_BUFFERED));
    let (server, client) =
        tokio::join!(acceptor.accept(ours), hybi::connect_over(theirs, "ws://test/"));
    (server.unwrap().0, client.unwrap())
}

#[tokio::test]
async fn octets_come_through_in_order_and_then_the_end() {
    let (server, client) = pair().await;
    let (mut server, mut client) = (ByteStream::new(server), ByteStream::new(client));
    let octets: Vec<u8> = (0..1_000_000u32).map(|number| (number % 251) as u8).collect();
    let expected = octets.clone();
    let write = async {
        server.write_all(&octets).await.unwrap();
        server.shutdown().await.unwrap();
        // What the other side sent before it knew can still be read, then comes the end.
        let mut last = String::new();
        server.read_to_string(&mut last).await.unwrap();
        last
    };
    let read = async {
        let mut got = vec![0; expected.len()];
        client.write_all(b"from the other side").await.unwrap();
        client.read_exact(&mut got).await.unwrap();
        assert!(got == expected);
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        client.write_all(b"late").await.unwrap_err().kind()
    };
    let (last, late) = tokio::join!(write, read);
    assert_eq!(last, "from the other side");
    assert_eq!(late, ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn messages_of_both_kinds_are_read_and_empty_ones_are_not_the_end() {
    let (server, client) = pair().await;
    let mut client = ByteStream::new(client);
    for message in [Message::from("te"), Message::from(""), Message::from(b"xt")] {
        server.send(message).await.unwrap();
    }
    let mut octet = [0];
    client.read_exact(&mut octet).await.unwrap();
    let mut rest = [0; 3];
    client.read_exact(&mut rest).await.unwrap();
    assert_eq!((&octet, &rest), (b"t", b"ext"));
}

#[tokio::test(start_paused = true)]
async fn writing_waits_while_the_peer_does_not_read() {
    let (server, client) = pair().await;
    let writer = server.writer();
    let mut server = ByteStream::new(server);
    let octets = vec![0; 1_000_000];
    // On this clock time passes only when nothing else can happen.
    let write = server.write_all(&octets);
    assert!(tokio::time::timeout(std::time::Duration::from_secs(1), write).await.is_err());
    assert!(writer.buffered_amount() <= MAX_BUFFERED + 1024, "{}", writer.buffered_amount());
    drop(client);
}

#[tokio::test]
async fn an_end_without_a_close_frame_is_an_error() {
    let (server, client) = pair().await;
    let mut client = ByteStream::new(client);
    server.send("half").await.unwrap();
    server.flush().await.unwrap();
    server.terminate();
    let mut got = String::new();
    let error = client.read_to_string(&mut got).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}
