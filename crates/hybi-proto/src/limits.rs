//! [`Limits`]: what a peer may make us hold; [`Used`]: what of it a message has used.

use crate::code::ErrorCode;
use crate::error::Error;

/// The bounds on what a peer can make this side hold in memory.
///
/// Each is at least 1; the largest number there is stands for no limit.
///
/// ```
/// # use hybi_proto::Limits;
/// let limits = Limits::new().max_message_size(64 * 1024);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub(crate) max_message_size: usize,
    max_fragments: u32,
    max_buffered_chunks: u32,
}

impl Limits {
    /// The defaults, those of `ws` 8.23: 100 MiB, 16384 fragments, 262144 chunks.
    pub const fn new() -> Self {
        Limits {
            max_message_size: 100 * 1024 * 1024,
            max_fragments: 16 * 1024,
            max_buffered_chunks: 256 * 1024,
        }
    }

    /// The largest message accepted, in bytes after decompression (default 104857600).
    ///
    /// A larger one fails the connection with 1009 and `WS_ERR_UNSUPPORTED_MESSAGE_LENGTH`, for an
    /// uncompressed message before its payload is read. `ws`: `maxPayload`.
    pub const fn max_message_size(mut self, bytes: usize) -> Self {
        self.max_message_size = bytes;
        self
    }

    /// The largest number of frames in one message, empty ones included (default 16384).
    ///
    /// More fail the connection with 1008 and `WS_ERR_TOO_MANY_BUFFERED_PARTS`. `ws`: `maxFragments`.
    pub const fn max_fragments(mut self, frames: u32) -> Self {
        self.max_fragments = frames;
        self
    }

    /// The largest number of reads that one message may take to arrive (default 262144).
    ///
    /// Bounds what a peer gains by sending a message in tiny TCP segments. More fail the connection
    /// with 1008 and `WS_ERR_TOO_MANY_BUFFERED_PARTS`. `ws`: `maxBufferedChunks`.
    pub const fn max_buffered_chunks(mut self, chunks: u32) -> Self {
        self.max_buffered_chunks = chunks;
        self
    }

    /// As [`Options::check`](crate::Options::check).
    pub(crate) fn check(&self) -> Result<(), Error> {
        let zero = if self.max_message_size == 0 {
            "max_message_size is 0 bytes; it must be at least 1 (usize::MAX for no limit)"
        } else if self.max_fragments == 0 {
            "max_fragments is 0; it must be at least 1 (u32::MAX for no limit)"
        } else if self.max_buffered_chunks == 0 {
            "max_buffered_chunks is 0; it must be at least 1 (u32::MAX for no limit)"
        } else {
            return Ok(());
        };
        Err(Error::usage(zero))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits::new()
    }
}

/// What one message in progress has used of the [`Limits`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Octets on the wire, as claimed by the headers so far.
    claimed: u64,
    /// Data frames, empty ones included.
    frames: u32,
    /// Reads in which they came.
    chunks: u32,
}

impl Used {
    /// Counts a data frame by its header, before its payload comes.
    ///
    /// # Errors
    /// [`Error::Limit`] if the message is now too large or has too many fragments.
    #[inline]
    pub fn frame(&mut self, payload_len: u64, limits: &Limits) -> Result<(), Error> {
        self.claimed = self.claimed.saturating_add(payload_len);
        self.frames = self.frames.saturating_add(1);
        self.check(limits)
    }

    /// Checks what was counted so far against `limits`.
    ///
    /// # Errors
    /// As [`frame`](Self::frame).
    #[inline]
    pub fn check(&self, limits: &Limits) -> Result<(), Error> {
        if self.claimed > limits.max_message_size as u64 {
            return Err(too_large(limits));
        }
        if self.frames > limits.max_fragments { Err(too_many_fragments(limits)) } else { Ok(()) }
    }

    /// Counts a read that brought a part of the message but not its end.
    ///
    /// # Errors
    /// [`Error::Limit`] if the message came in too many pieces.
    #[inline]
    pub fn chunk(&mut self, limits: &Limits) -> Result<(), Error> {
        self.chunks = self.chunks.saturating_add(1);
        if self.chunks > limits.max_buffered_chunks { Err(too_many_chunks(limits)) } else { Ok(()) }
    }
}

#[cold]
fn too_large(limits: &Limits) -> Error {
    message_too_large(limits.max_message_size)
}

/// The error for a message of more than `max` octets, as it is or inflated.
#[cold]
pub(crate) fn message_too_large(max: usize) -> Error {
    let fact = format!("message is larger than {max} bytes");
    Error::limit_to_raise(ErrorCode::UnsupportedMessageLength, fact, "Limits::max_message_size")
}

#[cold]
fn too_many_fragments(limits: &Limits) -> Error {
    let fact = format!("message has more than {} fragments", limits.max_fragments);
    Error::limit_to_raise(ErrorCode::TooManyBufferedParts, fact, "Limits::max_fragments")
}

#[cold]
fn too_many_chunks(limits: &Limits) -> Error {
    let fact = format!("message came in more than {} pieces", limits.max_buffered_chunks);
    Error::limit_to_raise(ErrorCode::TooManyBufferedParts, fact, "Limits::max_buffered_chunks")
}
