//! The load generator: plain sockets on epoll, one thread, closed loop.
//!
//! Each connection keeps a fixed number of messages in flight and sends the next only when one has come back, so a
//! slow server is measured at its own pace.

mod broadcast;
mod compressed;
mod echo;
mod handshakes;
mod target;

use std::time::{Duration, Instant};

pub use broadcast::Broadcast;
pub use compressed::{Compressed, Script};
pub use echo::Echo;
pub use handshakes::Handshakes;
pub use target::{Socket, Target};

use crate::Result;

/// Nothing completed for this long: the server hangs, or lost a message.
const STALL: Duration = Duration::from_secs(10);

/// A load that can be kept up for as long as the caller likes.
pub trait Load {
    /// Runs for `duration` and returns how many units of work completed meanwhile.
    ///
    /// Work in flight stays in flight, so that calls can follow each other without a pause.
    ///
    /// # Errors
    /// The server closed a connection, answered wrongly, or stopped answering.
    fn run(&mut self, duration: Duration) -> Result<u64>;
}

/// Says when a measuring window is over, and fails it when nothing has completed for too long.
struct Window {
    end: Instant,
    last_progress: Instant,
}

impl Window {
    fn new(duration: Duration) -> Self {
        let now = Instant::now();
        Self { end: now + duration, last_progress: now }
    }

    /// Whether to go on; `progressed` tells whether anything completed since the last call.
    fn is_open(&mut self, progressed: bool) -> Result<bool> {
        let now = Instant::now();
        if progressed {
            self.last_progress = now;
        } else if now - self.last_progress > STALL {
            return Err(format!("nothing came back for {} s", STALL.as_secs()).into());
        }
        Ok(now < self.end)
    }
}
