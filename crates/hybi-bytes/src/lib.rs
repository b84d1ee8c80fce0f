//! Masking, UTF-8 validation and payload buffers: what a WebSocket spends its own CPU time on.
//!
//! The only crate of the workspace that may say `unsafe`. It knows no frames and no I/O.
//!
//! * [`mask`](mod@mask): the XOR of RFC 6455 §5.3, in place and while copying.
//! * [`copy_masked`], [`Utf8Bytes::copy_masked`]: a small masked payload becomes a message in one
//!   pass and one allocation.
//! * [`utf8`]: validation that picks the fastest validator for the length.
//! * [`Utf8Bytes`]: [`Bytes`](bytes::Bytes) known to be UTF-8.
//! * [`Utf8Validator`]: text that is validated in pieces and kept elsewhere.
//! * [`PayloadBuffer`]: a message that is still arriving, validated as it grows.

pub mod mask;
mod payload_buffer;
pub mod utf8;
mod utf8_bytes;

pub use mask::{append_framed, copy_masked, mask, mask_append, mask_append_bytes};
pub use payload_buffer::PayloadBuffer;
pub use utf8::{Utf8Error, Utf8Validator};
pub use utf8_bytes::Utf8Bytes;
