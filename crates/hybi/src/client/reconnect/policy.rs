//! When to connect again: the rules of a [`Reconnecting`](super::Reconnecting).

use crate::close_info::CloseInfo;
use crate::error::Error;
use crate::random;
use hybi_proto::ErrorCode;
use std::time::Duration;

/// Whether there is a connection at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// An attempt is being made; the first one after a loss (or ever) is number 1.
    Connecting {
        /// The number of the attempt.
        attempt: u32,
    },
    /// There is a connection.
    Open,
    /// The connection was lost, or an attempt has failed: after this time there is another one.
    Waiting {
        /// The number of the attempt that comes next.
        attempt: u32,
        /// How long it is waited for.
        delay: Duration,
    },
    /// It has been closed, or given up: there will be no more attempts.
    Closed,
}

/// What becomes of a message that is sent while there is no connection.
///
/// Whatever the rule, a message that a connection had accepted is never sent again on the next one:
/// it may have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Unsent {
    /// `send` waits until there is a connection again.
    #[default]
    Wait,
    /// `send` fails at once with [`Error::Closed`].
    Refuse,
    /// So many messages are kept and sent, in their order, as soon as there is a connection; more
    /// are refused.
    Keep(usize),
}

/// Why there is no connection (any more).
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure<'a> {
    /// What went wrong; `None` if the connection was closed properly.
    pub error: Option<&'a Error>,
    /// How the connection ended; `None` if there was none.
    pub closed: Option<&'a CloseInfo>,
    /// The number of the attempt that would come next.
    pub next_attempt: u32,
    /// Whether there has ever been a connection.
    pub was_connected: bool,
}

impl Failure<'_> {
    /// The default rule: whether it may well go better the next time.
    ///
    /// It may where the network, a proxy or a time-out is the reason; where the server refuses with
    /// 408, 425, 429 or 5xx, or gives no proper answer; where it closes with 1001 or 1011 to 1014;
    /// and where TLS fails that has succeeded before. It may not where the call, the URL or the
    /// credentials are wrong, where one side breaks the protocol or a limit, and where the server
    /// closes with any other code: it has said all it had to say.
    pub fn is_temporary(&self) -> bool {
        match self.error {
            None => self.closed.is_some_and(|info| matches!(info.code(), 1001 | 1011..=1014)),
            Some(Error::Io(_) | Error::Timeout(_) | Error::Proxy(_) | Error::Closed(_)) => true,
            Some(Error::Tls(_)) => self.was_connected,
            Some(error @ Error::Handshake(_)) => {
                let status = error.response().map_or(101, |response| response.status().as_u16());
                matches!(status, 408 | 425 | 429 | 500..=599)
                    || error.code() == Some(ErrorCode::InvalidHandshake)
            }
            Some(_) => false,
        }
    }
}

/// Exponential backoff with full jitter: clients that lost their server together do not come back
/// together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) most: Duration,
}

impl Backoff {
    /// The delay before this attempt; at random, at most twice as long as before the last one.
    pub(super) fn delay(&self, attempt: u32) -> Duration {
        let [a, b, c, d, ..] = random::nonce();
        let fraction = f64::from(u32::from_le_bytes([a, b, c, d])) / f64::from(u32::MAX);
        self.longest(attempt).mul_f64(fraction)
    }

    fn longest(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hybi_proto::ErrorDetail;

    #[test]
    fn the_longest_delay_doubles_up_to_the_most() {
        let backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(30) };
        let longest = [1, 2, 3, 5, 6, 60, u32::MAX].map(|n| backoff.longest(n).as_secs());
        assert_eq!(longest, [1, 2, 4, 16, 30, 30, 30]);
    }

    #[test]
    fn delays_are_spread_over_all_that_is_allowed() {
        let backoff = Backoff { first: Duration::from_secs(8), most: Duration::from_secs(8) };
        let mut seen = [0; 8];
        for _ in 0..400 {
            let delay = backoff.delay(3);
            assert!(delay <= backoff.most);
            seen[(delay.as_secs() as usize).min(7)] += 1;
        }
        // Each eighth is hit 50 times on average: never is one chance in 10^23.
        assert!(seen.iter().all(|&count| count > 0), "{seen:?}");
    }

    #[test]
    fn what_no_repetition_mends_is_not_temporary() {
        let failure = |error: &Error, was_connected| {
            Failure { error: Some(error), closed: None, next_attempt: 1, was_connected }
                .is_temporary()
        };
        let detail = |code| ErrorDetail::new(code, "");
        assert!(!failure(&Error::Usage(detail(ErrorCode::InvalidUrl)), true));
        assert!(!failure(&Error::Protocol(detail(ErrorCode::InvalidOpcode)), true));
        assert!(!failure(&Error::Tls(detail(ErrorCode::Tls)), false));
        assert!(failure(&Error::Tls(detail(ErrorCode::Tls)), true));
        assert!(failure(&Error::Timeout(detail(ErrorCode::PeerTimeout)), false));
        assert!(!failure(&Error::handshake(detail(ErrorCode::InvalidAcceptHeader)), true));
    }
}
