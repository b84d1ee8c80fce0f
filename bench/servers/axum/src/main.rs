//! Echo as in the documentation of `axum::extract::ws`.

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::any;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).expect("usage: server-axum ADDRESS");
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(address).await?.tap_io(|stream| {
            stream.set_nodelay(true).expect("TCP_NODELAY on an accepted socket");
        });
        let upgrade = |ws: WebSocketUpgrade| async move { ws.on_upgrade(echo) };
        axum::serve(listener, Router::new().route("/", any(upgrade))).await
    })
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if !matches!(message, Message::Text(_) | Message::Binary(_)) {
            continue;
        }
        // A peer that resets its connection is the ordinary end of a round.
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
