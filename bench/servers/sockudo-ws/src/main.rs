//! Echo as in sockudo-ws's example: its handshake functions, `WebSocketStream`, the default configuration.

use bytes::BytesMut;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use sockudo_ws::deflate::negotiate_server_deflate;
use sockudo_ws::error::Result;
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::{CompressedWebSocketStream, Compression, Config, Error, Message, WebSocketStream};
use support::Arguments;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let Arguments { address, deflate, .. } = Arguments::of_process()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A peer that resets its connection is the ordinary end of a round.
            tokio::spawn(async move { serve(stream, deflate).await.ok() });
        }
    })
}

async fn serve(mut stream: TcpStream, deflate: bool) -> Result<()> {
    // One compressor for each connection, with context takeover.
    let compression = if deflate { Compression::Dedicated } else { Compression::Disabled };
    let config = Config { compression, ..Config::default() };
    let mut head = BytesMut::with_capacity(4096);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(Error::ConnectionClosed);
        }
        let Some((request, _)) = parse_request(&head)? else { continue };
        let policy = config.compression.to_deflate_config();
        let agreed = policy
            .and_then(|policy| negotiate_server_deflate(request.extensions.unwrap_or(""), &policy));
        let header = agreed.as_ref().map(|agreed| agreed.to_response_header());
        let key = generate_accept_key(request.key);
        stream.write_all(&build_response(&key, None, header.as_deref())).await?;
        return match agreed {
            None => echo(WebSocketStream::server(stream, config)).await,
            Some(agreed) => {
                echo(CompressedWebSocketStream::server(stream, config, agreed.config)).await
            }
        };
    }
}

async fn echo<W>(mut ws: W) -> Result<()>
where
    W: Stream<Item = Result<Message>> + Sink<Message, Error = Error> + Unpin,
{
    while let Some(message) = ws.next().await {
        match message? {
            message @ (Message::Text(_) | Message::Binary(_)) => ws.send(message).await?,
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => break,
        }
    }
    Ok(())
}
