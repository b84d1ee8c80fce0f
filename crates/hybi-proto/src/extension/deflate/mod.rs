//! permessage-deflate (RFC 7692): messages compressed with DEFLATE, the window kept between them.
//!
//! [`params`] is what the handshake agrees on, [`compress`] the sending side, [`decompress`] the
//! receiving side. What is kept per connection and what per thread is in [`context`]. Long messages
//! are zlib's work; short ones are searched by [`lz77`] and written by [`huffman`], and read by
//! [`inflate`].

mod compress;
mod context;
mod decompress;
mod huffman;
mod inflate;
mod lz77;
mod params;

pub use compress::Compressor;
pub(crate) use compress::Job;
pub(crate) use context::DeflateKey;
pub use decompress::Decompressor;
pub use params::{DeflateOptions, DeflateParams, WindowBits};

/// What a sender removes from the end of each message and a receiver puts back (RFC 7692 §7.2.1):
/// the lengths of an empty stored block.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

#[cfg(test)]
mod tests;
