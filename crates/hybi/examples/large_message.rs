//! Messages that need not fit into memory: what is uploaded is counted as it comes, `/download?N`
//! sends N bytes in one message.
//!
//! `cargo run --example large_message -- 127.0.0.1:8080`

use hybi::{Error, Server, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Serves for good.
pub async fn serve(server: Server) -> Result<(), Error> {
    server
        .serve_with(|ws, request| async move {
            match request.uri().path() {
                "/download" => {
                    let len = request.uri().query().and_then(|query| query.parse().ok());
                    download(ws, len.unwrap_or(1_000_000)).await
                }
                _ => upload(ws).await,
            }
        })
        .await
}

async fn upload(mut ws: WebSocket) -> Result<(), Error> {
    while let Some(mut message) = ws.message_reader().await? {
        let mut bytes = 0;
        while let Some(piece) = message.next_piece().await? {
            bytes += piece.len(); // or write it to a file
        }
        message.writer().send(format!("{bytes} bytes")).await?;
    }
    Ok(())
}

async fn download(ws: WebSocket, len: u64) -> Result<(), Error> {
    let mut message = ws.message_writer().await?;
    let mut file = tokio::io::repeat(b'.').take(len); // or a file
    tokio::io::copy(&mut file, &mut message).await.map_err(Error::application)?;
    message.shutdown().await.map_err(Error::application)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let server = Server::bind(address).await?;
    println!("listening on ws://{}", server.local_addr()?);
    serve(server).await
}
