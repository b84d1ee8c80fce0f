//! `wss:` by a certificate and its key in PEM files.
//!
//! `cargo run -p hybi-examples --bin tls -- 127.0.0.1:8443 certificate.pem key.pem`

use hybi::{Error, Server};
use std::path::Path;

/// Serves for good.
pub async fn serve(server: Server, certificate: &Path, key: &Path) -> Result<(), Error> {
    server
        .tls_files(certificate, key)?
        .serve(|mut ws| async move {
            while let Some(message) = ws.recv().await? {
                ws.send(message).await?;
            }
            Ok(())
        })
        .await
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, certificate, key] = &arguments[..] else {
        return Err(Error::application("usage: tls ADDRESS CERTIFICATE KEY"));
    };
    let server = Server::bind(address).await?;
    println!("listening on wss://{}", server.local_addr()?);
    serve(server, certificate.as_ref(), key.as_ref()).await
}
