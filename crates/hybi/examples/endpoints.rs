//! Several endpoints and a page on one port, without an HTTP framework.
//!
//! `cargo run --example endpoints -- 127.0.0.1:8080`

use hybi::http::{Response, StatusCode};
use hybi::server::Refusal;
use hybi::{Error, Server, WebSocket};

/// Serves for good.
pub async fn serve(server: Server) -> Result<(), Error> {
    server
        // Requests that ask for no WebSocket.
        .http(|request| match request.uri().path() {
            "/" => Response::new(b"the endpoints are /echo and /time\n".to_vec()),
            _ => {
                let mut response = Response::new(b"no such page\n".to_vec());
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
        })
        .authorize(|request| {
            let known = matches!(request.uri().path(), "/echo" | "/time");
            async move {
                match known {
                    true => Ok(()),
                    false => Err(Refusal::new(StatusCode::NOT_FOUND, "no such endpoint")),
                }
            }
        })
        .serve_with(|ws, request| async move {
            match request.uri().path() {
                "/echo" => echo(ws).await,
                _ => time(ws).await,
            }
        })
        .await
}

async fn echo(mut ws: WebSocket) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

async fn time(ws: WebSocket) -> Result<(), Error> {
    let since_1970 = std::time::UNIX_EPOCH.elapsed().map_err(Error::application)?;
    ws.send(format!("{} s", since_1970.as_secs())).await
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let server = Server::bind(address).await?;
    println!("listening on http://{}", server.local_addr()?);
    serve(server).await
}
