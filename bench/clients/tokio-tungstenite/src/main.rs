//! Connects, or sends and waits for the echo, as in tokio-tungstenite's examples.

use futures_util::{SinkExt as _, StreamExt as _};
use hybi_bench::Result;
use hybi_bench::client::Task;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
};

type Ws = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn main() -> Result<()> {
    let task = Task::of_process()?;
    let mut connector = None;
    let mut scheme = "ws";
    if let Some(certificate) = &task.certificate {
        connector = Some(Connector::Rustls(support::client_config(certificate)?));
        scheme = "wss";
    }
    let url = format!("{scheme}://{}/", task.address);
    let connect = async || -> std::result::Result<Ws, Error> {
        Ok(connect_async_tls_with_config(&url, None, true, connector.clone()).await?.0)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if task.connects {
            return task.measure(async || connect().await.map(|_| 1)).await;
        }
        let mut ws = connect().await?;
        for _ in 0..task.in_flight {
            ws.send(Message::Binary(vec![7; task.size].into())).await?;
        }
        task.measure(async || echo(&mut ws, task.in_flight).await).await
    })
}

async fn echo(ws: &mut Ws, messages: usize) -> Result<u64> {
    for _ in 0..messages {
        let message = ws.next().await.ok_or("the server closed the connection")??;
        ws.send(message).await?;
    }
    Ok(messages as u64)
}
