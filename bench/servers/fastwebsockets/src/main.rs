//! Echo as in fastwebsockets' example: hyper's upgrade, `FragmentCollector`, every automatism and `writev` on.

use std::convert::Infallible;
use std::io;

use bytes::Bytes;
use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{FragmentCollector, OpCode, WebSocketError};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

mod broadcast;

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).expect("usage: server-fastwebsockets ADDRESS");
    let broadcasts = std::env::args().any(|argument| argument == "--broadcast");
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        let clients = broadcast::Clients::default();
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let clients = broadcasts.then(|| clients.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request| open(request, clients.clone()));
                // A peer that resets its connection is the ordinary end of a round.
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades()
                    .await;
            });
        }
    })
}

async fn open(
    mut request: Request<Incoming>,
    clients: Option<broadcast::Clients>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let Ok((response, upgraded)) = upgrade(&mut request) else {
        let mut refusal = Response::new(Empty::new());
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(refusal);
    };
    tokio::spawn(async move {
        let _ = match clients {
            None => tokio::task::unconstrained(echo(upgraded)).await,
            Some(clients) => broadcast::serve(upgraded, clients).await,
        };
    });
    Ok(response)
}

async fn echo(upgraded: UpgradeFut) -> Result<(), WebSocketError> {
    let mut ws = upgraded.await?;
    ws.set_writev(true);
    ws.set_auto_close(true);
    ws.set_auto_pong(true);
    let mut ws = FragmentCollector::new(ws);
    loop {
        let frame = ws.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => ws.write_frame(frame).await?,
            _ => {}
        }
    }
}
