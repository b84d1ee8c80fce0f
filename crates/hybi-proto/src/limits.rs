//! [`Limits`]: what a peer may make us hold.

/// The bounds on what a peer can make this side hold in memory.
///
/// ```
/// use hybi_proto::Limits;
/// let limits = Limits::new().max_message_size(64 * 1024);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub(crate) max_message_size: usize,
    pub(crate) max_fragments: u32,
    pub(crate) max_buffered_chunks: u32,
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
}

impl Default for Limits {
    fn default() -> Self {
        Limits::new()
    }
}
