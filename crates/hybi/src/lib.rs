//! WebSocket client and server.
#![forbid(unsafe_code)]

mod batch;
mod error;
mod pool;
mod pump;
mod random;
mod split;
mod stream;
mod transport;
mod websocket;

pub use batch::{Batch, batch};
pub use error::{Error, HandshakeError, IoError};
pub use hybi_proto::{
    CloseCode, CloseFrame, ErrorCode, ErrorDetail, Event, Limits, Message, Options,
    PreparedMessage, Utf8Bytes,
};
pub use pump::TrySendError;
pub use split::{Reader, Writer};
pub use websocket::WebSocket;
