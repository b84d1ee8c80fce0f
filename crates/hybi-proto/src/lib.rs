//! The WebSocket protocol without I/O: octets, intent and time go in; events and octets come out.
//!
//! Nothing in here opens a socket, reads a clock, draws a random number or knows tokio. The crate
//! `hybi` drives it on tokio; the npm package `hybi` drives it from Node.js.

#![forbid(unsafe_code)]

mod close;
mod code;
pub mod connection;
mod error;
mod extension;
pub mod handshake;
mod header;
mod limits;
mod message;
mod opcode;
mod role;
mod rules;
pub mod tunnel;
mod uri;

pub use close::{CloseCode, CloseFrame};
pub use code::ErrorCode;
pub use connection::{Connection, Event, Options, PreparedMessage};
pub use error::{Error, ErrorDetail};
pub use extension::{
    Compressor, Decompressor, DeflateOptions, DeflateParams, Extensions, WindowBits,
};
pub use header::{FrameHeader, HeaderStart, MAX_HEADER_LEN, MaskingKey};
pub use hybi_bytes::{Utf8Bytes, Utf8Error};
pub use limits::{Limits, Used};
pub use message::Message;
pub use opcode::Opcode;
pub use role::Role;
pub use rules::FrameRules;
pub use uri::Target;
