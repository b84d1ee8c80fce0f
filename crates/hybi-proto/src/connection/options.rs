//! [`Options`]: what an open connection may do, and for how long.

use super::keepalive::{Deadlines, Times};
use crate::error::Error;
use crate::extension::DeflateOptions;
use crate::limits::Limits;
use crate::role::Role;
use std::time::{Duration, Instant};

/// What an open connection may do, and for how long; the defaults are those of `ws`.
///
/// Zero never means "off" or "no limit": where it makes no sense, [`check`](Self::check) refuses it.
///
/// ```
/// # use hybi_proto::{Limits, Options};
/// use std::time::Duration;
/// let options = Options::new()
///     .limits(Limits::new().max_message_size(1024 * 1024))
///     .ping_interval(Duration::from_secs(20));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    pub(crate) limits: Limits,
    pub(super) max_buffered: usize,
    pub(super) max_frame_size: usize,
    compression: Compression,
    times: Times,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Compression {
    /// As in `ws`: a client offers it, a server declines it.
    ByRole,
    Off,
    On(DeflateOptions),
}

impl Options {
    /// The defaults.
    pub const fn new() -> Self {
        Options {
            limits: Limits::new(),
            max_buffered: 1024 * 1024,
            max_frame_size: usize::MAX,
            compression: Compression::ByRole,
            times: Times {
                ping_interval: None,
                ping_timeout: Duration::from_secs(20),
                idle_timeout: None,
                close_timeout: Duration::from_secs(30),
            },
        }
    }

    /// The bounds on what the peer can make this side hold (default [`Limits::new`]).
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many octets may wait to be written before `send` waits (default 1 MiB; at
    /// most 4 GiB).
    ///
    /// A message that is larger than this is accepted when nothing else waits.
    pub const fn max_buffered(mut self, bytes: usize) -> Self {
        self.max_buffered = bytes;
        self
    }

    /// The largest payload put into one frame; larger messages are fragmented (default: no bound;
    /// at least 1, below 4 GiB).
    pub const fn max_frame_size(mut self, bytes: usize) -> Self {
        self.max_frame_size = bytes;
        self
    }

    /// Compresses messages if the peer agrees (permessage-deflate, RFC 7692).
    ///
    /// Without this and [`no_compression`](Self::no_compression) a client offers it and a server
    /// declines it. `ws`: `perMessageDeflate`.
    pub const fn compression(mut self, deflate: DeflateOptions) -> Self {
        self.compression = Compression::On(deflate);
        self
    }

    /// Never compresses messages. `ws`: `perMessageDeflate: false`.
    pub const fn no_compression(mut self) -> Self {
        self.compression = Compression::Off;
        self
    }

    /// How messages are compressed on this side; `None` if they are not.
    pub const fn deflate(&self, role: Role) -> Option<DeflateOptions> {
        match (self.compression, role) {
            (Compression::On(options), _) => Some(options),
            (Compression::ByRole, Role::Client) => Some(DeflateOptions::new()),
            (Compression::ByRole, Role::Server) | (Compression::Off, _) => None,
        }
    }

    /// How often the peer is pinged (default: never); longer than zero.
    pub const fn ping_interval(mut self, interval: Duration) -> Self {
        self.times.ping_interval = Some(bounded(interval));
        self
    }

    /// How long the peer may take to answer a ping, by a pong or by anything else, before it is
    /// given up (default 20 s); longer than zero.
    pub const fn ping_timeout(mut self, timeout: Duration) -> Self {
        self.times.ping_timeout = bounded(timeout);
        self
    }

    /// After how long without a message in either direction the connection is closed with 1001
    /// (default: never); longer than zero.
    pub const fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.times.idle_timeout = Some(bounded(timeout));
        self
    }

    /// How long the peer may take to finish the closing handshake (default 30 s; zero: it is not waited
    /// for). `ws`: `closeTimeout`.
    pub const fn close_timeout(mut self, timeout: Duration) -> Self {
        self.times.close_timeout = bounded(timeout);
        self
    }

    /// Whether a connection can be had with these options. Whoever opens one asks this first; the
    /// connection itself does not.
    ///
    /// # Errors
    /// [`Error::Usage`] for an interval, a time or a limit of zero with which no connection could
    /// last or no message be received. It says what to do instead.
    pub fn check(&self) -> Result<(), Error> {
        let Times { ping_interval, ping_timeout, idle_timeout, close_timeout: _ } = self.times;
        let zero = Some(Duration::ZERO);
        if ping_interval == zero {
            return Err(Error::usage(
                "ping_interval is zero; it must be longer (leave it out to send no pings)",
            ));
        }
        if ping_timeout.is_zero() {
            return Err(Error::usage(
                "ping_timeout is zero; it must be longer (leave ping_interval out to send no pings)",
            ));
        }
        if idle_timeout == zero {
            return Err(Error::usage(
                "idle_timeout is zero; it must be longer (leave it out to let connections be idle)",
            ));
        }
        if self.max_frame_size == 0 {
            return Err(Error::usage(
                "max_frame_size is 0 bytes; it must be at least 1 (leave it out to fragment nothing)",
            ));
        }
        self.limits.check()
    }

    /// True if there are deadlines to keep before the closing handshake.
    pub fn has_heartbeat(&self) -> bool {
        self.times.ping_interval.is_some() || self.times.idle_timeout.is_some()
    }

    /// The deadlines of a connection that is open since `now`.
    pub fn deadlines(&self, now: Instant) -> Deadlines {
        Deadlines::new(self.times, now)
    }
}

/// A time that can be added to any instant: beyond a hundred years it never comes.
const fn bounded(time: Duration) -> Duration {
    const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    if time.as_secs() < LONGEST.as_secs() { time } else { LONGEST }
}

impl Default for Options {
    fn default() -> Self {
        Options::new()
    }
}
