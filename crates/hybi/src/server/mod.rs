//! The server: listening, the opening handshake, and running handlers.
//!
//! [`Server`] does all of it; [`Acceptor`] is the handshake alone, for streams that come from
//! elsewhere; [`accept`] is an acceptor with the defaults.

mod acceptor;
mod answer;
mod clients;
mod deadlines;
mod handler;
mod listen;
mod listener;
mod origins;
mod request;
mod serve;
#[cfg(feature = "tower")]
mod service;
mod shutdown;
mod tls;
#[cfg(feature = "hyper")]
mod upgrade;

pub use acceptor::Acceptor;
pub use clients::Clients;
pub use hybi_proto::handshake::{HeadLimits, Refusal};
pub use listen::{Listen, Listener};
pub use listener::Server;
pub use origins::Origins;
pub use request::Request;
#[cfg(feature = "tower")]
pub use service::{Answering, Routing, WebSocketLayer, WebSocketRoute, WebSocketService};
pub use shutdown::Shutdown;
#[cfg(feature = "hyper")]
pub use upgrade::Upgrading;

use crate::error::Error;
use crate::websocket::WebSocket;
use tokio::io::{AsyncRead, AsyncWrite};

/// Accepts a WebSocket connection on a stream whose first octets are the client's request.
///
/// Works for any stream: TCP, TLS, a Unix socket, a pipe in a test. There is no deadline here; use
/// [`Acceptor`] for one, and for everything else there is to decide.
///
/// # Cancel safety
/// Dropping the future drops the stream.
///
/// # Errors
/// [`Error::Handshake`] if the request is not a valid opening handshake; the client has been sent the
/// reason. [`Error::Io`].
pub async fn accept<S>(stream: S) -> Result<WebSocket, Error>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    Acceptor::new().no_timeout().accept(stream).await.map(|(ws, _)| ws)
}
