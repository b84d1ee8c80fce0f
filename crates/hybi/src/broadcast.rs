//! [`Group`]: one message for many connections.
//!
//! A message is encoded once, queued on every member, and written to each at the end of the batch: no
//! task is woken for it. What to do with a member that takes no more is the group's policy; nothing
//! here grows without a bound.

use crate::batch;
use crate::error::Error;
use crate::pump::{Shared, TrySendError};
use crate::slab::{Key, Slab};
use crate::split::Writer;
use crate::sync::{Mutex, lock};
use hybi_proto::{CloseCode, CloseFrame, PreparedMessage, Utf8Bytes};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// What a [`Group`] does with a member for which more waits than
/// [`max_buffered`](crate::Options::max_buffered) (default 1 MiB): its peer does not read, or not as
/// fast as the group sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SlowClient {
    /// It misses the message (the default): for messages of which each is worth something by itself.
    #[default]
    DropNewest,
    /// It misses the oldest message that has not been handed to its connection: of those, so many
    /// are kept. For states of which only the latest matters.
    DropOldest(NonZeroUsize),
    /// It is closed with 1013 (try again later): for messages of which none may be missed. A peer
    /// that does not even answer that is cut after `close_timeout` by its reader.
    Close,
}

/// What became of a message to a [`Group`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivery {
    /// Members whose connection accepted it.
    pub sent: usize,
    /// Members that are slow, for which it is kept ([`SlowClient::DropOldest`]).
    pub kept: usize,
    /// Messages that were dropped: this one, or an older one in its place.
    pub dropped: usize,
    /// Members that were closed for being slow.
    pub closed: usize,
    /// Members that were closing or closed already.
    pub gone: usize,
}

/// Connections that get the same messages: a chat room, a topic.
///
/// Cloning is cheap, all clones are the same group. A connection may be in many groups.
///
/// ```
/// # async fn example() -> Result<(), hybi::Error> {
/// let group = hybi::Group::new();
/// hybi::Server::bind("127.0.0.1:8080")
///     .await?
///     .serve(move |mut ws| {
///         let group = group.clone();
///         async move {
///             let member = group.join(&ws.writer());
///             while let Some(message) = ws.recv().await? {
///                 member.broadcast_to_others(message);
///             }
///             Ok(()) // dropping `member` leaves the group
///         }
///     })
///     .await
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Group {
    shared: Arc<Room>,
}

#[derive(Default)]
struct Room {
    policy: SlowClient,
    members: Mutex<Slab<Member>>,
}

struct Member {
    connection: Arc<Shared>,
    /// What waits until its connection takes more; only while a task of [`catch_up`] works it off.
    behind: Option<Arc<Mutex<Backlog>>>,
}

/// The messages for a member that is behind, the oldest first.
#[derive(Default)]
struct Backlog {
    messages: VecDeque<PreparedMessage>,
    /// Nobody works it off any more.
    done: bool,
}

impl Group {
    /// A group of nobody, whose slow members miss messages ([`SlowClient::DropNewest`]).
    pub fn new() -> Self {
        Group::default()
    }

    /// A group with another policy for slow members.
    pub fn with_policy(policy: SlowClient) -> Self {
        Group { shared: Arc::new(Room { policy, members: Mutex::default() }) }
    }

    /// Adds a connection; it leaves when what is returned is dropped.
    ///
    /// A connection that joins twice gets everything twice.
    #[must_use = "dropping the membership leaves the group"]
    pub fn join(&self, writer: &Writer) -> Membership {
        let member = Member { connection: writer.shared().clone(), behind: None };
        let key = lock(&self.shared.members).insert(member);
        Membership { group: self.clone(), writer: writer.clone(), key }
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        lock(&self.shared.members).len()
    }

    /// True if there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A handle to each member, as of now.
    pub fn writers(&self) -> Vec<Writer> {
        let members = lock(&self.shared.members);
        members.iter().map(|member| Writer::new(member.connection.clone())).collect()
    }

    /// Sends a message to every member; it is encoded, and where that was negotiated compressed,
    /// once.
    ///
    /// Never waits. Inside a handler or a [`batch`](crate::batch()) the messages leave when it next
    /// waits for something, several of them in one write; elsewhere at once. It may be called from any
    /// thread.
    pub fn broadcast(&self, message: impl Into<PreparedMessage>) -> Delivery {
        self.send(&message.into(), |_| true)
    }

    /// As [`broadcast`](Self::broadcast), to every member but this connection.
    pub fn broadcast_except(
        &self,
        except: &Writer,
        message: impl Into<PreparedMessage>,
    ) -> Delivery {
        self.send(&message.into(), |connection| !Arc::ptr_eq(connection, except.shared()))
    }

    fn send(&self, message: &PreparedMessage, to: impl Fn(&Arc<Shared>) -> bool) -> Delivery {
        let mut delivery = Delivery::default();
        // Only queued while the group is locked; written after it.
        batch::gather(|| {
            for member in lock(&self.shared.members).iter_mut() {
                if to(&member.connection) {
                    member.send(message, self.shared.policy, &mut delivery);
                }
            }
        });
        delivery
    }
}

impl Member {
    fn send(&mut self, message: &PreparedMessage, policy: SlowClient, delivery: &mut Delivery) {
        if let (Some(behind), SlowClient::DropOldest(most)) = (&self.behind, policy) {
            let mut backlog = lock(behind);
            if !backlog.done {
                // Nothing overtakes what waits already.
                backlog.messages.push_back(message.clone());
                if backlog.messages.len() > most.get() {
                    backlog.messages.pop_front();
                    self.dropped(delivery);
                }
                delivery.kept += 1;
                return;
            }
            drop(backlog);
            self.behind = None;
        }
        match self.connection.try_send_prepared(message) {
            Ok(()) => delivery.sent += 1,
            Err(TrySendError::Failed(_)) => delivery.gone += 1,
            Err(TrySendError::Full(_)) => self.is_slow(message, policy, delivery),
        }
    }

    fn is_slow(&mut self, message: &PreparedMessage, policy: SlowClient, delivery: &mut Delivery) {
        match policy {
            SlowClient::DropNewest => self.dropped(delivery),
            SlowClient::DropOldest(_) => {
                let messages = VecDeque::from([message.clone()]);
                let backlog = Arc::new(Mutex::new(Backlog { messages, done: false }));
                match self.connection.runtime().handle() {
                    Some(runtime) => {
                        runtime.spawn(catch_up(self.connection.clone(), backlog.clone()));
                        self.behind = Some(backlog);
                        delivery.kept += 1;
                    }
                    // Nobody could work it off.
                    None => self.dropped(delivery),
                }
            }
            SlowClient::Close => {
                let reason = Utf8Bytes::from_static("too slow");
                let frame = CloseFrame { code: CloseCode::TRY_AGAIN_LATER, reason };
                if self.connection.close(Some(frame)).is_ok() {
                    if let Some(meter) = self.connection.meter() {
                        meter.closed_for_being_slow();
                    }
                }
                delivery.closed += 1;
            }
        }
    }

    fn dropped(&self, delivery: &mut Delivery) {
        delivery.dropped += 1;
        if let Some(meter) = self.connection.meter() {
            meter.dropped();
        }
    }
}

/// Hands a member what waits for it, as its connection takes it; ends when nothing is left, or the
/// connection has.
async fn catch_up(connection: Arc<Shared>, backlog: Arc<Mutex<Backlog>>) {
    loop {
        // Only the messages at the front are looked at: the queue may lose them meanwhile.
        let next = lock(&backlog).messages.front().map(|message| message.message().len());
        let ready = match next {
            Some(len) => poll_fn(|cx| connection.poll_ready(cx, len)).await,
            None => Ok(()),
        };
        let mut backlog = lock(&backlog);
        if !hand_over(&connection, &mut backlog, ready) {
            backlog.done = true;
            backlog.messages = VecDeque::new();
            return;
        }
    }
}

/// Tells whether something is left to be handed over.
fn hand_over(connection: &Arc<Shared>, backlog: &mut Backlog, ready: Result<(), Error>) -> bool {
    if ready.is_err() {
        return false;
    }
    while let Some(message) = backlog.messages.front() {
        match connection.try_send_prepared(message) {
            Ok(()) => drop(backlog.messages.pop_front()),
            Err(TrySendError::Full(_)) => return true,
            Err(TrySendError::Failed(_)) => return false,
        }
    }
    false
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group")
            .field("policy", &self.shared.policy)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// A connection's place in a [`Group`]; dropping it leaves the group.
#[derive(Debug)]
pub struct Membership {
    group: Group,
    writer: Writer,
    key: Key,
}

impl Membership {
    /// The group.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// Sends a message to every member, this one included; see [`Group::broadcast`].
    pub fn broadcast(&self, message: impl Into<PreparedMessage>) -> Delivery {
        self.group.broadcast(message)
    }

    /// Sends a message to every other member; see [`Group::broadcast`].
    pub fn broadcast_to_others(&self, message: impl Into<PreparedMessage>) -> Delivery {
        self.group.broadcast_except(&self.writer, message)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let member = lock(&self.group.shared.members).remove(self.key);
        // Not under the lock: it may be the last handle to the connection.
        drop(member);
    }
}
