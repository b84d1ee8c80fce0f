//! The example `blocking` against a server of ours.

mod common;

#[allow(dead_code, unreachable_pub)] // Its `main` is not called.
#[path = "../examples/blocking.rs"]
mod blocking;

use blocking::BlockingWebSocket;
use hybi::CloseCode;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_without_a_runtime_talks_to_a_server() {
    let port = common::echo_server().await;
    let client = move || {
        let mut ws = BlockingWebSocket::connect(&format!("ws://127.0.0.1:{port}/")).unwrap();
        for size in [0, 1, 125, 126, 65_536, 300_000] {
            ws.send(vec![7; size]).unwrap();
            let message = ws.recv().unwrap().unwrap();
            assert_eq!(message.len(), size);
        }
        ws.send("text, compressed if the server wants").unwrap();
        assert_eq!(ws.recv().unwrap().unwrap(), "text, compressed if the server wants");
        ws.close(CloseCode::NORMAL, "").unwrap();
        assert!(ws.recv().unwrap().is_none());
    };
    tokio::task::spawn_blocking(client).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_server_may_close_first() {
    let server = hybi::Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    tokio::spawn(server.serve(|ws| async move { ws.send("goodbye").await }));
    let client = move || {
        let mut ws = BlockingWebSocket::connect(&url).unwrap();
        assert_eq!(ws.recv().unwrap().unwrap(), "goodbye");
        assert!(ws.recv().unwrap().is_none());
    };
    tokio::task::spawn_blocking(client).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_refusal_is_an_error() {
    let server = hybi::Server::bind("127.0.0.1:0").await.unwrap().path("/chat");
    let url = format!("ws://{}/elsewhere", server.local_addr().unwrap());
    tokio::spawn(server.serve(|_ws| async { Ok(()) }));
    let refused = tokio::task::spawn_blocking(move || BlockingWebSocket::connect(&url).err());
    let error = refused.await.unwrap().unwrap();
    assert_eq!(error.to_string(), "the server answered 404 Not Found");
}
