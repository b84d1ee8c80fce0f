//! WebSocket client and server.
#![forbid(unsafe_code)]

mod batch;
mod broadcast;
mod byte_stream;
pub mod client;
mod error;
mod heartbeat;
mod pool;
mod pump;
mod random;
pub mod server;
mod slab;
mod split;
mod stream;
mod transport;
mod websocket;

pub use batch::batch;
pub use broadcast::{Delivery, Group, Membership, SlowClient};
pub use byte_stream::ByteStream;
pub use client::{Client, connect, connect_over};
pub use error::{Error, HandshakeError, IoError};
pub use hybi_proto::{
    CloseCode, CloseFrame, DeflateOptions, ErrorCode, ErrorDetail, Event, Limits, Message, Options,
    PreparedMessage, Utf8Bytes, WindowBits,
};
pub use pump::TrySendError;
pub use server::{Server, accept};
pub use split::{Reader, Writer};
pub use websocket::WebSocket;
