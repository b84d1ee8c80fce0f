//! [`Meter`]: what a connection tells [`Stats`] and `tracing` of itself; only where somebody listens.

use crate::close_info::{CloseInfo, ClosedBy};
use crate::error::Error;
use crate::slab::Key;
use crate::stats::{ConnectionStats, Counts, Stats};
use crate::trace::{Entered, Span};
use hybi_proto::CloseFrame;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Counts for one connection.
#[derive(Debug)]
pub(crate) struct Meter {
    counts: Arc<Counts>,
    stats: Option<(Stats, Key)>,
    span: Span,
    /// The Close frame that we sent of our own accord, if there is one.
    ours: OnceLock<Option<CloseFrame>>,
    ended: AtomicBool,
}

impl Meter {
    /// `None` if nobody wants to know.
    pub(crate) fn new(stats: Option<&Stats>, span: Span) -> Option<Self> {
        if stats.is_none() && !span.is_enabled() {
            return None;
        }
        let counts = Arc::<Counts>::default();
        let stats = stats.map(|stats| (stats.clone(), stats.opened(counts.clone())));
        Some(Meter { counts, stats, span, ours: OnceLock::new(), ended: AtomicBool::new(false) })
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// `None` if only spans are wanted: nobody has asked for numbers.
    pub(crate) fn read(&self) -> Option<ConnectionStats> {
        self.stats.is_some().then(|| self.counts.read())
    }

    pub(crate) fn enter(&self) -> Entered<'_> {
        self.span.enter()
    }

    /// Messages for it were dropped because it is slow.
    pub(crate) fn dropped(&self) {
        if self.counts.dropped(1) == 0 {
            self.span.slow_client("it misses messages");
        }
    }

    /// It is closed because it is slow.
    pub(crate) fn closed_for_being_slow(&self) {
        self.span.slow_client("it is closed");
    }

    pub(crate) fn round_trip(&self, time: Duration) {
        if let Some((stats, _)) = &self.stats {
            stats.round_trip(time);
            #[cfg(feature = "metrics")]
            crate::export::round_trip(stats, time);
        }
        self.span.round_trip(time);
    }

    /// We begin the closing handshake, with this Close frame.
    pub(crate) fn closes(&self, frame: Option<CloseFrame>) {
        let _ = self.ours.set(frame);
    }

    /// The connection ends by an error.
    pub(crate) fn error(&self, error: &Error) {
        if self.ended.load(Ordering::Relaxed) {
            return;
        }
        if let (Some((stats, _)), Some(code)) = (&self.stats, error.code()) {
            stats.error(code);
        }
        self.span.error(error);
    }

    /// The connection has ended; only the first time counts.
    pub(crate) fn ended(&self, how: Option<&CloseInfo>) {
        if self.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        let by = how.map_or(ClosedBy::Nobody, CloseInfo::by);
        // Of whoever began.
        let (code, reason) = match (by, self.ours.get()) {
            (ClosedBy::Us, Some(Some(frame))) => (frame.code.get(), &*frame.reason),
            (ClosedBy::Us, Some(None)) => (1005, ""),
            (ClosedBy::Peer, _) => how.map_or((1006, ""), |how| (how.code(), how.reason())),
            _ => (1006, ""),
        };
        if let Some((stats, _)) = &self.stats {
            stats.closed(code);
        }
        self.span.closed(code, reason, by);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.ended(None);
        if let Some((stats, key)) = &self.stats {
            stats.gone(*key);
        }
    }
}
