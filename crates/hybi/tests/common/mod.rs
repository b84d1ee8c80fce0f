//! What the tests of the client share.
#![allow(dead_code, unreachable_pub)] // Each test file uses some of it.

#[cfg(any(feature = "tls", feature = "native-tls"))]
pub mod certificates;
pub mod counting;
pub mod program;
pub mod scripted;
#[cfg(any(feature = "tls", feature = "native-tls"))]
pub mod tls_server;

use hybi::{Error, WebSocket};

/// Sends back what comes, until the client closes.
pub async fn echo(mut ws: WebSocket) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

/// An echo server on a free port of the loopback interface; returns its port.
pub async fn echo_server() -> u16 {
    let server = hybi::Server::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    tokio::spawn(server.serve(echo));
    port
}

/// Asserts that an echo server is at the other end.
pub async fn assert_echoes(ws: &mut WebSocket) {
    ws.send("is it you?").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "is it you?");
}

/// On a paused clock: lets time pass in small steps, so that waiting for a socket does not jump to
/// the next deadline.
pub fn let_time_pass() {
    tokio::spawn(async {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
}
