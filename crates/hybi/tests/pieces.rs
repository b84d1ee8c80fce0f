//! One message in pieces, both ways.

use hybi::server::Acceptor;
use hybi::{
    Client, CloseCode, DeflateOptions, Error, ErrorCode, Group, Limits, Message, Options,
    TrySendError, WebSocket,
};
use std::time::Duration;
use testkit::{Frame, Script};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

async fn pair_with(options: Options) -> (WebSocket, WebSocket) {
    let (ours, theirs) = tokio::io::duplex(16 * 1024);
    let acceptor = Acceptor::new().options(options.clone());
    let client = Client::new().options(options);
    let (server, client) =
        tokio::join!(acceptor.accept(ours), client.connect_over(theirs, "ws://test/"));
    (server.unwrap().0, client.unwrap())
}

async fn pair() -> (WebSocket, WebSocket) {
    pair_with(Options::new().no_compression()).await
}

/// A client, and the other end of its stream for the test to write frames to.
async fn client(options: Options) -> (WebSocket, DuplexStream) {
    let (ours, mut theirs) = tokio::io::duplex(1024 * 1024);
    let client = Client::new().options(options.no_compression());
    let handshake = async {
        let mut peer = Script::new(&mut theirs);
        peer.accepts("").await;
    };
    let (client, ()) = tokio::join!(client.connect_over(ours, "ws://test/"), handshake);
    (client.unwrap(), theirs)
}

/// All pieces of the next message, joined.
async fn read_whole(ws: &mut WebSocket) -> Option<Message> {
    let mut reader = ws.message_reader().await.unwrap()?;
    let (text, mut octets) = (reader.is_text(), Vec::new());
    while let Some(piece) = reader.next_piece().await.unwrap() {
        assert_eq!(piece.is_text(), text);
        assert!(!piece.is_empty());
        octets.extend_from_slice(piece.as_bytes());
    }
    assert_eq!(reader.next_piece().await.unwrap(), None);
    Some(if text { String::from_utf8(octets).unwrap().into() } else { octets.into() })
}

#[tokio::test]
async fn what_is_written_in_pieces_is_one_message() {
    let (server, mut client) = pair().await;
    let mut message = server.message_writer().await.unwrap();
    for piece in ["one ", "", "message, in ", "ü pieces"] {
        message.write_piece(piece).await.unwrap();
    }
    message.finish().await.unwrap();
    server.message_writer().await.unwrap().finish().await.unwrap();
    server.send("next").await.unwrap();
    assert_eq!(client.recv().await.unwrap().unwrap(), "one message, in ü pieces");
    assert_eq!(client.recv().await.unwrap().unwrap(), Message::from(b""));
    assert_eq!(client.recv().await.unwrap().unwrap(), "next");
}

#[tokio::test]
async fn pieces_are_received_before_the_message_is_complete() {
    let (server, mut client) = pair().await;
    let mut message = server.message_writer().await.unwrap();
    message.write_piece("first").await.unwrap();
    let mut reader = client.message_reader().await.unwrap().unwrap();
    assert!(reader.is_text());
    assert_eq!(reader.next_piece().await.unwrap().unwrap(), "first");
    message.write_piece("second").await.unwrap();
    assert_eq!(reader.next_piece().await.unwrap().unwrap(), "second");
    message.finish().await.unwrap();
    assert_eq!(reader.next_piece().await.unwrap(), None);
}

#[tokio::test]
async fn large_messages_of_both_kinds_come_through_compressed_or_not() {
    let text: String = (0..300_000).map(|number| format!("{number} ü ")).collect();
    let octets: Vec<u8> = (0..3_000_000u32).map(|number| (number % 251) as u8).collect();
    for options in
        [Options::new().no_compression(), Options::new().compression(DeflateOptions::new())]
    {
        // Far below what comes: limits are for whole messages.
        let (server, mut client) =
            pair_with(options.limits(Limits::new().max_message_size(1000))).await;
        let (sent_text, sent_octets) = (text.clone(), octets.clone());
        let send = async {
            server.send(sent_text).await.unwrap();
            server.send(sent_octets).await.unwrap();
            server.send("").await.unwrap();
            server.flush().await.unwrap();
        };
        let read = async {
            assert!(read_whole(&mut client).await.unwrap() == text.as_str());
            assert!(read_whole(&mut client).await.unwrap() == Message::from(octets.clone()));
            assert_eq!(read_whole(&mut client).await.unwrap(), "");
        };
        tokio::join!(send, read);
    }
}

#[tokio::test]
async fn octets_are_copied_from_and_to_a_message() {
    let (server, mut client) = pair().await;
    let octets: Vec<u8> = (0..1_000_000u32).map(|number| (number % 251) as u8).collect();
    let send = async {
        let mut message = server.message_writer().await.unwrap();
        tokio::io::copy(&mut &octets[..], &mut message).await.unwrap();
        message.shutdown().await.unwrap();
        let late = message.write(b"x").await.unwrap_err();
        assert_eq!(late.kind(), std::io::ErrorKind::InvalidInput);
        drop(message);
        server.send("after it").await.unwrap();
        server.flush().await.unwrap();
    };
    let read = async {
        let mut got = Vec::new();
        let mut reader = client.message_reader().await.unwrap().unwrap();
        reader.read_to_end(&mut got).await.unwrap();
        drop(reader);
        assert!(got == octets);
        assert_eq!(client.recv().await.unwrap().unwrap(), "after it");
    };
    tokio::join!(send, read);
}

#[tokio::test]
async fn dropping_the_reader_drops_the_rest_of_the_message_only() {
    let (mut client, mut peer) = client(Options::new()).await;
    peer.write_all(&Frame::text("wanted").not_final().octets()).await.unwrap();
    let mut reader = client.message_reader().await.unwrap().unwrap();
    assert_eq!(reader.next_piece().await.unwrap().unwrap(), "wanted");
    drop(reader);
    peer.write_all(&Frame::continuation("not wanted").octets()).await.unwrap();
    peer.write_all(&Frame::text("next").octets()).await.unwrap();
    assert_eq!(client.recv().await.unwrap().unwrap(), "next");
}

#[tokio::test(start_paused = true)]
async fn a_message_of_which_no_piece_was_taken_can_still_be_received_whole() {
    let (mut client, mut peer) = client(Options::new()).await;
    let frame = Frame::text("€ 5").octets();
    // The beginning of a character is no piece yet.
    peer.write_all(&frame[..4]).await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_secs(1), client.message_reader());
    assert!(waiting.await.is_err());
    peer.write_all(&frame[4..]).await.unwrap();
    assert_eq!(client.recv().await.unwrap().unwrap(), "€ 5");
}

#[tokio::test(start_paused = true)]
async fn what_had_come_of_a_message_is_its_first_piece() {
    let (mut client, mut peer) = client(Options::new()).await;
    let frame = Frame::text("already here").octets();
    peer.write_all(&frame[..9]).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(1), client.recv()).await.is_err());
    let mut reader = client.message_reader().await.unwrap().unwrap();
    assert_eq!(reader.next_piece().await.unwrap().unwrap(), "already");
    // A piece that is waited for in vain is not lost either.
    let waiting = tokio::time::timeout(Duration::from_secs(1), reader.next_piece());
    assert!(waiting.await.is_err());
    peer.write_all(&frame[9..]).await.unwrap();
    assert_eq!(reader.next_piece().await.unwrap().unwrap(), " here");
    assert_eq!(reader.next_piece().await.unwrap(), None);
}

#[tokio::test]
async fn pings_between_the_pieces_are_answered() {
    let (mut client, mut peer) = client(Options::new()).await;
    peer.write_all(&Frame::text("a").not_final().octets()).await.unwrap();
    peer.write_all(&Frame::ping("?").octets()).await.unwrap();
    peer.write_all(&Frame::continuation("b").octets()).await.unwrap();
    let mut reader = client.message_reader().await.unwrap().unwrap();
    assert_eq!(reader.next_piece().await.unwrap().unwrap(), "a");
    assert_eq!(reader.next_piece().await.unwrap().unwrap(), "b");
    assert_eq!(reader.next_piece().await.unwrap(), None);
    drop(reader);
    client.flush().await.unwrap();
    let mut pong = [0; 7];
    peer.read_exact(&mut pong).await.unwrap();
    assert_eq!(pong[..2], [0x8a, 0x81]);
    assert_eq!(pong[6] ^ pong[2], b'?');
}

#[tokio::test]
async fn a_message_that_is_cut_off_is_an_error() {
    for close in [true, false] {
        let (mut client, mut peer) = client(Options::new()).await;
        peer.write_all(&Frame::text("half of").not_final().octets()).await.unwrap();
        if close {
            peer.write_all(&Frame::close(1000, "").octets()).await.unwrap();
        }
        drop(peer);
        let mut reader = client.message_reader().await.unwrap().unwrap();
        assert_eq!(reader.next_piece().await.unwrap().unwrap(), "half of");
        let error = reader.next_piece().await.unwrap_err();
        assert!(matches!(error, Error::Closed(_)), "{error:?}");
        assert_eq!(error.code(), Some(ErrorCode::AbnormalClosure));
    }
}

#[tokio::test]
async fn a_close_instead_of_a_message_is_none() {
    let (mut client, mut peer) = client(Options::new()).await;
    peer.write_all(&Frame::close(1000, "").octets()).await.unwrap();
    drop(peer);
    assert!(client.message_reader().await.unwrap().is_none());
}

#[tokio::test]
async fn other_messages_wait_until_the_one_in_pieces_is_finished() {
    let (server, mut client) = pair().await;
    let (writer, other) = (server.writer(), server.writer());
    let mut message = writer.message_writer().await.unwrap();
    message.write_piece("begun").await.unwrap();

    // Control frames may come in between, messages may not.
    other.ping("?").await.unwrap();
    assert!(matches!(other.try_send("no room"), Err(TrySendError::Full(_))));
    let group = Group::new();
    let _member = group.join(&other);
    assert_eq!(group.broadcast("to a slow one").dropped, 1);
    let mut sending = polled(Box::pin(async move {
        other.send("waits").await.unwrap();
        let mut second = other.message_writer().await.unwrap();
        second.write_piece("then this").await.unwrap();
        second.finish().await.unwrap();
    }));
    assert!(sending.poll_once().await, "it waits");
    message.write_piece(", ended").await.unwrap();
    message.finish().await.unwrap();
    sending.0.await;
    server.flush().await.unwrap();
    for expected in ["begun, ended", "waits", "then this"] {
        assert_eq!(client.recv().await.unwrap().unwrap(), expected);
    }
}

/// A future that can be polled once.
struct Polled(std::pin::Pin<Box<dyn Future<Output = ()>>>);

fn polled(future: std::pin::Pin<Box<dyn Future<Output = ()>>>) -> Polled {
    Polled(future)
}

impl Polled {
    /// True if it is not ready.
    async fn poll_once(&mut self) -> bool {
        std::future::poll_fn(|cx| std::task::Poll::Ready(self.0.as_mut().poll(cx).is_pending()))
            .await
    }
}

#[tokio::test]
async fn pieces_of_another_kind_are_refused_and_nothing_is_sent_of_them() {
    let (server, mut client) = pair().await;
    let mut message = server.message_writer().await.unwrap();
    message.write_piece("text").await.unwrap();
    let error = message.write_piece(b"octets").await.unwrap_err();
    assert!(matches!(error, Error::Usage(_)), "{error:?}");
    let error = message.write(b"octets").await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    message.finish().await.unwrap();
    assert_eq!(client.recv().await.unwrap().unwrap(), "text");
}

#[tokio::test]
async fn a_message_that_is_not_finished_closes_the_connection_with_1011() {
    let (mut server, mut client) = pair().await;
    // Nothing was written: nothing happens.
    drop(server.message_writer().await.unwrap());
    server.send("still open").await.unwrap();
    assert_eq!(client.recv().await.unwrap().unwrap(), "still open");

    let mut message = server.message_writer().await.unwrap();
    message.write_piece("half of").await.unwrap();
    drop(message);
    let (ours, theirs) = tokio::join!(server.recv(), client.recv());
    assert_eq!((ours.unwrap(), theirs.unwrap()), (None, None));
    assert_eq!(client.close_info().unwrap().code(), CloseCode::INTERNAL_ERROR.get());
    assert!(matches!(server.send("too late").await, Err(Error::Closed(_))));
}

#[tokio::test(start_paused = true)]
async fn writing_waits_while_the_peer_does_not_read() {
    let (server, client) = pair_with(Options::new().no_compression().max_buffered(100_000)).await;
    let mut message = server.message_writer().await.unwrap();
    let write = async {
        loop {
            message.write_piece(vec![0; 10_000]).await.unwrap();
        }
    };
    // On this clock time passes only when nothing else can happen.
    assert!(tokio::time::timeout(Duration::from_secs(1), write).await.is_err());
    assert!(server.buffered_amount() <= 100_000, "{}", server.buffered_amount());
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_a_large_message_slowly_is_alive() {
    let options =
        Options::new().ping_interval(Duration::from_secs(10)).ping_timeout(Duration::from_secs(5));
    let (mut client, mut peer) = client(options).await;
    peer.write_all(&Frame::binary("").claiming(1000).octets()).await.unwrap();
    peer.write_all(b"x").await.unwrap();
    let mut reader = client.message_reader().await.unwrap().unwrap();
    // The handler is busy with something else for long; the peer goes on sending.
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        peer.write_all(b"x").await.unwrap();
    }
    let mut octets = 0;
    while octets < 51 {
        octets += reader.next_piece().await.unwrap().unwrap().len();
    }
}
