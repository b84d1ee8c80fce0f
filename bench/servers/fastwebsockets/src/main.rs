//! Echo as in fastwebsockets' example: hyper's upgrade, `FragmentCollector`, every automatism and `writev` on.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{FragmentCollector, OpCode, WebSocketError};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use support::Arguments;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

mod broadcast;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::of_process()?;
    let tls = arguments.acceptor()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(&arguments.address).await?;
        let clients = broadcast::Clients::default();
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let clients = arguments.broadcast.then(|| clients.clone());
            match tls.clone() {
                None => drop(tokio::spawn(serve(stream, clients))),
                Some(tls) => drop(tokio::spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, clients).await;
                    }
                })),
            }
        }
    })
}

async fn serve<S>(stream: S, clients: Option<broadcast::Clients>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| open(request, clients.clone()));
    // A peer that resets its connection is the ordinary end of a round.
    let _ =
        http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
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
