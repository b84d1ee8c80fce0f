//! Sends back what it receives; Ctrl-C ends it gracefully.
//!
//! `cargo run --example echo -- 127.0.0.1:8080`

use hybi::{Error, Server};

/// Serves until `stop` is ready.
pub async fn serve(
    server: Server,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    server
        .shutdown_on(stop)
        .on_error(|error, peer| eprintln!("{peer:?}: {error}"))
        .serve(|mut ws| async move {
            while let Some(message) = ws.recv().await? {
                ws.send(message).await?;
            }
            Ok(())
        })
        .await
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let server = Server::bind(address).await?;
    println!("listening on ws://{}", server.local_addr()?);
    serve(server, async { drop(tokio::signal::ctrl_c().await) }).await
}
