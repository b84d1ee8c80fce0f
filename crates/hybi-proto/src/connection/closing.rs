//! [`Closing`]: how far the closing handshake has come, and who closes TCP (RFC 6455 §7).

use crate::role::Role;

/// How far the closing handshake has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Closing {
    #[default]
    Open,
    /// We have queued a Close frame: nothing may follow it. The peer's has not come.
    Sent,
    /// Both Close frames have been queued and received.
    Done,
    /// The connection was failed (RFC 6455 §7.1.7): the peer's answer is not waited for.
    Failed,
}

impl Closing {
    /// True once nothing more will be exchanged and this side should close TCP.
    ///
    /// RFC 6455 §7.1.1: the server closes first, because its TIME_WAIT does no harm (a client's
    /// would keep its port); the client waits for it. Who fails the connection closes at once,
    /// whichever side it is.
    pub(super) fn wants_shutdown(self, role: Role) -> bool {
        match self {
            Closing::Open | Closing::Sent => false,
            Closing::Done => role == Role::Server,
            Closing::Failed => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_closes_tcp_after_both_close_frames_and_the_client_waits() {
        assert!(!Closing::Sent.wants_shutdown(Role::Server));
        assert!(Closing::Done.wants_shutdown(Role::Server));
        assert!(!Closing::Done.wants_shutdown(Role::Client));
    }

    #[test]
    fn who_fails_the_connection_closes_tcp() {
        assert!(Closing::Failed.wants_shutdown(Role::Client));
        assert!(Closing::Failed.wants_shutdown(Role::Server));
    }
}
