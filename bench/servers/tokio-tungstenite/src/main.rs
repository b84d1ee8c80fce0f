//! Echo as in tokio-tungstenite's example: the stream of messages forwarded into the sink.

use futures_util::{StreamExt as _, TryStreamExt as _, future};
use support::Arguments;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Error;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::of_process()?;
    let tls = arguments.acceptor()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(&arguments.address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A peer that resets its connection is the ordinary end of a round.
            match tls.clone() {
                None => drop(tokio::spawn(async move { serve(stream).await.ok() })),
                Some(tls) => {
                    drop(tokio::spawn(
                        async move { serve(tls.accept(stream).await.ok()?).await.ok() },
                    ))
                }
            }
        }
    })
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Result<(), Error> {
    let (write, read) = tokio_tungstenite::accept_async(stream).await?.split();
    read.try_filter(|message| future::ready(message.is_text() || message.is_binary()))
        .forward(write)
        .await
}
