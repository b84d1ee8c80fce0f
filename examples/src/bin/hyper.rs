//! Two WebSocket endpoints and a page on one port, by a hyper 1 server.
//!
//! `cargo run -p hybi-examples --bin hyper -- 127.0.0.1:8080`

use http::{Request, Response, StatusCode};
use hybi::server::{Acceptor, Clients, Shutdown};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use tokio::net::TcpListener;

async fn route(
    mut request: Request<Incoming>,
    clients: Clients,
) -> Result<Response<String>, Infallible> {
    let path = request.uri().path().to_owned();
    if path != "/echo" && path != "/shout" {
        let mut response = Response::new("the endpoints are /echo and /shout\n".to_owned());
        if path != "/" {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        return Ok(response);
    }
    Ok(match Acceptor::new().upgrade(&mut request).await {
        Ok((response, upgrading)) => {
            upgrading.clients(&clients).serve(move |mut ws, _request| async move {
                while let Some(message) = ws.recv().await? {
                    match (&path[..], message.as_text()) {
                        ("/shout", Some(text)) => ws.send(text.to_uppercase()).await?,
                        _ => ws.send(message).await?,
                    }
                }
                Ok(())
            });
            response.map(|()| String::new())
        }
        Err(refusal) => refusal.into_response(),
    })
}

/// Serves until `stop` is ready, then closes the WebSockets.
pub async fn serve(listener: TcpListener, stop: impl Future<Output = ()>) {
    let clients = Clients::new();
    let accepting = async {
        while let Ok((stream, _)) = listener.accept().await {
            let clients = clients.clone();
            let service = service_fn(move |request| route(request, clients.clone()));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection.with_upgrades());
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stop => {}
    }
    // hyper's own graceful shutdown forgets connections that are upgraded.
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
