//! The client: dialling, the opening handshake, and what may be asked for.

mod attempt;
mod connect;
mod dial;
mod idna;
mod proxy;
mod reconnect;
mod redirect;
#[cfg(any(feature = "tls", feature = "native-tls"))]
mod tls;

pub use connect::{Client, connect, connect_over};
pub use hybi_proto::Target;
pub use hybi_proto::handshake::{HeadLimits, Version};
pub use reconnect::{ConnectionState, Failure, Reconnecting, ReconnectingWriter, Unsent};
pub use redirect::Redirect;
#[cfg(any(feature = "tls", feature = "native-tls"))]
pub use tls::{Roots, Tls, TlsInfo};
