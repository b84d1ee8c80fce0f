//! Two WebSocket endpoints as layers around any tower service, on one port.
//!
//! `cargo run -p hybi-examples --bin tower -- 127.0.0.1:8080`

use http::{Request, Response};
use hybi::server::{Acceptor, Clients, Origins, Shutdown, WebSocketLayer, WebSocketService};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use tokio::net::TcpListener;
use tower::{Layer, service_fn};

/// Serves until `stop` is ready, then closes the WebSockets.
pub async fn serve(listener: TcpListener, stop: impl Future<Output = ()>) {
    let clients = Clients::new();
    let echo = WebSocketService::new(|mut ws, _request| async move {
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok(())
    });
    let whoami = WebSocketService::new(|ws, request| async move {
        ws.send(format!("{:?}", request.peer_addr())).await
    })
    .acceptor(Acceptor::new().origins(Origins::same_origin()));

    let pages = service_fn(|request: Request<Incoming>| async move {
        Ok::<_, Infallible>(Response::new(format!("a page: {}\n", request.uri().path())))
    });
    let service = WebSocketLayer::new("/echo", echo.clients(&clients)).layer(pages);
    let service = WebSocketLayer::new("/whoami", whoami.clients(&clients)).layer(service);

    let accepting = async {
        while let Ok((stream, peer)) = listener.accept().await {
            let service = service.clone();
            // What is among the extensions reaches the handler.
            let service = tower::util::MapRequest::new(service, move |mut request: Request<_>| {
                request.extensions_mut().insert(peer);
                request
            });
            let service = TowerToHyperService::new(service);
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection.with_upgrades());
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stop => {}
    }
    clients.shutdown(Shutdown::new()).await;
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, async { drop(tokio::signal::ctrl_c().await) }).await;
    Ok(())
}
