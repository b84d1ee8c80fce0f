//! The server: it checks that the numbers of each client's messages come in order, and answers each
//! with a number of its own.

use hybi::{DeflateOptions, Error, Options, Server, WebSocket};
use std::time::Duration;

/// A side that goes hungry for CPU time on a busy machine is no error of what is tested here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) async fn run() -> Result<(), String> {
    let server = Server::bind("127.0.0.1:0").await.map_err(|e| e.to_string())?;
    println!("listening on {}", server.local_addr().map_err(|e| e.to_string())?);
    tokio::spawn(async {
        loop {
            println!("{}", held());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let options = Options::new()
        .close_timeout(PATIENCE)
        .compression(DeflateOptions::new())
        .ping_interval(Duration::from_secs(20))
        .ping_timeout(PATIENCE);
    let result = server
        .options(options)
        .handshake_timeout(PATIENCE)
        .on_error(|error, _| eprintln!("server: {error}"))
        .serve(answer)
        .await;
    result.map_err(|e| e.to_string())
}

/// The bytes that are allocated.
fn held() -> usize {
    let stats = crate::ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

async fn answer(mut ws: WebSocket) -> Result<(), Error> {
    let mut count = 0u64;
    while let Some(message) = ws.recv().await? {
        let text = message.as_text().unwrap_or("");
        let number = text.split(' ').next().and_then(|number| number.parse().ok());
        if number != Some(count) {
            let what = format!("message {count} of a client is {text:.40?}");
            return Err(Error::application(what));
        }
        ws.send(format!("{count} {text}")).await?;
        count += 1;
    }
    Ok(())
}
