//! Connects, or sends and waits for the echo, as in hybi's documentation.

use hybi::Client;
use hybi_bench::Result;
use hybi_bench::client::Task;

fn main() -> Result<()> {
    let task = Task::of_process()?;
    let mut client = Client::new();
    let mut scheme = "ws";
    if let Some(certificate) = &task.certificate {
        client = client.tls(support::client_config(certificate)?);
        scheme = "wss";
    }
    let url = format!("{scheme}://{}/", task.address);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if task.connects {
            return task.measure(async || client.connect(&url).await.map(|_| 1)).await;
        }
        let mut ws = client.connect(&url).await?;
        for _ in 0..task.in_flight {
            ws.send(vec![7; task.size]).await?;
        }
        hybi::batch(task.measure(async || echo(&mut ws, task.in_flight).await)).await
    })
}

async fn echo(ws: &mut hybi::WebSocket, messages: usize) -> Result<u64> {
    for _ in 0..messages {
        let message = ws.recv().await?.ok_or("the server closed the connection")?;
        ws.send(message).await?;
    }
    Ok(messages as u64)
}
