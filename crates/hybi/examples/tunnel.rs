//! A WebSocket as a stream of octets: each client is connected through to a TCP server.
//!
//! `cargo run --example tunnel -- 127.0.0.1:8080 127.0.0.1:22`

use hybi::{ByteStream, Error, Server};
use tokio::net::TcpStream;

/// Serves for good.
pub async fn serve(server: Server, to: String) -> Result<(), Error> {
    server
        .serve(move |ws| {
            let to = to.clone();
            async move {
                let mut tcp = TcpStream::connect(to).await.map_err(Error::application)?;
                let mut tunnel = ByteStream::new(ws);
                // Ends when both sides have; what one side sends waits for the other to read.
                tokio::io::copy_bidirectional(&mut tunnel, &mut tcp)
                    .await
                    .map_err(Error::application)?;
                Ok(())
            }
        })
        .await
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err(Error::application("usage: tunnel ADDRESS TO"));
    };
    let server = Server::bind(address).await?;
    println!("listening on ws://{}", server.local_addr()?);
    serve(server, to).await
}
