//! A client that comes back to a server that is killed: `hybi serve` is the server.

mod support;

use hybi::client::ConnectionState;
use std::time::Duration;
use support::{HANGS, Running};
use tokio::net::TcpSocket;

#[tokio::test]
async fn a_server_process_that_is_killed_again_and_again_is_found_again() {
    // Keeps the port ours while no server listens on it.
    let reserved = TcpSocket::new_v4().expect("a socket");
    reserved.set_reuseaddr(true).expect("an option");
    reserved.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = reserved.local_addr().expect("an address").to_string();
    let serve = || {
        let server = Running::start(["serve", "--listen", &address], None);
        server.line(); // it listens
        server
    };

    let mut client = hybi::Client::new()
        .reconnecting(format!("ws://{address}/"))
        .backoff(Duration::from_millis(1), Duration::from_millis(20))
        .on_connect(|ws| async move {
            ws.send("subscribe").await?;
            Ok(ws)
        });
    let mut states = client.watch();
    let story = async {
        for number in 0..5 {
            let server = serve();
            assert_eq!(client.recv().await.expect("open").expect("open"), "subscribe");
            assert_eq!(client.state(), ConnectionState::Open);
            let message = format!("message {number}");
            client.send(message.as_str()).await.expect("sent");
            assert_eq!(client.recv().await.expect("open").expect("open"), message.as_str());
            drop(server); // SIGKILL
            tokio::select! {
                received = client.recv() => panic!("nobody is there, but {received:?} came"),
                state = states.wait_for(|state| *state != ConnectionState::Open) => {
                    assert_ne!(*state.expect("watched"), ConnectionState::Closed);
                }
            }
        }
    };
    tokio::time::timeout(HANGS, story).await.expect("it comes back each time");
}
