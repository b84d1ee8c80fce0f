//! How connections end: who closes TCP, what the peer is told, what the caller is told.

use hex_literal::hex;
use hybi::{CloseCode, Error, ErrorCode, Event, Server};
use testkit::Script;
use tokio::io::DuplexStream;
use tokio::net::{TcpListener, TcpStream};

async fn server_and_peer() -> (hybi::WebSocket, Script<DuplexStream>) {
    let (mut peer, stream) = Script::pair();
    let opening = tokio::spawn(hybi::accept(stream));
    peer.opens("/", []).await;
    (opening.await.unwrap().unwrap(), peer)
}

async fn client_and_peer() -> (hybi::WebSocket, Script<DuplexStream>) {
    let (mut peer, stream) = Script::pair();
    let opening = tokio::spawn(hybi::connect_over(stream, "ws://localhost/"));
    peer.accepts([]).await;
    (opening.await.unwrap().unwrap(), peer)
}

#[tokio::test]
async fn a_server_echoes_the_close_code_and_closes_tcp() {
    let (mut ws, mut peer) = server_and_peer().await;
    peer.sends(hex!("88 85 00000000 0fa0 627965")).await; // 4000 "bye"
    let Some(Event::Close(Some(frame))) = ws.next_event().await.unwrap() else { panic!() };
    assert_eq!((frame.code.get(), &*frame.reason), (4000, "bye"));
    assert_eq!(ws.next_event().await.unwrap(), None);
    peer.expects(hex!("88 02 0fa0")).await;
    peer.expects_eof().await;
}

#[tokio::test]
async fn a_client_waits_for_the_server_to_close_tcp() {
    let (mut ws, mut peer) = client_and_peer().await;
    let closing = tokio::spawn(async move { ws.close(CloseCode::NORMAL, "").await });
    assert_eq!(peer.expects_frame().await.payload, hex!("03e8"));
    peer.sends(hex!("88 02 03e8")).await;
    tokio::task::yield_now().await;
    assert!(!closing.is_finished());
    peer.closes().await;
    closing.await.unwrap().unwrap();
}

#[tokio::test]
async fn messages_that_come_after_our_close_are_still_received() {
    let (mut ws, mut peer) = client_and_peer().await;
    ws.writer().close(CloseCode::NORMAL, "").await.unwrap();
    peer.expects_frame().await;
    peer.sends(hex!("81 01 61  88 02 03e8")).await;
    peer.closes().await;
    assert_eq!(ws.recv().await.unwrap().unwrap(), "a");
    assert_eq!(ws.recv().await.unwrap(), None);
}

#[tokio::test]
async fn tcp_that_ends_without_a_close_frame_is_an_error() {
    let (mut ws, mut peer) = server_and_peer().await;
    peer.closes().await;
    let error = ws.recv().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::AbnormalClosure));
    assert_eq!(ws.recv().await.unwrap(), None);
    assert!(ws.send("late").await.is_err());
}

#[tokio::test]
async fn an_unmasked_client_frame_fails_with_1002() {
    let (mut ws, mut peer) = server_and_peer().await;
    peer.sends(hex!("81 01 61")).await;
    let error = ws.recv().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::ExpectedMask));
    let close = peer.expects_frame().await;
    assert_eq!(close.payload[..2], 1002u16.to_be_bytes());
    peer.expects_eof().await;
}

#[tokio::test]
async fn a_masked_server_frame_fails_with_1002() {
    let (mut ws, mut peer) = client_and_peer().await;
    peer.sends(hex!("81 81 00000000 61")).await;
    assert_eq!(ws.recv().await.unwrap_err().code(), Some(ErrorCode::UnexpectedMask));
    let close = peer.expects_frame().await;
    assert_eq!(close.payload[..2], 1002u16.to_be_bytes());
    peer.expects_eof().await;
}

#[tokio::test]
async fn a_peer_that_breaks_the_rules_and_goes_on_sending_gets_to_read_why() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(|mut ws| async move {
        while ws.recv().await?.is_some() {}
        Ok(())
    }));
    let mut peer = Script::new(TcpStream::connect(address).await.unwrap());
    peer.opens("/", []).await;
    let mut junk = hex!("83 80 00000000").to_vec(); // a reserved opcode
    junk.resize(1 << 20, 0xff);
    peer.sends(junk).await;
    let close = peer.expects_frame().await;
    assert_eq!(close.payload[..2], 1002u16.to_be_bytes());
    peer.expects_eof().await;
    // It is still listened to: a socket closed at once would answer with a reset.
    for _ in 0..10 {
        peer.try_sends([0; 1024]).await.unwrap();
    }
}

#[tokio::test]
async fn terminate_wakes_a_reader_that_waits() {
    let (mut ws, mut peer) = server_and_peer().await;
    let writer = ws.writer();
    let reading = tokio::spawn(async move { ws.recv().await });
    tokio::task::yield_now().await;
    writer.terminate();
    assert_eq!(reading.await.unwrap().unwrap(), None);
    peer.expects_eof().await;
    let error = writer.send("late").await.unwrap_err();
    assert!(matches!(error, Error::Closed(_)));
    assert!(error.to_string().ends_with("(close_info tells how it ended)"), "{error}");
}

#[tokio::test]
async fn a_reset_is_told_as_an_io_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let peer = tokio::spawn(async move {
        let mut peer = Script::new(TcpStream::connect(address).await.unwrap());
        peer.opens("/", []).await;
        peer
    });
    let mut ws = hybi::accept(listener.accept().await.unwrap().0).await.unwrap();
    peer.await.unwrap().resets();
    assert!(matches!(ws.recv().await, Err(Error::Io(_))));
}

#[tokio::test]
async fn a_writer_that_is_kept_does_not_keep_tcp_open() {
    let (kept, mut writers) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(move |ws| {
        kept.send(ws.writer()).unwrap();
        async { Ok(()) }
    }));
    let mut peer = Script::new(TcpStream::connect(address).await.unwrap());
    peer.opens("/", []).await;
    let writer = writers.recv().await.unwrap();
    peer.expects(hex!("88 02 03e8")).await;
    peer.sends(hex!("88 82 00000000 03e8")).await;
    peer.expects_eof().await;
    // Only a socket that is closed, and not merely shut down, answers with a reset.
    while peer.try_sends([0; 1024]).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(writer.send("late").await.is_err());
}
