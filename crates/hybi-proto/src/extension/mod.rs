//! Extensions of the protocol (RFC 6455 §9): how they are agreed on, and the one there is.
//!
//! [`header`] reads `Sec-WebSocket-Extensions`, [`deflate`] is permessage-deflate (RFC 7692). The
//! handshake calls [`DeflateOptions`]; the connection owns a [`Compressor`] and a [`Decompressor`].

mod deflate;
mod header;

pub use deflate::{Compressor, Decompressor, DeflateOptions, DeflateParams, WindowBits};
pub(crate) use deflate::{DeflateKey, Job};

/// The extensions that both sides agreed on in the handshake.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extensions {
    /// permessage-deflate (RFC 7692); `None` if messages are not compressed.
    pub deflate: Option<DeflateParams>,
}

impl Extensions {
    /// No extension: what a handshake without `Sec-WebSocket-Extensions` agrees on.
    pub const fn none() -> Self {
        Extensions { deflate: None }
    }

    /// These with permessage-deflate as agreed.
    pub const fn with_deflate(mut self, params: DeflateParams) -> Self {
        self.deflate = Some(params);
        self
    }
}
