//! Connects, or sends and waits for the echo, as in fastwebsockets' example.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use fastwebsockets::{FragmentCollector, Frame, Payload, handshake};
use http_body_util::Empty;
use hybi_bench::Result;
use hybi_bench::client::Task;
use hyper::Request;
use hyper::header::{CONNECTION, UPGRADE};
use hyper::rt::Executor;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

type Ws = FragmentCollector<TokioIo<Upgraded>>;

struct Spawn;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawn {
    fn execute(&self, future: F) {
        tokio::spawn(future);
    }
}

fn main() -> Result<()> {
    let task = Task::of_process()?;
    let tls = task.certificate.as_deref().map(support::client_config).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if task.connects {
            return task
                .measure(async || connect(&task.address, tls.as_ref()).await.map(|_| 1))
                .await;
        }
        let mut ws = connect(&task.address, tls.as_ref()).await?;
        for _ in 0..task.in_flight {
            let payload = Payload::Bytes(BytesMut::from(&vec![7; task.size][..]));
            ws.write_frame(Frame::binary(payload)).await?;
        }
        task.measure(async || echo(&mut ws, task.in_flight).await).await
    })
}

async fn connect(address: &str, tls: Option<&Arc<ClientConfig>>) -> Result<Ws> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let request = Request::builder()
        .uri("/")
        .header("Host", address)
        .header(UPGRADE, "websocket")
        .header(CONNECTION, "upgrade")
        .header("Sec-WebSocket-Key", handshake::generate_key())
        .header("Sec-WebSocket-Version", "13")
        .body(Empty::<Bytes>::new())?;
    let (mut ws, _) = match tls {
        None => handshake::client(&Spawn, request, stream).await?,
        Some(config) => {
            let host = address.split(':').next().unwrap_or(address).to_owned();
            let connector = TlsConnector::from(Arc::clone(config));
            let stream = connector.connect(ServerName::try_from(host)?, stream).await?;
            handshake::client(&Spawn, request, stream).await?
        }
    };
    ws.set_writev(true);
    Ok(FragmentCollector::new(ws))
}

async fn echo(ws: &mut Ws, messages: usize) -> Result<u64> {
    for _ in 0..messages {
        let frame = ws.read_frame().await?;
        let opcode = frame.opcode;
        // What it has received it can send as it is: masked in place.
        let payload = match frame.payload {
            Payload::Borrowed(octets) => Payload::Owned(octets.to_vec()),
            Payload::BorrowedMut(octets) => Payload::Owned(octets.to_vec()),
            payload => payload,
        };
        ws.write_frame(Frame::new(true, opcode, None, payload)).await?;
    }
    Ok(messages as u64)
}
