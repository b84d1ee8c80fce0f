//! Echo on hyper's upgrade that gathers up to 32 ready messages before it flushes, as yawc's own benchmark does.

use std::convert::Infallible;
use std::error::Error;

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use support::Arguments;
use tokio::net::TcpListener;
use yawc::{HttpResponse, OpCode, Options, UpgradeFut, WebSocket};

const BATCH: usize = 32;
const MAX_MESSAGE: usize = 64 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { address, deflate, .. } = Arguments::of_process()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A peer that resets its connection is the ordinary end of a round.
            tokio::spawn(async move {
                let _ = http1::Builder::new()
                    .serve_connection(
                        TokioIo::new(stream),
                        service_fn(move |request| open(request, deflate)),
                    )
                    .with_upgrades()
                    .await;
            });
        }
    })
}

async fn open(mut request: Request<Incoming>, deflate: bool) -> Result<HttpResponse, Infallible> {
    // RFC 6455 §8.1 demands valid UTF-8; yawc checks only when told to. Its default limit is below 1 MiB.
    let options = Options::default();
    let options =
        if deflate { options.with_balanced_compression() } else { options.without_compression() };
    let options = options.with_utf8().with_limits(MAX_MESSAGE, 2 * MAX_MESSAGE);
    let Ok((response, upgraded)) = WebSocket::upgrade_with_options(&mut request, options) else {
        let mut refusal = Response::default();
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(refusal);
    };
    tokio::spawn(async move { echo(upgraded).await.ok() });
    Ok(response)
}

async fn echo(upgraded: UpgradeFut) -> yawc::Result<()> {
    let mut ws = upgraded.await?;
    while let Some(first) = ws.next().await {
        let mut ready = Some(first);
        let mut gathered = 0;
        while let Some(frame) = ready {
            if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) {
                ws.feed(frame).await?;
            }
            gathered += 1;
            ready = if gathered < BATCH { ws.next().now_or_never().flatten() } else { None };
        }
        ws.flush().await?;
    }
    Ok(())
}
