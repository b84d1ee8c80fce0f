//! Octets that come together with the opening handshake belong to the connection.

use hex_literal::hex;
use testkit::Script;

#[tokio::test]
async fn a_frame_that_comes_with_the_101_is_received() {
    let (mut peer, stream) = Script::pair();
    let server = tokio::spawn(async move {
        peer.accepts(hex!("81 05 68656c6c6f  81 03 77")).await; // "hello", and half of "wow"
        peer.sends(b"ow").await;
        peer
    });
    let mut ws = hybi::connect_over(stream, "ws://localhost/").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");
    let _peer = server.await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "wow");
}

#[tokio::test]
async fn a_frame_that_comes_with_the_request_is_received() {
    let (mut peer, stream) = Script::pair();
    let client = tokio::spawn(async move {
        peer.opens("/", hex!("81 85 00000000 68656c6c6f")).await;
        peer
    });
    let mut ws = hybi::accept(stream).await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");
    drop(client.await.unwrap());
}

#[tokio::test]
async fn a_whole_conversation_may_come_with_the_request() {
    let (mut peer, stream) = Script::pair();
    let server = tokio::spawn(async move {
        let mut ws = hybi::accept(stream).await?;
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok::<(), hybi::Error>(())
    });
    peer.opens("/", hex!("81 81 00000000 61  88 82 00000000 03e8")).await;
    peer.expects(hex!("81 01 61  88 02 03e8")).await;
    peer.expects_eof().await;
    server.await.unwrap().unwrap();
}
