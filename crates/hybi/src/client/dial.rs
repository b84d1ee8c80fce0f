//! Dialling: from a target to a transport.

use crate::error::Error;
use crate::transport::Transport;
use hybi_proto::{ErrorCode, ErrorDetail, Target};
use tokio::net::TcpStream;

/// Opens the transport to `target`.
pub(super) async fn dial(target: &Target) -> Result<Transport, Error> {
    if target.secure() {
        return Err(Error::Tls(ErrorDetail::new(ErrorCode::Tls, "this build of hybi has no TLS")));
    }
    #[cfg(unix)]
    if let Some(path) = target.unix_path() {
        let stream = tokio::net::UnixStream::connect(path).await.map_err(|error| {
            Error::io(ErrorCode::ConnectFailed, format!("cannot connect to {path}"), error)
        })?;
        return Ok(Transport::Unix(stream));
    }
    let (host, port) = (target.host(), target.port());
    let stream = TcpStream::connect((host, port)).await.map_err(|error| {
        Error::io(ErrorCode::ConnectFailed, format!("cannot connect to {host}:{port}"), error)
    })?;
    // Messages are written whole: waiting for more to send only costs time.
    let _ = stream.set_nodelay(true);
    Ok(Transport::Tcp(stream))
}
