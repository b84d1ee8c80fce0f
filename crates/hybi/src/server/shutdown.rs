//! [`Shutdown`]: how a server says goodbye.

use hybi_proto::{CloseCode, CloseFrame, Utf8Bytes};
use std::time::Duration;

/// How a server says goodbye: with which Close frame, how suddenly, and for how long it waits.
///
/// ```
/// use hybi::CloseCode;
/// use hybi::server::Shutdown;
/// use std::time::Duration;
/// let restart = Shutdown::new()
///     .code(CloseCode::SERVICE_RESTART)
///     .jitter(Duration::from_secs(5))
///     .deadline(Duration::from_secs(25));
/// ```
#[derive(Debug, Clone)]
pub struct Shutdown {
    pub(super) frame: CloseFrame,
    pub(super) jitter: Duration,
    pub(super) deadline: Duration,
}

impl Shutdown {
    /// The defaults: 1001 without a reason, everybody at once, 10 s.
    pub fn new() -> Self {
        Shutdown {
            frame: CloseFrame { code: CloseCode::GOING_AWAY, reason: Utf8Bytes::from_static("") },
            jitter: Duration::ZERO,
            deadline: Duration::from_secs(10),
        }
    }

    /// The code of the Close frame (default 1001, going away; 1012 tells clients to come back).
    pub fn code(mut self, code: CloseCode) -> Self {
        self.frame.code = code;
        self
    }

    /// The reason in the Close frame (default empty); what is longer than 123 bytes is cut off.
    pub fn reason(mut self, reason: &str) -> Self {
        self.frame = CloseFrame::fitting(self.frame.code, reason);
        self
    }

    /// Over what time the Close frames are spread at random (default zero: all at once), so that the
    /// clients do not all come back in the same moment. It is part of the deadline.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// How long everything may take (default 10 s): handlers that have not returned by then are
    /// aborted, and connections that are not closed are cut.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Shutdown::new()
    }
}
