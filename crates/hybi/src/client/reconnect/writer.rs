//! [`ReconnectingWriter`]: sends on whichever connection there is.

use super::policy::{ConnectionState, Unsent};
use crate::error::Error;
use crate::split::Writer;
use crate::sync::{Mutex, MutexGuard, lock};
use crate::websocket::WebSocket;
use hybi_proto::{ErrorCode, ErrorDetail, Message};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// What the writers share with the reader.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: watch::Sender<ConnectionState>,
    /// Changed under the lock of `kept`, so that nothing is kept for a connection that is there.
    link: watch::Sender<Link>,
    kept: Mutex<Kept>,
}

/// What waits for a connection.
#[derive(Debug, Default)]
struct Kept {
    rule: Unsent,
    messages: VecDeque<Message>,
}

/// Where to send.
#[derive(Debug, Clone)]
pub(super) enum Link {
    Down,
    Up(Writer),
    /// For good.
    Closed,
}

impl Shared {
    pub(super) fn new() -> Self {
        Shared {
            state: watch::Sender::new(ConnectionState::Connecting { attempt: 1 }),
            link: watch::Sender::new(Link::Down),
            kept: Mutex::default(),
        }
    }

    pub(super) fn set_rule(&self, rule: Unsent) {
        self.kept().rule = rule;
    }

    pub(super) fn set(&self, link: Link) {
        let kept = self.kept();
        self.link.send_replace(link);
        drop(kept);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        lock(&self.kept)
    }

    /// Treats a message for which there is no connection, or only one that has `failed`; `None` if
    /// it is to wait for the next change of the link, or if that has happened.
    pub(super) fn without_connection(
        &self,
        message: &Message,
        failed: Option<&Writer>,
    ) -> Option<Result<(), Error>> {
        let mut kept = self.kept();
        match (&*self.link.borrow(), failed) {
            (Link::Down, _) => {}
            (Link::Up(writer), Some(failed)) if writer.same_connection(failed) => {}
            (Link::Up(_) | Link::Closed, _) => return None,
        }
        let refusal = match kept.rule {
            Unsent::Wait => return None,
            Unsent::Refuse => "there is no connection at the moment".to_owned(),
            Unsent::Keep(most) if kept.messages.len() < most => {
                kept.messages.push_back(message.clone());
                return Some(Ok(()));
            }
            Unsent::Keep(most) => format!(
                "there is no connection at the moment, and {most} messages are kept already"
            ),
        };
        Some(Err(refused(refusal)))
    }

    /// Sends what has been kept, then lets the writers have the connection.
    pub(super) fn catch_up(&self, ws: &WebSocket) {
        let mut kept = self.kept();
        while let Some(message) = kept.messages.front() {
            // There need not be room: what was kept is bounded by itself. If the connection has
            // ended already, the rest is for the next one.
            if ws.shared().queue(|sender| sender.send(message.clone())).is_err() {
                break;
            }
            kept.messages.pop_front();
        }
        self.link.send_replace(Link::Up(ws.writer()));
    }
}

pub(super) fn closed() -> Error {
    refused("the connection has been closed, and there will be no other".to_owned())
}

fn refused(text: String) -> Error {
    Error::Closed(ErrorDetail::new(ErrorCode::ConnectionClosed, text))
}

/// The sending half of a [`Reconnecting`](super::Reconnecting): cloneable, and usable from any task.
///
/// It makes no attempts itself: somebody must be receiving.
#[derive(Debug, Clone)]
pub struct ReconnectingWriter {
    shared: Arc<Shared>,
}

impl ReconnectingWriter {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        ReconnectingWriter { shared }
    }

    /// Sends a message on the connection, or treats it as
    /// [`Reconnecting::unsent`](super::Reconnecting::unsent) says.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message was not accepted.
    ///
    /// # Errors
    /// [`Error::Closed`] if there is no connection and the rule does not let it wait, or there will
    /// be none any more.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        let message = message.into();
        let mut links = self.shared.link.subscribe();
        loop {
            let link = links.borrow_and_update().clone();
            let failed = match link {
                Link::Closed => return Err(closed()),
                Link::Down => None,
                Link::Up(writer) => match writer.send(message.clone()).await {
                    Err(Error::Closed(_) | Error::Io(_) | Error::Timeout(_)) => Some(writer),
                    result => return result,
                },
            };
            if let Some(result) = self.shared.without_connection(&message, failed.as_ref()) {
                return result;
            }
            if links.changed().await.is_err() {
                return Err(closed());
            }
        }
    }

    /// Whether there is a connection at the moment.
    pub fn state(&self) -> ConnectionState {
        *self.shared.state.borrow()
    }
}
