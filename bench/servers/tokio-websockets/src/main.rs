//! Echo as in tokio-websockets' example.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_websockets::{Config, Error, ServerBuilder};

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).expect("usage: server-tokio-websockets ADDRESS");
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A peer that resets its connection is the ordinary end of a round.
            let connection = async move { serve(stream).await.ok() };
            tokio::spawn(tokio::task::unconstrained(connection));
        }
    })
}

async fn serve(stream: TcpStream) -> Result<(), Error> {
    // By default it cuts messages into frames of 4 MiB; its example turns that off.
    let config = Config::default().frame_size(usize::MAX);
    let (_request, mut ws) = ServerBuilder::new().config(config).accept(stream).await?;
    while let Some(message) = ws.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            ws.send(message).await?;
        }
    }
    Ok(())
}
