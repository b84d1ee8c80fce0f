//! [`Clients`]: the connections of a server, to be sent to, counted and shut down from anywhere.
//!
//! A server knows its connections only if it is asked to: otherwise they cost nothing here.

use super::shutdown::Shutdown;
use crate::batch;
use crate::pump::{Shared, TrySendError};
use crate::random;
use crate::slab::{Key, Slab};
use crate::split::Writer;
use crate::sync::{Mutex, MutexGuard, lock};
use crate::trace;
use hybi_proto::{CloseFrame, PreparedMessage};
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// How long the shutdown waits for handlers that have been aborted: they end when they next wait for
/// something, which a handler that blocks its thread never does.
const ABORTED: Duration = Duration::from_secs(1);

/// The connections of one server or several: iterate over them, send to them, shut them down, from
/// any task or thread.
///
/// Cloning is cheap, all clones are the same collection. A connection is in it from the 101 until its
/// handler has returned and the closing handshake is over. `ws`: `clientTracking` and `clients`.
///
/// ```no_run
/// # async fn example() -> Result<(), hybi::Error> {
/// use hybi::server::{Clients, Server};
/// let clients = Clients::new();
/// let server = Server::bind("127.0.0.1:8080").await?.clients(&clients);
/// tokio::spawn(server.serve(|mut ws| async move {
///     while ws.recv().await?.is_some() {}
///     Ok(())
/// }));
/// clients.broadcast("news for everyone");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Clients {
    registry: Arc<Mutex<Registry>>,
}

#[derive(Default)]
struct Registry {
    tasks: Slab<Task>,
    /// The server is shutting down: with this frame.
    closing: Option<CloseFrame>,
    /// Those who wait for the last task to end.
    waiting: Vec<Waker>,
}

/// The task of one connection.
#[derive(Default)]
struct Task {
    /// `None` during the opening handshake.
    connection: Option<Arc<Shared>>,
    abort: Option<AbortHandle>,
}

impl Clients {
    /// A collection of nobody yet.
    pub fn new() -> Self {
        Clients::default()
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }

    /// How many connections there are, those that are closing included.
    pub fn len(&self) -> usize {
        self.lock().open().count()
    }

    /// True if there is no connection.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A handle to each connection, as of now.
    pub fn writers(&self) -> Vec<Writer> {
        self.lock().open().map(|shared| Writer::new(shared.clone())).collect()
    }

    /// Sends a message to every connection that has room for it; returns how many accepted it. It is
    /// encoded once. Connections that are slow miss it: use a [`Group`](crate::Group) for another
    /// policy.
    ///
    /// Never waits, and may be called from any thread.
    pub fn broadcast(&self, message: impl Into<PreparedMessage>) -> usize {
        let message = message.into();
        self.send(&message, |_| true)
    }

    /// As [`broadcast`](Self::broadcast), to everyone but this connection.
    pub fn broadcast_except(&self, except: &Writer, message: impl Into<PreparedMessage>) -> usize {
        let message = message.into();
        self.send(&message, |shared| !Arc::ptr_eq(shared, except.shared()))
    }

    fn send(&self, message: &PreparedMessage, to: impl Fn(&Arc<Shared>) -> bool) -> usize {
        // Only queued while the registry is locked; written after it.
        batch::gather(|| {
            let registry = self.lock();
            let to = registry.open().filter(|shared| to(shared));
            to.filter(|shared| match shared.try_send_prepared(message) {
                Ok(()) => true,
                Err(refused) => {
                    if let (TrySendError::Full(_), Some(meter)) = (refused, shared.meter()) {
                        meter.dropped();
                    }
                    false
                }
            })
            .count()
        })
    }

    /// Closes every connection, present and future, waits for the handlers, and aborts those that do
    /// not return before the deadline. Returns how many were aborted.
    ///
    /// A handler notices it by `recv` returning `None` and `send` failing with
    /// [`Error::Closed`](crate::Error::Closed). Opening handshakes that are not finished are broken
    /// off. Accepting is stopped by whoever accepts:
    /// [`Server::shutdown_on`](crate::Server::shutdown_on) does both.
    ///
    /// # Cancel safety
    /// If the future is dropped, connections that it has not closed yet stay open.
    pub async fn shutdown(&self, how: Shutdown) -> usize {
        let until = Instant::now() + how.deadline;
        let connections = self.begin(how.frame.clone());
        trace::shutdown_begins(connections.len());
        let close = async {
            close_all(connections, &how).await;
            self.ended().await;
        };
        let mut aborted = 0;
        if tokio::time::timeout_at(until, close).await.is_err() {
            aborted = self.abort();
            let _ = tokio::time::timeout(ABORTED, self.ended()).await;
        }
        trace::shutdown_ended(aborted);
        aborted
    }

    /// From here on connections are closed as soon as they are open. Returns those that are.
    fn begin(&self, frame: CloseFrame) -> Vec<Arc<Shared>> {
        let mut registry = self.lock();
        registry.closing = Some(frame);
        for task in registry.tasks.iter() {
            if let (None, Some(abort)) = (&task.connection, &task.abort) {
                abort.abort();
            }
        }
        registry.open().cloned().collect()
    }

    fn abort(&self) -> usize {
        let tasks: Vec<_> = {
            let registry = self.lock();
            registry
                .tasks
                .iter()
                .map(|task| (task.connection.clone(), task.abort.clone()))
                .collect()
        };
        for (connection, abort) in &tasks {
            // The connection ends even if somebody still holds a `Writer` to it.
            if let Some(connection) = connection {
                connection.terminate();
            }
            if let Some(abort) = abort {
                abort.abort();
            }
        }
        tasks.len()
    }

    /// Waits until the last connection has ended.
    async fn ended(&self) {
        poll_fn(|cx| {
            let mut registry = self.lock();
            if registry.tasks.is_empty() {
                return Poll::Ready(());
            }
            if !registry.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                registry.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

impl Registry {
    fn open(&self) -> impl Iterator<Item = &Arc<Shared>> {
        self.tasks.iter().filter_map(|task| task.connection.as_ref())
    }
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clients").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Queues the Close frames, spread over the jitter.
async fn close_all(connections: Vec<Arc<Shared>>, how: &Shutdown) {
    let close = |shared: Arc<Shared>| drop(shared.close(Some(how.frame.clone())));
    if how.jitter.is_zero() {
        batch::gather(|| connections.into_iter().for_each(close));
        return;
    }
    let start = Instant::now();
    let mut due: Vec<_> = connections
        .into_iter()
        .map(|shared| {
            let random = u32::from_ne_bytes(random::masking_key());
            (start + share(how.jitter, random), shared)
        })
        .collect();
    due.sort_unstable_by_key(|(at, _)| *at);
    for (at, shared) in due {
        tokio::time::sleep_until(at).await;
        close(shared);
    }
}

/// As much of the jitter as the random number is of the largest one.
fn share(jitter: Duration, random: u32) -> Duration {
    jitter.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// Spawns the task of one connection. With `clients` it is known to them until it ends.
pub(super) fn spawn<F>(clients: Option<&Clients>, task: impl FnOnce(Option<Ticket>) -> F)
where
    F: Future<Output: Send> + Send + 'static,
{
    let Some(clients) = clients else {
        tokio::spawn(task(None));
        return;
    };
    let key = clients.lock().tasks.insert(Task::default());
    let ticket = Ticket { clients: clients.clone(), key };
    let abort = tokio::spawn(task(Some(ticket))).abort_handle();
    // Nothing to keep if the task has ended already.
    if let Some(task) = clients.lock().tasks.get_mut(key) {
        task.abort = Some(abort);
    }
}

/// Held by the task of a connection for as long as it runs.
pub(super) struct Ticket {
    clients: Clients,
    key: Key,
}

impl Ticket {
    /// The opening handshake is over.
    pub(super) fn opened(&self, connection: &Arc<Shared>) {
        let mut registry = self.clients.lock();
        if let Some(task) = registry.tasks.get_mut(self.key) {
            task.connection = Some(connection.clone());
        }
        let closing = registry.closing.clone();
        drop(registry);
        if let Some(frame) = closing {
            let _ = connection.close(Some(frame));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut registry = self.clients.lock();
        let task = registry.tasks.remove(self.key);
        let waiting = match registry.tasks.is_empty() {
            true => std::mem::take(&mut registry.waiting),
            false => Vec::new(),
        };
        drop(registry);
        drop(task);
        for waker in waiting {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_close_frames_are_spread_over_the_jitter_and_not_beyond() {
        let jitter = Duration::from_secs(4);
        assert_eq!(share(jitter, 0), Duration::ZERO);
        assert_eq!(share(jitter, u32::MAX), jitter);
        let half = share(jitter, u32::MAX / 2).as_secs_f64();
        assert!((half - 2.0).abs() < 1e-6, "{half}");
    }
}
