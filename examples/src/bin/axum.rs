//! A chat beside ordinary routes of an axum server; Ctrl-C closes everybody with 1012.
//!
//! `cargo run -p hybi-examples --bin axum -- 127.0.0.1:8080`

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{any, get};
use hybi::server::{Clients, Origins, Shutdown};
use hybi::{CloseCode, DeflateOptions};
use hybi_axum::WebSocketUpgrade;
use tokio::net::TcpListener;

async fn chat(State(clients): State<Clients>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .origins(Origins::same_origin())
        .compression(DeflateOptions::new())
        .max_message_size(64 * 1024)
        .clients(&clients)
        .on_upgrade(move |mut ws| async move {
            while let Some(message) = ws.recv().await? {
                clients.broadcast(message); // to everybody, this client included
            }
            Ok(())
        })
}

/// Serves until `stop` is ready, then closes the WebSockets.
pub async fn serve(listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) {
    let clients = Clients::new();
    let app = Router::new()
        .route("/", get(|| async { "the chat is at /chat\n" }))
        .route("/chat", any(chat))
        .with_state(clients.clone());
    // axum waits for requests only: an upgraded connection is none any more.
    axum::serve(listener, app).with_graceful_shutdown(stop).await.expect("axum never fails here");
    clients.shutdown(Shutdown::new().code(CloseCode::SERVICE_RESTART)).await;
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, async { drop(tokio::signal::ctrl_c().await) }).await;
    Ok(())
}
