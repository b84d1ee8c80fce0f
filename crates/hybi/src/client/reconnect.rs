//! [`Reconnecting`]: a connection that comes back.
//!
//! Polled in place like a [`WebSocket`]: there is no task behind it, and all its state is in the
//! struct, so that dropping the future of a call loses nothing.

mod policy;
mod writer;

pub use policy::{ConnectionState, Failure, Unsent};
pub use writer::ReconnectingWriter;

use super::connect::Client;
use crate::close_info::CloseInfo;
use crate::error::Error;
use crate::trace;
use crate::websocket::WebSocket;
use hybi_proto::{CloseCode, ErrorCode, ErrorDetail, Event, Message};
use policy::Backoff;
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};
use writer::{Link, Shared};

/// Events of a broken connection that are kept for `recv` when `send` finds out first.
const UNREAD: usize = 1024;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Connect = dyn Fn() -> Boxed<Result<WebSocket, Error>> + Send + Sync;
type OnConnect = dyn Fn(WebSocket) -> Boxed<Result<WebSocket, Error>> + Send + Sync;
type Retry = dyn Fn(&Failure<'_>) -> bool + Send + Sync;

/// A WebSocket that connects again when its connection is lost.
///
/// Nothing happens until [`recv`](Self::recv) or [`send`](Self::send) is called, and attempts are
/// only made while one of them is being awaited. A [`writer`](Self::writer) sends from other tasks
/// meanwhile.
///
/// ```no_run
/// # async fn example() -> Result<(), hybi::Error> {
/// let mut prices = hybi::Client::new()
///     .reconnecting("wss://example.com/prices")
///     .on_connect(|ws| async move {
///         ws.send("subscribe").await?; // anew after each loss
///         Ok(ws)
///     });
/// while let Some(message) = prices.recv().await? {
///     println!("{message}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// **What may be missing.** What the server sends while there is no connection is not received: ask
/// for it in `on_connect` if it matters. What was sent and not received by the server when the
/// connection broke is lost too; it is never sent twice. What is sent while there is no connection
/// is subject to [`unsent`](Self::unsent).
pub struct Reconnecting {
    connect: Arc<Connect>,
    on_connect: Option<Arc<OnConnect>>,
    retry: Option<Arc<Retry>>,
    backoff: Backoff,
    stable_after: Duration,
    max_attempts: Option<u32>,
    phase: Phase,
    /// The number of the attempt that is being made or comes next.
    attempt: u32,
    was_connected: bool,
    unread: VecDeque<Event>,
    shared: Arc<Shared>,
}

enum Phase {
    Start,
    Connecting(Boxed<Result<WebSocket, Error>>),
    Open { ws: WebSocket, since: Instant },
    Waiting(Pin<Box<Sleep>>),
    Ended,
}

impl Client {
    /// A WebSocket that connects again when its connection is lost.
    pub fn reconnecting(&self, url: impl Into<String>) -> Reconnecting {
        let (client, url) = (self.clone(), url.into());
        Reconnecting::new(move || {
            let (client, url) = (client.clone(), url.clone());
            async move { client.connect(&url).await }
        })
    }
}

impl Reconnecting {
    /// A WebSocket that connects by this function: where each attempt needs a URL or a token of its
    /// own.
    pub fn new<F, Fut>(connect: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<WebSocket, Error>> + Send + 'static,
    {
        Reconnecting {
            connect: Arc::new(move || Box::pin(connect())),
            on_connect: None,
            retry: None,
            backoff: Backoff { first: Duration::from_millis(500), most: Duration::from_secs(30) },
            stable_after: Duration::from_secs(10),
            max_attempts: None,
            phase: Phase::Start,
            attempt: 1,
            was_connected: false,
            unread: VecDeque::new(),
            shared: Arc::new(Shared::new()),
        }
    }

    /// How long to wait at most before the first attempt after a loss, and before any (default
    /// 500 ms and 30 s).
    ///
    /// The delay is drawn at random between nothing and a bound that doubles with each failure ("full
    /// jitter"): so a thousand clients of a server that restarts do not all come back at once.
    pub fn backoff(mut self, first: Duration, most: Duration) -> Self {
        self.backoff = Backoff { first, most };
        self
    }

    /// How long a connection must last for the delays to begin anew (default 10 s): a server that
    /// accepts and hangs up at once is a failure too. Until then it counts as a failed attempt, also for
    /// [`max_attempts`](Self::max_attempts).
    pub fn stable_after(mut self, time: Duration) -> Self {
        self.stable_after = time;
        self
    }

    /// Gives up after so many attempts in a row have failed (default: never): with an error, see
    /// [`recv`](Self::recv).
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// Decides which failures are followed by another attempt (default
    /// [`Failure::is_temporary`]).
    pub fn retry(mut self, hook: impl Fn(&Failure<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.retry = Some(Arc::new(hook));
        self
    }

    /// Prepares each connection before it is used: subscribes, logs in, asks for what was missed. An
    /// error counts as an attempt that has failed.
    pub fn on_connect<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(WebSocket) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<WebSocket, Error>> + Send + 'static,
    {
        self.on_connect = Some(Arc::new(move |ws| Box::pin(hook(ws))));
        self
    }

    /// What becomes of a message that is sent while there is no connection (default
    /// [`Unsent::Wait`]).
    pub fn unsent(self, rule: Unsent) -> Self {
        self.shared.set_rule(rule);
        self
    }

    /// Whether there is a connection at the moment, as far as the last call has found out.
    pub fn state(&self) -> ConnectionState {
        *self.shared.state.borrow()
    }

    /// Tells each change of the [`state`](Self::state), to any task.
    ///
    /// A state that has passed before it was looked at is not seen.
    pub fn watch(&self) -> watch::Receiver<ConnectionState> {
        self.shared.state.subscribe()
    }

    /// A handle that sends from other tasks, on whichever connection there is.
    pub fn writer(&self) -> ReconnectingWriter {
        ReconnectingWriter::new(self.shared.clone())
    }

    /// Receives the next message, of this connection or of the next; `None` at the end: after a Close
    /// frame that is to be followed by no other attempt (see [`retry`](Self::retry)).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing; an attempt that has begun goes on with the next call.
    ///
    /// # Errors
    /// The failure that is not followed by another attempt; `None` comes after it. If that is a server
    /// which closed properly but was to be tried again, an [`Error::Closed`] with the number of
    /// attempts and the code and reason of the close; one that is to be left is no error.
    pub async fn recv(&mut self) -> Result<Option<Message>, Error> {
        loop {
            match self.next_event().await? {
                Some(Event::Message(message)) => return Ok(Some(message)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// Receives whatever comes next; see [`WebSocket::next_event`].
    ///
    /// # Cancel safety
    /// As [`recv`](Self::recv).
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn next_event(&mut self) -> Result<Option<Event>, Error> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Sends a message on the connection, or treats it as [`unsent`](Self::unsent) says.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message was not accepted.
    ///
    /// # Errors
    /// [`Error::Closed`] if there is no connection and the rule does not let it wait, or there will
    /// be none any more; the failure that is not followed by another attempt.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        let message = message.into();
        poll_fn(|cx| self.poll_send(cx, &message)).await
    }

    /// Closes the connection if there is one, and makes no more attempts.
    ///
    /// # Cancel safety
    /// Dropping the future cuts the connection.
    ///
    /// # Errors
    /// As [`WebSocket::close`].
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        match self.end() {
            Phase::Open { mut ws, .. } => ws.close(code, reason).await,
            _ => Ok(()),
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Event>, Error>> {
        loop {
            if let Some(event) = self.unread.pop_front() {
                return Poll::Ready(Ok(Some(event)));
            }
            ready!(self.poll_open(cx))?;
            let Phase::Open { ws, .. } = &self.phase else { return Poll::Ready(Ok(None)) };
            match ready!(ws.shared().poll_event(cx)) {
                Ok(Some(event)) => return Poll::Ready(Ok(Some(event))),
                Ok(None) => self.lost(None)?,
                Err(error) => self.lost(Some(error))?,
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, message: &Message) -> Poll<Result<(), Error>> {
        loop {
            if self.poll_open(cx)?.is_pending() {
                // There is no connection, nor can one come while this is being asked.
                return match self.shared.without_connection(message, None) {
                    Some(result) => Poll::Ready(result),
                    None => Poll::Pending,
                };
            }
            let Phase::Open { ws, .. } = &self.phase else {
                return Poll::Ready(Err(writer::closed()));
            };
            match ready!(ws.shared().poll_send(cx, &mut Some(message.clone()), true)) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(error @ Error::Usage(_)) => return Poll::Ready(Err(error)),
                Err(error) => {
                    let error = self.read_rest(cx, error);
                    self.lost(error)?;
                }
            }
        }
    }

    /// Reads what has come on a connection that cannot be sent on any more, and how it ended.
    fn read_rest(&mut self, cx: &mut Context<'_>, error: Error) -> Option<Error> {
        let Phase::Open { ws, .. } = &self.phase else { return Some(error) };
        while self.unread.len() < UNREAD {
            match ws.shared().poll_event(cx) {
                Poll::Ready(Ok(Some(event))) => self.unread.push_back(event),
                Poll::Ready(Ok(None)) => return None,
                Poll::Ready(Err(error)) => return Some(error),
                Poll::Pending => break,
            }
        }
        Some(error)
    }

    /// Ready when there is a connection, or will be none any more.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            match &mut self.phase {
                Phase::Open { .. } | Phase::Ended => return Poll::Ready(Ok(())),
                Phase::Start => {
                    self.set_state(ConnectionState::Connecting { attempt: self.attempt });
                    let (connecting, on_connect) = ((self.connect)(), self.on_connect.clone());
                    self.phase = Phase::Connecting(Box::pin(async move {
                        let ws = connecting.await?;
                        match on_connect {
                            Some(prepare) => prepare(ws).await,
                            None => Ok(ws),
                        }
                    }));
                }
                Phase::Connecting(connecting) => match ready!(connecting.as_mut().poll(cx)) {
                    Ok(ws) => {
                        self.was_connected = true;
                        self.shared.catch_up(&ws);
                        self.phase = Phase::Open { ws, since: Instant::now() };
                        self.set_state(ConnectionState::Open);
                    }
                    Err(error) => self.failed(Some(error), None)?,
                },
                Phase::Waiting(sleep) => {
                    ready!(sleep.as_mut().poll(cx));
                    self.phase = Phase::Start;
                }
            }
        }
    }

    /// The connection has ended.
    fn lost(&mut self, error: Option<Error>) -> Result<(), Error> {
        let mut info = None;
        if let Phase::Open { ws, since } = &self.phase {
            info = ws.close_info();
            if since.elapsed() >= self.stable_after {
                self.attempt = 0;
            }
        }
        self.failed(error, info)
    }

    /// There is no connection: decides whether there is another attempt.
    fn failed(&mut self, error: Option<Error>, closed: Option<CloseInfo>) -> Result<(), Error> {
        self.shared.set(Link::Down);
        let failed = self.attempt;
        let failure = Failure {
            error: error.as_ref(),
            closed: closed.as_ref(),
            next_attempt: failed + 1,
            was_connected: self.was_connected,
        };
        let again = match &self.retry {
            Some(retry) => retry(&failure),
            None => failure.is_temporary(),
        };
        if !again {
            self.end();
            return error.map_or(Ok(()), Err);
        }
        if self.max_attempts.is_some_and(|most| failed >= most) {
            self.end();
            return Err(error.unwrap_or_else(|| given_up(failed, closed.as_ref())));
        }
        self.attempt = failed + 1;
        // The first attempt after a loss has a delay too: many have lost the same server.
        let delay = self.backoff.delay(failed.max(1));
        trace::reconnecting(self.attempt, delay);
        self.phase = Phase::Waiting(Box::pin(tokio::time::sleep(delay)));
        self.set_state(ConnectionState::Waiting { attempt: self.attempt, delay });
        Ok(())
    }

    fn end(&mut self) -> Phase {
        self.shared.set(Link::Closed);
        self.set_state(ConnectionState::Closed);
        std::mem::replace(&mut self.phase, Phase::Ended)
    }

    fn set_state(&self, state: ConnectionState) {
        self.shared.state.send_replace(state);
    }
}

/// The error for a connection that was closed properly, and that no attempt is left to follow.
fn given_up(attempts: u32, closed: Option<&CloseInfo>) -> Error {
    let (code, reason) = closed.map_or((1006, ""), |info| (info.code(), info.reason()));
    let mut text = format!(
        "no attempt is left after {attempts} in a row (Reconnecting::max_attempts); the last \
         connection was closed with {code}"
    );
    if !reason.is_empty() {
        text = format!("{text} {reason:?}");
    }
    Error::Closed(ErrorDetail::new(ErrorCode::ConnectionClosed, text))
}

/// Whoever waits to send is told that there will be no connection any more.
impl Drop for Reconnecting {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Reconnecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnecting")
            .field("state", &self.state())
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
