//! The client: dialling, the opening handshake, and what may be asked for.

mod connect;
mod dial;

pub use connect::{Client, connect, connect_over};
pub use hybi_proto::handshake::Version;
