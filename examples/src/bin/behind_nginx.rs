//! A server behind nginx (`examples/nginx.conf`), which tells where its clients come from.
//!
//! `cargo run -p hybi-examples --bin behind_nginx -- 127.0.0.1:9000`

use hybi::server::{Origins, Request};
use hybi::{Error, Options, Server};
use std::net::IpAddr;
use std::time::Duration;

/// Serves for good.
pub async fn serve(server: Server) -> Result<(), Error> {
    server
        // Works as nginx passes the `Host` on.
        .origins(Origins::same_origin())
        // nginx cuts a connection on which nothing is said for `proxy_read_timeout`, 60 s by default.
        .options(Options::new().ping_interval(Duration::from_secs(30)))
        .serve_with(|mut ws, request| async move {
            let client = client_address(&request);
            while let Some(message) = ws.recv().await? {
                match client {
                    Some(client) => ws.send(format!("{client}: {message}")).await?,
                    None => ws.send(format!("somebody: {message}")).await?,
                }
            }
            Ok(())
        })
        .await
}

/// Where the client is: what nginx says of it. Others could say anything, so that the header counts only if
/// it comes from this machine; and of what it lists only the last is what nginx itself has seen.
fn client_address(request: &Request) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    if !peer.is_loopback() {
        return Some(peer);
    }
    let mut headers = request.headers().get_all("x-forwarded-for").iter();
    let seen_by_nginx = headers.next_back().and_then(|line| line.to_str().ok()?.rsplit(',').next());
    seen_by_nginx.map_or(Some(peer), |address| address.trim().parse().ok())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:9000".to_owned());
    let server = Server::bind(address).await?;
    println!("listening on ws://{}", server.local_addr()?);
    serve(server).await
}
