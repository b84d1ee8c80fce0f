//! A chat for browsers, page and WebSocket on one port: what one says, everybody gets, whoever said it
//! included.
//!
//! `cargo run -p hybi-examples --bin chat -- 127.0.0.1:8080`, then open <http://127.0.0.1:8080/> twice.

use hybi::http::{HeaderValue, Response, StatusCode, header};
use hybi::server::{Origins, Request};
use hybi::{CloseCode, Error, Group, Limits, Options, Server, SlowClient};
use std::time::Duration;

/// Serves until `stop` is ready.
pub async fn serve(
    server: Server,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    // Who does not keep up is told to come back: in a chat nothing may be missing.
    let everyone = Group::with_policy(SlowClient::Close);
    server
        .http(page)
        // Pages of other sites must not chat in the name of their visitors.
        .origins(Origins::same_origin())
        .options(
            Options::new()
                .limits(Limits::new().max_message_size(4096))
                .ping_interval(Duration::from_secs(30)),
        )
        .shutdown_on(stop)
        .serve(move |mut ws| {
            let member = everyone.join(&ws.writer());
            async move {
                while let Some(message) = ws.recv().await? {
                    if !message.is_text() {
                        return ws.close(CloseCode::UNSUPPORTED_DATA, "text only").await;
                    }
                    member.broadcast(message); // `broadcast_to_others` leaves the sender out
                }
                Ok(())
            }
        })
        .await
}

/// Answers requests that ask for no WebSocket.
fn page(request: &Request) -> Response<Vec<u8>> {
    let mut response = Response::new(Vec::new());
    if request.uri().path() != "/" {
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    *response.body_mut() = include_bytes!("chat.html").to_vec();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let server = Server::bind(address).await?;
    println!("listening on http://{}", server.local_addr()?);
    serve(server, async { drop(tokio::signal::ctrl_c().await) }).await
}
