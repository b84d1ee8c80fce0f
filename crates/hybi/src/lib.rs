//! WebSocket client and server: simple to use, fast, thoroughly tested.
//!
//! ```no_run
//! # async fn client() -> Result<(), hybi::Error> {
//! // A client
//! let mut ws = hybi::connect("ws://127.0.0.1:8080").await?;
//! ws.send("something").await?;
//! while let Some(message) = ws.recv().await? {
//!     println!("received: {message}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ```no_run
//! # async fn server() -> Result<(), hybi::Error> {
//! // A server
//! hybi::Server::bind("127.0.0.1:8080")
//!     .await?
//!     .serve(|mut ws| async move {
//!         while let Some(message) = ws.recv().await? {
//!             ws.send(message).await?;
//!         }
//!         Ok(())
//!     })
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! Everything else is added to these:
//!
//! | to | see |
//! |---|---|
//! | send headers, use TLS or a proxy, follow redirects | [`Client`] |
//! | reconnect | [`Client::reconnecting`] |
//! | connect from a program without a runtime | the crate `hybi-proto`, and `examples/blocking.rs` to copy from |
//! | decide who may connect, serve plain HTTP, shut down gracefully | [`Server`] |
//! | accept on a stream of your own | [`accept()`], [`server::Acceptor`] |
//! | see pings, pongs and closes | [`WebSocket::next_event`] |
//! | receive or send a message that is larger than memory | [`MessageReader`], [`MessageWriter`] |
//! | tunnel a stream of octets | [`ByteStream`] |
//! | send from anywhere, broadcast | [`Writer`], [`PreparedMessage`] |
//! | set limits, a heartbeat, compression | [`Options`] |
//! | write once for many messages outside of a server | [`batch()`] |
//! | count connections, messages and octets; follow them in a log | [`Stats`]; the feature `tracing` |
//! | know what went wrong and who must act | [`Error`], [`ErrorCode`] |
//!
//! | feature | gives |
//! |---|---|
//! | `tls`, `native-tls` | `wss:`, by rustls or by the system's library |
//! | `native-roots`, `platform-verifier` | other judges of certificates than Mozilla's roots |
//! | `idna` | hosts with other letters than ASCII |
//! | `hyper`, `tower` | WebSockets beside other routes of a server by hyper, or as a tower service and layer |
//! | `tracing` | a span `connection` (INFO) with role, peer, path, subprotocol and extensions; events for handshakes refused, connections closed, broken rules, timeouts, slow clients, handlers that fail; target `hybi` |
//! | `metrics` | [`Stats`] through the crate `metrics` |
//!
//! Every future is cancel-safe: what is said under *Cancel safety* is what dropping it means. A
//! connection belongs to no task and needs none of its own.

#![forbid(unsafe_code)]

mod batch;
mod broadcast;
mod byte_stream;
pub mod client;
mod close_info;
mod error;
#[cfg(feature = "metrics")]
mod export;
mod heartbeat;
mod message_reader;
mod message_writer;
mod meter;
mod pool;
mod pump;
mod random;
pub mod server;
mod slab;
mod split;
mod stats;
mod stream;
mod sync;
mod trace;
mod transport;
mod websocket;

/// The crate that messages keep their octets in.
pub use bytes;
/// The crate that requests and responses are made of: `hybi::http::StatusCode`.
pub use http;

pub use batch::batch;
pub use broadcast::{Delivery, Group, Membership, SlowClient};
pub use byte_stream::ByteStream;
pub use client::{Client, connect, connect_over};
pub use close_info::{CloseInfo, ClosedBy};
pub use error::{Error, HandshakeError, IoError};
pub use hybi_proto::{
    CloseCode, CloseFrame, DeflateOptions, ErrorCode, ErrorDetail, Event, Limits, Message, Options,
    PreparedMessage, Utf8Bytes, WindowBits,
};
pub use message_reader::MessageReader;
pub use message_writer::MessageWriter;
pub use pump::TrySendError;
pub use server::{Server, accept};
pub use split::{Reader, Writer};
pub use stats::{ConnectionStats, RoundTrips, Stats, Totals, Traffic};
pub use websocket::WebSocket;
