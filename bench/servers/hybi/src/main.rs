//! Echo as in the first lines of hybi's documentation.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: server-hybi ADDRESS")?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        hybi::Server::bind(address.as_str())
            .await?
            .serve(|mut ws: hybi::WebSocket| async move {
                while let Some(message) = ws.recv().await? {
                    ws.send(message).await?;
                }
                Ok::<(), hybi::Error>(())
            })
            .await?;
        Ok(())
    })
}
