//! [`Deadlines`]: when a connection is pinged, given up or closed for being idle.
//!
//! Time is a parameter: whoever drives the connection says what time it is.

use super::event::Event;
use crate::code::ErrorCode;
use crate::error::{Error, ErrorDetail};
use std::time::{Duration, Instant};

/// The times that [`Deadlines`] keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) ping_interval: Option<Duration>,
    pub(super) ping_timeout: Duration,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) close_timeout: Duration,
}

/// The deadlines of one connection.
///
/// Tell it what arrives ([`received`](Self::received), [`pong`](Self::pong)), sleep until
/// [`next`](Self::next), then ask it what to do ([`handle`](Self::handle)).
#[derive(Debug)]
pub struct Deadlines {
    times: Times,
    last_received: Instant,
    /// When a message last went in either direction, and how many had been sent by then.
    last_message: Instant,
    messages_sent: u32,
    /// The heartbeat that has not been answered yet.
    ping: Option<Instant>,
    /// When the latest ping was sent, until its pong comes: the peer may have proved to be alive by
    /// other things before.
    ping_sent: Option<Instant>,
    next_ping: Option<Instant>,
    /// Distinguishes our pings: a pong with another payload measures no round trip.
    ping_number: u32,
    round_trip: Option<Duration>,
    closing_since: Option<Instant>,
    arrived: Arrived,
}

/// What has come since the time was last told.
#[derive(Debug, Default)]
struct Arrived {
    octets: bool,
    message: bool,
    /// The answer to our latest ping.
    pong: bool,
}

/// What is to be done at a deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing yet.
    Wait,
    /// Send a ping with this payload.
    Ping([u8; 4]),
    /// Close with 1001: nothing has been said for `idle_timeout`.
    CloseIdle,
    /// Give the connection up without waiting any longer.
    GiveUp(Error),
}

impl Deadlines {
    pub(super) fn new(times: Times, now: Instant) -> Self {
        Deadlines {
            times,
            last_received: now,
            last_message: now,
            messages_sent: 0,
            ping: None,
            ping_sent: None,
            next_ping: times.ping_interval.map(|interval| now + interval),
            ping_number: 0,
            round_trip: None,
            closing_since: None,
            arrived: Arrived::default(),
        }
    }

    /// Notes that octets have come, and perhaps an event with them; [`settle`](Self::settle) tells
    /// when.
    pub(super) fn arrived(&mut self, event: Option<&Event>) {
        self.arrived.octets = true;
        match event {
            Some(Event::Message(_) | Event::Piece { .. }) => self.arrived.message = true,
            Some(Event::Pong(payload)) => self.arrived.pong |= self.is_answer(payload),
            _ => {}
        }
    }

    /// Tells when what was noted has come: now.
    pub(super) fn settle(&mut self, now: Instant) {
        let Arrived { octets, message, pong } = std::mem::take(&mut self.arrived);
        if octets {
            self.received(now);
        }
        if message {
            self.message(now);
        }
        if pong {
            self.answered(now);
        }
    }

    /// Octets have come: the peer is alive.
    pub fn received(&mut self, now: Instant) {
        self.last_received = now;
    }

    /// A message has come.
    pub fn message(&mut self, now: Instant) {
        self.last_message = now;
    }

    /// A pong has come; the round trip, if it is the answer to our latest ping.
    pub fn pong(&mut self, payload: &[u8], now: Instant) -> Option<Duration> {
        if !self.is_answer(payload) {
            return None;
        }
        self.answered(now)
    }

    fn is_answer(&self, payload: &[u8]) -> bool {
        payload == self.ping_number.to_be_bytes()
    }

    fn answered(&mut self, now: Instant) -> Option<Duration> {
        self.ping = None;
        let round_trip = now.saturating_duration_since(self.ping_sent.take()?);
        self.round_trip = Some(round_trip);
        Some(round_trip)
    }

    /// How long the last heartbeat took to come back; `None` before the first.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// A ping has been sent whose pong has not come.
    pub fn awaits_pong(&self) -> bool {
        self.ping_sent.is_some()
    }

    /// A Close frame has been sent: from now on the peer has `close_timeout` to finish.
    pub fn closing(&mut self, now: Instant) {
        self.closing_since.get_or_insert(now);
    }

    /// When [`handle`](Self::handle) is due; `None` for never.
    pub fn next(&self) -> Option<Instant> {
        if let Some(since) = self.closing_since {
            return Some(since + self.times.close_timeout);
        }
        let pong = self.ping.map(|sent| sent + self.times.ping_timeout);
        let idle = self.times.idle_timeout.map(|timeout| self.last_message + timeout);
        [pong, self.next_ping, idle].into_iter().flatten().min()
    }

    /// What is to be done now; `messages_sent` is the sender's count.
    pub fn handle(&mut self, now: Instant, messages_sent: u32) -> Action {
        if let Some(since) = self.closing_since {
            if now < since + self.times.close_timeout {
                return Action::Wait;
            }
            return Action::GiveUp(timeout(format!(
                "the peer did not finish the closing handshake within {:?}",
                self.times.close_timeout
            )));
        }
        if let Some(sent) = self.ping {
            if self.last_received > sent {
                // Anything that came after the ping proves life as well as its pong does.
                self.ping = None;
            } else if now >= sent + self.times.ping_timeout {
                return Action::GiveUp(timeout(format!(
                    "the peer has not answered a ping for {:?}",
                    self.times.ping_timeout
                )));
            }
        }
        if messages_sent != self.messages_sent {
            // A message went out since the last look; exactly when does not matter here.
            self.messages_sent = messages_sent;
            self.last_message = now;
        }
        if self.times.idle_timeout.is_some_and(|timeout| now >= self.last_message + timeout) {
            return Action::CloseIdle;
        }
        if let (Some(due), Some(interval)) = (self.next_ping, self.times.ping_interval) {
            if now >= due {
                self.next_ping = Some(now + interval);
                if self.ping.is_none() {
                    self.ping = Some(now);
                    self.ping_sent = Some(now);
                    self.ping_number = self.ping_number.wrapping_add(1);
                    return Action::Ping(self.ping_number.to_be_bytes());
                }
            }
        }
        Action::Wait
    }
}

fn timeout(text: String) -> Error {
    Error::Timeout(ErrorDetail::new(ErrorCode::PeerTimeout, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn times() -> Times {
        Times {
            ping_interval: Some(10 * SECOND),
            ping_timeout: 5 * SECOND,
            idle_timeout: None,
            close_timeout: 30 * SECOND,
        }
    }

    #[test]
    fn an_unanswered_ping_gives_the_connection_up() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(times(), start);
        assert_eq!(deadlines.next(), Some(start + 10 * SECOND));
        let at = start + 10 * SECOND;
        assert_eq!(deadlines.handle(at, 0), Action::Ping([0, 0, 0, 1]));
        assert_eq!(deadlines.next(), Some(at + 5 * SECOND));
        assert!(matches!(deadlines.handle(at + 5 * SECOND, 0), Action::GiveUp(Error::Timeout(_))));
    }

    #[test]
    fn a_pong_measures_the_round_trip_and_any_octets_prove_life() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(times(), start);
        let at = start + 10 * SECOND;
        assert_eq!(deadlines.handle(at, 0), Action::Ping([0, 0, 0, 1]));
        deadlines.pong(b"other", at + SECOND);
        assert_eq!(deadlines.round_trip(), None);
        deadlines.pong(&[0, 0, 0, 1], at + SECOND);
        assert_eq!(deadlines.round_trip(), Some(SECOND));

        let at = at + 10 * SECOND;
        assert_eq!(deadlines.handle(at, 0), Action::Ping([0, 0, 0, 2]));
        deadlines.received(at + SECOND);
        assert_eq!(deadlines.handle(at + 5 * SECOND, 0), Action::Wait);
        // The pong measures all the same.
        deadlines.pong(&[0, 0, 0, 2], at + 6 * SECOND);
        assert_eq!(deadlines.round_trip(), Some(6 * SECOND));
    }

    #[test]
    fn a_message_in_either_direction_puts_the_idle_close_off() {
        let start = Instant::now();
        let idle = Times { idle_timeout: Some(60 * SECOND), ping_interval: None, ..times() };
        let mut deadlines = Deadlines::new(idle, start);
        deadlines.message(start + 30 * SECOND);
        assert_eq!(deadlines.next(), Some(start + 90 * SECOND));
        assert_eq!(deadlines.handle(start + 90 * SECOND, 1), Action::Wait); // one was sent
        assert_eq!(deadlines.handle(start + 150 * SECOND, 1), Action::CloseIdle);
    }

    #[test]
    fn a_peer_that_does_not_answer_the_close_frame_is_given_up() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(times(), start);
        deadlines.closing(start);
        deadlines.closing(start + SECOND); // the first counts
        assert_eq!(deadlines.next(), Some(start + 30 * SECOND));
        assert_eq!(deadlines.handle(start + 29 * SECOND, 0), Action::Wait);
        assert!(matches!(deadlines.handle(start + 30 * SECOND, 0), Action::GiveUp(_)));
    }
}
