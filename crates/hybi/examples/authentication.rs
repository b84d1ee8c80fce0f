//! Lets only those in who have a session, given by a cookie, and only pages of its own site.
//!
//! `cargo run --example authentication -- 127.0.0.1:8080`

use hybi::http::{HeaderValue, StatusCode, header};
use hybi::server::{Origins, Refusal, Request};
use hybi::{Error, Server};

/// Serves for good.
pub async fn serve(server: Server) -> Result<(), Error> {
    server
        // A browser sends cookies along whatever page connects (RFC 6455 §10.2).
        .origins(Origins::same_origin())
        .authorize(|request| {
            let user = user_of(request);
            async move { user.map(drop).ok_or_else(not_logged_in) }
        })
        .serve_with(|mut ws, request| async move {
            let user = user_of(&request).unwrap_or_default();
            while let Some(message) = ws.recv().await? {
                ws.send(format!("{user}: {message}")).await?;
            }
            Ok(())
        })
        .await
}

/// A real server would look the session up.
fn user_of(request: &Request) -> Option<String> {
    match request.cookie("session") {
        Some("session-of-ada") => Some("ada".to_owned()),
        _ => None,
    }
}

fn not_logged_in() -> Refusal {
    // RFC 9110 §15.5.2: a 401 says how to authenticate.
    Refusal::new(StatusCode::UNAUTHORIZED, "log in first")
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Cookie"))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let server = Server::bind(address).await?;
    println!("listening on ws://{}", server.local_addr()?);
    serve(server).await
}
