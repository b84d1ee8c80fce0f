//! Echo as in tokio-tungstenite's example: the stream of messages forwarded into the sink.

use futures_util::{StreamExt as _, TryStreamExt as _, future};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Error;

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).expect("usage: server-tokio-tungstenite ADDRESS");
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A peer that resets its connection is the ordinary end of a round.
            tokio::spawn(async move { serve(stream).await.ok() });
        }
    })
}

async fn serve(stream: TcpStream) -> Result<(), Error> {
    let (write, read) = tokio_tungstenite::accept_async(stream).await?.split();
    read.try_filter(|message| future::ready(message.is_text() || message.is_binary()))
        .forward(write)
        .await
}
