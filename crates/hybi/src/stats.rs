//! [`Stats`]: what a server or a client has done, in numbers.
//!
//! A connection counts for itself, in words that nobody else writes; [`Stats::totals`] adds them up. So
//! counting does not make threads wait for each other, and without a [`Stats`] nothing is counted.

use crate::slab::{Key, Slab};
use crate::sync::{Mutex, MutexGuard, lock};
use hybi_proto::ErrorCode;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a server, several, or clients have done, in numbers; to be read at any time, from anywhere.
///
/// Cloning is cheap, all clones are the same numbers. Counting is opt-in: hand it to
/// [`Server::stats`](crate::Server::stats), [`Acceptor::stats`](crate::server::Acceptor::stats) or
/// [`Client::stats`](crate::Client::stats). Each connection then counts for itself as well:
/// [`WebSocket::stats`](crate::WebSocket::stats). With the feature `metrics` the numbers can be
/// exported through the crate `metrics`.
///
/// ```no_run
/// # async fn example() -> Result<(), hybi::Error> {
/// let stats = hybi::Stats::new();
/// let server = hybi::Server::bind("127.0.0.1:8080").await?.stats(&stats);
/// tokio::spawn(server.serve(|mut ws| async move {
///     while let Some(message) = ws.recv().await? {
///         ws.send(message).await?;
///     }
///     Ok(())
/// }));
/// let totals = stats.totals();
/// println!("{} connections, {} messages", totals.connections, totals.received.messages);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Stats {
    ledger: Arc<Ledger>,
}

#[derive(Default)]
struct Ledger {
    book: Mutex<Book>,
    /// What the numbers are exported with.
    #[cfg(feature = "metrics")]
    labels: Vec<metrics::Label>,
}

#[derive(Default)]
struct Book {
    /// Connections that still count; what those have counted that are gone is in `totals`.
    counting: Slab<Arc<Counts>>,
    totals: Totals,
}

/// The numbers of [`Stats`] at one moment. All but `connections` only ever grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Connections that are open now: from the 101 until the closing handshake is over or the
    /// transport has failed.
    pub connections: u64,
    /// Connections that have been opened.
    pub opened: u64,
    /// Opening handshakes that were refused, by the status of the answer.
    pub refused: BTreeMap<u16, u64>,
    /// Opening handshakes that came to nothing without an answer: the client took too long or went
    /// away, or the TLS handshake failed; for a client, attempts to connect that failed.
    pub failed: u64,
    /// Requests for something else than a WebSocket, answered by
    /// [`Acceptor::http`](crate::server::Acceptor::http).
    pub plain_requests: u64,
    /// What has been received.
    pub received: Traffic,
    /// What has been sent.
    pub sent: Traffic,
    /// Messages that slow members of a group, or of [`Clients`](crate::server::Clients), have missed.
    pub dropped: u64,
    /// Connections that have ended, by close code: that of our Close frame if we began the closing
    /// handshake, otherwise the peer's. 1005 if that had none; 1006 if there was no Close frame.
    pub closed: BTreeMap<u16, u64>,
    /// Errors that connections have ended with, by the name of their [`ErrorCode`]: what the peer
    /// broke, which limit, which timeout.
    pub errors: BTreeMap<&'static str, u64>,
    /// The round trips that the heartbeat has measured.
    pub round_trips: RoundTrips,
}

/// Messages and octets in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Whole messages. One that is sent counts when it is accepted.
    pub messages: u64,
    /// The octets of these messages, without compression; those that are received in pieces count
    /// with each piece.
    pub payload_bytes: u64,
    /// Octets of the stream below, after the opening handshake: frames of every kind, compressed where
    /// that was negotiated, without what TLS adds.
    pub wire_bytes: u64,
}

/// Round trips of the heartbeat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoundTrips {
    /// How many were measured.
    pub count: u64,
    /// All of them added up.
    pub sum: Duration,
    /// The longest.
    pub max: Duration,
}

impl RoundTrips {
    /// The mean; `None` if none was measured.
    pub fn mean(&self) -> Option<Duration> {
        let count = u32::try_from(self.count).unwrap_or(u32::MAX);
        self.sum.checked_div(count)
    }
}

/// What one connection has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// What it has received.
    pub received: Traffic,
    /// What it has sent.
    pub sent: Traffic,
    /// Messages of groups that it missed because it is slow.
    pub dropped: u64,
}

impl Stats {
    /// Numbers that begin at zero.
    pub fn new() -> Self {
        Stats::default()
    }

    /// As [`new`](Self::new), with labels that [`publish`](Self::publish) puts on every metric.
    #[cfg(feature = "metrics")]
    pub fn with_labels<N, V>(labels: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        let label = |(name, value): (N, V)| metrics::Label::new(name.into(), value.into());
        let labels = labels.into_iter().map(label).collect();
        Stats { ledger: Arc::new(Ledger { labels, book: Mutex::default() }) }
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn labels(&self) -> &[metrics::Label] {
        &self.ledger.labels
    }

    /// The numbers as of now. Takes time in proportion to the connections that are open.
    pub fn totals(&self) -> Totals {
        let book = self.book();
        let mut totals = book.totals.clone();
        for counts in book.counting.iter() {
            totals.add(&counts.read());
        }
        totals
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.ledger.book)
    }

    pub(crate) fn refused(&self, status: u16) {
        *self.book().totals.refused.entry(status).or_default() += 1;
    }

    pub(crate) fn failed(&self) {
        self.book().totals.failed += 1;
    }

    pub(crate) fn plain_request(&self) {
        self.book().totals.plain_requests += 1;
    }

    /// A connection has opened: it counts here until [`gone`](Self::gone).
    pub(crate) fn opened(&self, counts: Arc<Counts>) -> Key {
        let mut book = self.book();
        book.totals.opened += 1;
        book.totals.connections += 1;
        book.counting.insert(counts)
    }

    pub(crate) fn closed(&self, code: u16) {
        let totals = &mut self.book().totals;
        totals.connections -= 1;
        *totals.closed.entry(code).or_default() += 1;
    }

    pub(crate) fn error(&self, code: ErrorCode) {
        *self.book().totals.errors.entry(code.as_str()).or_default() += 1;
    }

    pub(crate) fn round_trip(&self, time: Duration) {
        let round_trips = &mut self.book().totals.round_trips;
        round_trips.count += 1;
        round_trips.sum += time;
        round_trips.max = round_trips.max.max(time);
    }

    pub(crate) fn gone(&self, key: Key) {
        let mut book = self.book();
        if let Some(counts) = book.counting.remove(key) {
            book.totals.add(&counts.read());
        }
    }
}

impl Totals {
    fn add(&mut self, connection: &ConnectionStats) {
        self.received.add(&connection.received);
        self.sent.add(&connection.sent);
        self.dropped += connection.dropped;
    }
}

impl Traffic {
    fn add(&mut self, other: &Traffic) {
        self.messages += other.messages;
        self.payload_bytes += other.payload_bytes;
        self.wire_bytes += other.wire_bytes;
    }
}

impl std::fmt::Debug for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stats").field(&self.totals()).finish()
    }
}

/// The numbers of one connection, while it counts.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    received: Counter,
    sent: Counter,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Counter {
    messages: AtomicU64,
    payload_bytes: AtomicU64,
    wire_bytes: AtomicU64,
}

impl Counts {
    pub(crate) fn received(&self, messages: u64, payload: usize) {
        self.received.count(messages, payload);
    }

    pub(crate) fn sent(&self, messages: u64, payload: usize) {
        self.sent.count(messages, payload);
    }

    pub(crate) fn read_octets(&self, octets: usize) {
        self.received.wire_bytes.fetch_add(octets as u64, Ordering::Relaxed);
    }

    pub(crate) fn written_octets(&self, octets: usize) {
        self.sent.wire_bytes.fetch_add(octets as u64, Ordering::Relaxed);
    }

    /// Returns how many had been dropped before.
    pub(crate) fn dropped(&self, messages: u64) -> u64 {
        self.dropped.fetch_add(messages, Ordering::Relaxed)
    }

    pub(crate) fn read(&self) -> ConnectionStats {
        ConnectionStats {
            received: self.received.read(),
            sent: self.sent.read(),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}

impl Counter {
    fn count(&self, messages: u64, payload: usize) {
        self.messages.fetch_add(messages, Ordering::Relaxed);
        self.payload_bytes.fetch_add(payload as u64, Ordering::Relaxed);
    }

    fn read(&self) -> Traffic {
        Traffic {
            messages: self.messages.load(Ordering::Relaxed),
            payload_bytes: self.payload_bytes.load(Ordering::Relaxed),
            wire_bytes: self.wire_bytes.load(Ordering::Relaxed),
        }
    }
}
