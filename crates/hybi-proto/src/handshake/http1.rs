//! The head of an HTTP/1.1 message (RFC 9112): found incrementally, parsed once.

/// The bounds on the head of a request or response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    max_size: usize,
    max_headers: usize,
}

impl HeadLimits {
    /// The defaults: 16 KiB and 100 headers.
    pub const fn new() -> Self {
        HeadLimits { max_size: 16 * 1024, max_headers: 100 }
    }

    /// The largest head, in bytes from the first line to the empty line (default 16384).
    pub const fn max_size(mut self, bytes: usize) -> Self {
        self.max_size = bytes;
        self
    }

    /// The largest number of header lines (default 100).
    pub const fn max_headers(mut self, lines: usize) -> Self {
        self.max_headers = lines;
        self
    }
}

impl Default for HeadLimits {
    fn default() -> Self {
        HeadLimits::new()
    }
}
