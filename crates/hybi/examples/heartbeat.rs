//! Finds out that a client has gone without saying so, and how long messages take to it.
//!
//! `cargo run --example heartbeat -- 127.0.0.1:8080`

use hybi::{Error, Options, Server};
use std::time::Duration;

/// Serves for good.
pub async fn serve(server: Server, every: Duration) -> Result<(), Error> {
    server
        // A client that does not answer within `ping_timeout` is cut; the handler gets an error.
        .options(Options::new().ping_interval(every).ping_timeout(every / 2))
        .on_error(|error, peer| eprintln!("{peer:?}: {error}"))
        .serve(|mut ws| async move {
            while let Some(_question) = ws.recv().await? {
                match ws.round_trip() {
                    Some(time) => ws.send(format!("the round trip takes {time:?}")).await?,
                    None => ws.send("not measured yet").await?,
                }
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
    serve(server, Duration::from_secs(30)).await
}
