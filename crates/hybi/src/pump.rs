//! [`Shared`]: one connection, and the only code that reads and writes its transport.
//!
//! A connection is one allocation behind an [`Arc`]: the reader and any number of writers share it.
//! Three locks, always taken in this order: `receive` (held by the one reader while it is polled),
//! then either `send` (held for the time it takes to queue or hand out frames) or `io` (held for one
//! system call). No lock is held across an `.await`.
//!
//! **The write turn.** Whoever finds frames queued and nobody writing takes the turn, writes until
//! nothing is left, and gives the turn back. Mostly this happens at once, in the call that queued the
//! frames. If the transport takes no more, the turn passes to a task of its own ([`Drain`]) that lives
//! only as long as the transport is full. So whatever was accepted is written without anyone's
//! further action, and whatever is queued meanwhile leaves in one write.

use crate::batch;
use crate::close_info::{CloseInfo, ClosedBy};
use crate::error::Error;
use crate::pool::{CHUNK, Chunk};
use crate::transport::Transport;
use bytes::Buf;
use hybi_proto::connection::{Action, Deadlines, Outgoing, Receiver, Sender};
use hybi_proto::{
    CloseCode, CloseFrame, Connection, ErrorCode, Event, Message, Options, PreparedMessage,
    Utf8Bytes,
};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Octets that gather within one [`batch`](crate::batch()) before they are written all the same.
const GATHER: usize = 64 * 1024;

/// Slices handed to one vectored write.
const SLICES: usize = 64;

/// Reads into the message itself, past the read buffer, from so many missing octets on.
const DIRECT_READ: usize = CHUNK;

/// How long, and for how many octets, a peer that broke the rules is still listened to.
pub(crate) const LINGER: Duration = Duration::from_secs(2);
const LINGER_OCTETS: u64 = 16 * 1024 * 1024;

/// Events that the heartbeat reads ahead of the handler.
const LOOK_AHEAD: usize = 64;

const WRITE_FAILED: &str = "writing to the connection failed";

/// One connection.
#[derive(Debug)]
pub(crate) struct Shared {
    receive: Mutex<Receive>,
    send: Mutex<Send>,
    io: Mutex<Transport>,
    options: Arc<Options>,
    subprotocol: Option<Box<str>>,
}

/// What only the reader needs.
#[derive(Debug)]
struct Receive {
    receiver: Receiver,
    /// Octets that have been read and not yet worked off.
    chunk: Option<Chunk>,
    /// Only if there are deadlines to be kept.
    heartbeat: Option<Box<Heartbeat>>,
    /// Nothing more will come: the end or an error has been told.
    ended: bool,
    /// The peer broke the rules and may still be sending: TCP is closed gently, so that it gets to
    /// read why.
    linger: bool,
    /// Runs from the moment a Close frame is sent or queued.
    close_timer: Option<Pin<Box<Sleep>>>,
}

/// The deadlines, and what was come across while keeping them.
#[derive(Debug)]
struct Heartbeat {
    deadlines: Deadlines,
    /// Events that were read before they were asked for.
    ahead: VecDeque<Event>,
    /// What came last: a Close frame or an error, not yet answered.
    end: Option<Result<Event, hybi_proto::Error>>,
}

impl Heartbeat {
    /// True if the handler has more to read than is read ahead of it.
    fn is_ahead(&self) -> bool {
        self.end.is_some()
            || self.ahead.len() >= LOOK_AHEAD
            || matches!(self.ahead.back(), Some(Event::Message(_)))
    }

    fn received(&mut self) {
        self.deadlines.received(Instant::now().into_std());
    }
}

/// What everyone who sends needs.
#[derive(Debug)]
struct Send {
    sender: Sender,
    /// Somebody has the write turn.
    turn: bool,
    /// On the list of the batch that is being gathered.
    gathering: bool,
    /// The transport has been shut down for writing.
    shut_down: bool,
    /// How the end came about, once it has begun.
    closed: Option<Box<CloseInfo>>,
    /// The task that waits for octets to come.
    reader: Option<Waker>,
    /// Only for a connection whose transport is full or broken.
    trouble: Option<Box<Trouble>>,
}

/// What a connection needs once its transport is full or broken.
#[derive(Debug, Default)]
struct Trouble {
    /// The transport failed: what was not written will never be.
    failure: Option<Error>,
    /// The task that has the write turn.
    drain: Option<Waker>,
    /// Tasks that wait for room or for everything to be written.
    waiting: Vec<Waker>,
}

/// A panic while a lock was held leaves the connection as it was: every step under a lock is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// `early` are the octets that came together with the opening handshake.
    pub(crate) fn new(
        connection: Connection,
        transport: Transport,
        options: Arc<Options>,
        subprotocol: Option<String>,
        early: &[u8],
    ) -> Arc<Self> {
        let (receiver, sender) = connection.split();
        let heartbeat = options.has_heartbeat().then(|| {
            let deadlines = options.deadlines(Instant::now().into_std());
            Box::new(Heartbeat { deadlines, ahead: VecDeque::new(), end: None })
        });
        Arc::new(Shared {
            receive: Mutex::new(Receive {
                receiver,
                chunk: Chunk::from_octets(early),
                heartbeat,
                ended: false,
                linger: false,
                close_timer: None,
            }),
            send: Mutex::new(Send {
                sender,
                turn: false,
                gathering: false,
                shut_down: false,
                closed: None,
                reader: None,
                trouble: None,
            }),
            io: Mutex::new(transport),
            options,
            subprotocol: subprotocol.map(String::into_boxed_str),
        })
    }

    /// The subprotocol that was agreed on.
    pub(crate) fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The address of the peer, over TCP.
    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        lock(&self.io).peer_addr()
    }

    // ---- receiving ----

    /// The next event; `None` at the end of the connection.
    pub(crate) fn poll_event(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Event>, Error>> {
        let receive = &mut *lock(&self.receive);
        if let Some(heartbeat) = &mut receive.heartbeat {
            if let Some(event) = heartbeat.ahead.pop_front() {
                return Poll::Ready(Ok(Some(event)));
            }
            if let Some(end) = heartbeat.end.take() {
                return Poll::Ready(self.settle(receive, end).map(Some));
            }
        }
        loop {
            if let Some(chunk) = &mut receive.chunk {
                let mut input = chunk.filled();
                let result = receive.receiver.receive(&mut input);
                match input.len() {
                    0 => receive.chunk = None,
                    left => chunk.keep_last(left),
                }
                if let Some(result) = result.transpose() {
                    return Poll::Ready(self.settle(receive, result).map(Some));
                }
            }
            if receive.ended {
                return Poll::Ready(Ok(None));
            }
            if let Some(result) = ready!(self.poll_fill(receive, cx)) {
                return Poll::Ready(result.map(Some));
            }
        }
    }

    /// The next message; `None` once the peer has closed cleanly.
    pub(crate) fn poll_message(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message>, Error>> {
        loop {
            match ready!(self.poll_event(cx))? {
                Some(Event::Message(message)) => return Poll::Ready(Ok(Some(message))),
                Some(_) => {}
                None => return Poll::Ready(Ok(None)),
            }
        }
    }

    /// Queues what the protocol answers to an event or an error by itself.
    #[inline]
    fn settle(
        self: &Arc<Self>,
        receive: &mut Receive,
        result: Result<Event, hybi_proto::Error>,
    ) -> Result<Event, Error> {
        match result {
            Ok(event @ (Event::Message(_) | Event::Pong(_))) => {
                if let Some(heartbeat) = &mut receive.heartbeat {
                    let now = Instant::now().into_std();
                    match &event {
                        Event::Pong(payload) => heartbeat.deadlines.pong(payload, now),
                        _ => heartbeat.deadlines.message(now),
                    }
                }
                Ok(event)
            }
            Ok(event) => {
                let mut send = lock(&self.send);
                if let Event::Close(frame) = &event {
                    send.closed_by(ClosedBy::Peer).receive(frame.clone());
                }
                send.sender.react(&event);
                if matches!(event, Event::Close(_)) {
                    receive.ended = send.sender.wants_shutdown();
                    self.write_locked(send);
                }
                Ok(event)
            }
            Err(error) => {
                receive.ended = true;
                receive.chunk = None;
                receive.linger = true;
                let mut send = lock(&self.send);
                send.closed_by(ClosedBy::Us);
                send.sender.fail(&error);
                self.write_locked(send);
                Err(error.into())
            }
        }
    }

    /// Reads once; an event comes of it only where a read completed a large message.
    fn poll_fill(
        self: &Arc<Self>,
        receive: &mut Receive,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Event, Error>>> {
        let closing = self.prepare_to_wait(cx);
        let mut io = lock(&self.io);
        let read = match receive.receiver.spare(DIRECT_READ) {
            Some(mut spare) => pin!(io.read_buf(&mut spare)).poll(cx),
            None => {
                let mut chunk = Chunk::take();
                let mut buf = ReadBuf::new(chunk.free());
                let read = Pin::new(&mut *io).poll_read(cx, &mut buf);
                let octets = buf.filled().len();
                if octets > 0 {
                    chunk.fill(octets);
                    receive.chunk = Some(chunk);
                }
                read.map_ok(|()| octets)
            }
        };
        let direct = io.is_direct();
        drop(io);
        if let (Poll::Ready(Ok(1..)), Some(heartbeat)) = (&read, &mut receive.heartbeat) {
            heartbeat.received();
        }
        match read {
            Poll::Ready(Ok(0)) => Poll::Ready(self.receive_eof(receive)),
            Poll::Ready(Ok(_)) if receive.chunk.is_some() => Poll::Ready(None),
            Poll::Ready(Ok(_)) => {
                let result = receive.receiver.commit().transpose();
                Poll::Ready(result.map(|result| self.settle(receive, result)))
            }
            Poll::Ready(Err(error)) => Poll::Ready(self.read_failed(receive, error)),
            Poll::Pending => {
                if !direct {
                    // Reading may have had to write and taken the write readiness for itself.
                    lock(&self.send).wake_drain();
                }
                if closing { self.poll_close_timer(receive, cx) } else { Poll::Pending }
            }
        }
    }

    /// The task is about to wait: what it has gathered leaves now. Tells whether the closing
    /// handshake has begun.
    fn prepare_to_wait(self: &Arc<Self>, cx: &mut Context<'_>) -> bool {
        let mut send = lock(&self.send);
        if !send.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            send.reader = Some(cx.waker().clone());
        }
        let closing = !send.sender.is_open();
        self.write_locked(send);
        closing
    }

    fn receive_eof(&self, receive: &mut Receive) -> Option<Result<Event, Error>> {
        let result = lock(&self.send).sender.receive_eof();
        self.end(receive, result.err().map(Error::from))
    }

    fn read_failed(&self, receive: &mut Receive, error: io::Error) -> Option<Result<Event, Error>> {
        let closed = lock(&self.send).sender.is_closed();
        let what = "reading from the connection failed";
        self.end(receive, (!closed).then(|| Error::io(ErrorCode::Io, what, error)))
    }

    /// Nothing more will come; `error` is the reason if it was not agreed on.
    fn end(&self, receive: &mut Receive, error: Option<Error>) -> Option<Result<Event, Error>> {
        receive.ended = true;
        let failure = lock(&self.send).failure().cloned();
        self.give_up();
        if receive.receiver.is_finished() {
            // The Close frame has come: how TCP ends after it tells nothing more.
            return None;
        }
        failure.or(error).map(Err)
    }

    /// Ends the connection when the peer takes too long over the closing handshake.
    fn poll_close_timer(
        &self,
        receive: &mut Receive,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Event, Error>>> {
        let timer = receive.close_timer.get_or_insert_with(|| {
            let now = Instant::now().into_std();
            let mut deadlines = self.options.deadlines(now);
            deadlines.closing(now);
            let at = deadlines.next().unwrap_or(now);
            Box::pin(tokio::time::sleep_until(Instant::from_std(at)))
        });
        ready!(timer.as_mut().poll(cx));
        let error = Error::timeout(
            ErrorCode::PeerTimeout,
            "the peer did not finish the closing handshake in time (see Options::close_timeout)",
        );
        Poll::Ready(self.end(receive, Some(error)))
    }

    /// The connection has ended and nobody reads any more: closes TCP, although writers may still be
    /// held, unless something is still being written.
    pub(crate) fn finish(&self) {
        let linger = lock(&self.receive).linger;
        if lock(&self.send).turn {
            return;
        }
        let transport = std::mem::replace(&mut *lock(&self.io), Transport::Closed);
        release(transport, linger);
    }

    /// Gives a read buffer that is nearly empty back, because the handler waits for something else.
    pub(crate) fn rest(&self) {
        if let Some(chunk) = &mut lock(&self.receive).chunk {
            chunk.shrink();
        }
    }

    // ---- the heartbeat ----

    /// True if there are deadlines to be kept.
    pub(crate) fn has_heartbeat(&self) -> bool {
        self.options.has_heartbeat()
    }

    /// How long the last heartbeat took to come back.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        lock(&self.receive).heartbeat.as_ref()?.deadlines.round_trip()
    }

    /// Keeps the deadlines: pings, closes when idle, gives up a peer that is silent. Ready when
    /// there is nothing left to be kept.
    pub(crate) fn poll_heartbeat(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        sleep: &mut Pin<Box<Sleep>>,
    ) -> Poll<()> {
        loop {
            let next = {
                let receive = &mut *lock(&self.receive);
                match &receive.heartbeat {
                    Some(heartbeat) if !receive.ended => heartbeat.deadlines.next(),
                    _ => None,
                }
            };
            let Some(next) = next.map(Instant::from_std) else { return Poll::Ready(()) };
            if sleep.deadline() != next {
                sleep.as_mut().reset(next);
            }
            ready!(sleep.as_mut().poll(cx));
            match self.next_action() {
                Action::Wait => {}
                // The connection may be closing by now: no ping is needed then.
                Action::Ping(payload) => drop(self.queue(|sender| sender.ping(&payload))),
                Action::CloseIdle => {
                    let reason = Utf8Bytes::from_static("idle");
                    drop(self.close(Some(CloseFrame { code: CloseCode::GOING_AWAY, reason })));
                }
                Action::GiveUp(error) => {
                    lock(&self.send).fail(error.into());
                    self.give_up();
                    return Poll::Ready(());
                }
            }
        }
    }

    fn next_action(self: &Arc<Self>) -> Action {
        let now = Instant::now().into_std();
        let receive = &mut *lock(&self.receive);
        self.look_ahead(receive);
        let Some(heartbeat) = &mut receive.heartbeat else { return Action::Wait };
        let send = lock(&self.send);
        if !send.sender.is_open() {
            heartbeat.deadlines.closing(now);
        }
        heartbeat.deadlines.handle(now, send.sender.messages())
    }

    /// Reads what the handler has left unread, as far as the next message: a handler that only
    /// sends never gets to see that the peer answers its pings.
    fn look_ahead(self: &Arc<Self>, receive: &mut Receive) {
        while !receive.ended {
            let Receive { heartbeat: Some(heartbeat), chunk, receiver, .. } = receive else {
                return;
            };
            if heartbeat.is_ahead() {
                // The handler is behind, not the peer: it has said more than was read.
                heartbeat.received();
                return;
            }
            let Some(octets) = chunk else {
                *chunk = self.read_ahead();
                if chunk.is_none() {
                    return;
                }
                heartbeat.received();
                continue;
            };
            let mut input = octets.filled();
            let result = receiver.receive(&mut input);
            match input.len() {
                0 => *chunk = None,
                left => octets.keep_last(left),
            }
            match result.transpose() {
                None => {}
                Some(Ok(event @ (Event::Message(_) | Event::Pong(_)))) => {
                    heartbeat.ahead.push_back(event);
                }
                Some(Ok(event @ Event::Ping(_))) => {
                    let mut send = lock(&self.send);
                    send.sender.react(&event);
                    self.write_locked(send);
                    heartbeat.ahead.push_back(event);
                }
                // Answered when the handler gets to see it, so that it can still send before.
                Some(end) => heartbeat.end = Some(end),
            }
        }
    }

    /// Reads once without waiting.
    fn read_ahead(&self) -> Option<Chunk> {
        // Whoever waits in `recv` must stay the one that is woken.
        let reader = lock(&self.send).reader.clone();
        let waker = reader.as_ref().unwrap_or(Waker::noop());
        let mut chunk = Chunk::take();
        let mut buf = ReadBuf::new(chunk.free());
        let mut io = lock(&self.io);
        let read = Pin::new(&mut *io).poll_read(&mut Context::from_waker(waker), &mut buf);
        let octets = buf.filled().len();
        let direct = io.is_direct();
        drop(io);
        if !direct {
            // Reading may have had to write and taken the write readiness for itself.
            lock(&self.send).wake_drain();
        }
        chunk.fill(octets);
        (matches!(read, Poll::Ready(Ok(()))) && octets > 0).then_some(chunk)
    }

    // ---- sending ----

    /// Queues a message as soon as there is room for it; `message` is taken when it is accepted.
    pub(crate) fn poll_send(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
        compress: bool,
    ) -> Poll<Result<(), Error>> {
        let len = message.as_ref().map_or(0, Message::len);
        let mut send = ready!(self.poll_room(cx, len))?;
        if let Some(message) = message.take() {
            send.sender.send_with(message, compress)?;
        }
        self.queued(send);
        Poll::Ready(Ok(()))
    }

    /// Waits until there is room for `len` octets.
    pub(crate) fn poll_ready(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        len: usize,
    ) -> Poll<Result<(), Error>> {
        self.poll_room(cx, len).map_ok(drop)
    }

    fn poll_room(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        len: usize,
    ) -> Poll<Result<MutexGuard<'_, Send>, Error>> {
        let mut send = lock(&self.send);
        // A loop that only sends must let other tasks run now and then; within a batch it is enough
        // to look when what it has gathered is about to be written.
        if send.sender.buffered() + len >= GATHER || !batch::is_active() {
            drop(send);
            ready!(tokio::task::coop::poll_proceed(cx)).made_progress();
            send = lock(&self.send);
        }
        if !send.sender.has_room(len) {
            // What a batch has gathered may make room by being written.
            self.write_locked(send);
            send = lock(&self.send);
            if send.sender.is_open() && !send.sender.has_room(len) {
                send.wait(cx);
                return Poll::Pending;
            }
        }
        send.check()?;
        Poll::Ready(Ok(send))
    }

    /// Queues something at once, whether there is room or not: for frames that are bounded by
    /// themselves, or after [`poll_ready`](Self::poll_ready).
    pub(crate) fn queue(
        self: &Arc<Self>,
        what: impl FnOnce(&mut Sender) -> Result<(), hybi_proto::Error>,
    ) -> Result<(), Error> {
        let mut send = lock(&self.send);
        send.check()?;
        what(&mut send.sender)?;
        self.queued(send);
        Ok(())
    }

    /// Queues a message if there is room; gives it back if there is not.
    pub(crate) fn try_send(self: &Arc<Self>, message: Message) -> Result<(), TrySendError> {
        let mut send = lock(&self.send);
        if let Err(error) = send.check() {
            return Err(TrySendError::Failed(error));
        }
        if !send.sender.has_room(message.len()) {
            return Err(TrySendError::Full(message));
        }
        send.sender.send(message).map_err(|error| TrySendError::Failed(error.into()))?;
        self.queued(send);
        Ok(())
    }

    /// As [`try_send`](Self::try_send), for a message that goes to many.
    pub(crate) fn try_send_prepared(
        self: &Arc<Self>,
        message: &PreparedMessage,
    ) -> Result<(), TrySendError> {
        let mut send = lock(&self.send);
        if let Err(error) = send.check() {
            return Err(TrySendError::Failed(error));
        }
        if !send.sender.has_room(message.message().len()) {
            return Err(TrySendError::Full(message.message().clone()));
        }
        send.sender.send_prepared(message).map_err(|error| TrySendError::Failed(error.into()))?;
        self.queued(send);
        Ok(())
    }

    /// Queues a message and leaves it there until something is written anyway.
    pub(crate) fn poll_feed(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), Error>> {
        let len = message.as_ref().map_or(0, Message::len);
        let mut send = ready!(self.poll_room(cx, len))?;
        if let Some(message) = message.take() {
            send.sender.send(message)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Queues a ping as soon as there is room for it.
    pub(crate) async fn ping(self: &Arc<Self>, payload: &[u8]) -> Result<(), Error> {
        poll_fn(|cx| self.poll_ready(cx, payload.len())).await?;
        self.queue(|sender| sender.ping(payload))
    }

    /// Waits until everything accepted has been written.
    pub(crate) fn poll_flush(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.write();
        let mut send = lock(&self.send);
        send.check()?;
        if send.turn || send.sender.has_outgoing() {
            send.wait(cx);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Octets accepted and not yet written.
    pub(crate) fn buffered(&self) -> usize {
        lock(&self.send).sender.buffered()
    }

    /// True until a Close frame has been sent, received or made necessary by an error.
    pub(crate) fn is_open(&self) -> bool {
        lock(&self.send).sender.is_open()
    }

    /// How the end came about, once it has begun.
    pub(crate) fn close_info(&self) -> Option<CloseInfo> {
        lock(&self.send).closed.as_deref().cloned()
    }

    /// Begins the closing handshake.
    pub(crate) fn close(self: &Arc<Self>, frame: Option<CloseFrame>) -> Result<(), Error> {
        let mut send = lock(&self.send);
        send.sender.close(frame)?;
        send.closed_by(ClosedBy::Us);
        let reader = send.reader.clone();
        // Who waits for room waits for nothing now.
        send.wake_waiting();
        self.write_locked(send);
        // The reader has to start the timer of the closing handshake.
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }

    /// Cuts the connection without a closing handshake: what was not written is lost.
    pub(crate) fn terminate(&self) {
        lock(&self.send).closed_by(ClosedBy::Us);
        self.give_up();
    }

    fn queued(self: &Arc<Self>, mut send: MutexGuard<'_, Send>) {
        if !send.turn && send.sender.buffered() < GATHER && batch::is_active() {
            if !send.gathering {
                send.gathering = true;
                drop(send);
                batch::add(self.clone());
            }
            return;
        }
        self.write_locked(send);
    }

    // ---- the write turn ----

    /// The batch that this connection gathered for has ended.
    pub(crate) fn end_of_batch(self: &Arc<Self>) {
        let mut send = lock(&self.send);
        send.gathering = false;
        self.write_locked(send);
    }

    /// Writes what is queued, unless somebody does so already.
    pub(crate) fn write(self: &Arc<Self>) {
        self.write_locked(lock(&self.send));
    }

    fn write_locked(self: &Arc<Self>, mut send: MutexGuard<'_, Send>) {
        if send.turn || !send.has_work() {
            return;
        }
        send.turn = true;
        let mut turn = Turn { outgoing: send.sender.take().unwrap_or_default(), flushed: false };
        drop(send);
        // Writing to a thousand connections in one go is not this task's budget to pay for: a write
        // that is refused for want of budget would look like a transport that is full.
        let at_once = pin!(tokio::task::unconstrained(poll_fn(|cx| self.poll_turn(cx, &mut turn))));
        if at_once.poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
        let drain = Drain { shared: self.clone(), turn, done: false };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(drain)),
            // Without a runtime nobody can wait for the transport: dropping it fails the connection.
            Err(_) => drop(drain),
        }
    }

    /// Writes until nothing is left, then gives the turn back.
    fn poll_turn(&self, cx: &mut Context<'_>, turn: &mut Turn) -> Poll<()> {
        loop {
            let before = turn.outgoing.remaining();
            let result = self.poll_write_out(cx, turn);
            let written = before - turn.outgoing.remaining();
            let mut send = lock(&self.send);
            send.sender.written(written);
            match result {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    // What the peer has sent can still be read.
                    send.fail(Error::io(ErrorCode::Io, WRITE_FAILED, error));
                    return Poll::Ready(());
                }
            }
            turn.flushed = false;
            if let Some(more) = send.sender.take() {
                turn.outgoing = more;
                continue;
            }
            if send.sender.wants_shutdown() && !send.shut_down {
                drop(send);
                // The peer sees the end of the stream after the Close frame, whatever comes of it.
                let _ = ready!(Pin::new(&mut *lock(&self.io)).poll_shutdown(cx));
                lock(&self.send).shut_down = true;
                continue;
            }
            send.turn = false;
            send.wake_waiting();
            return Poll::Ready(());
        }
    }

    /// Writes what has been handed out, and flushes the transport if it holds octets back.
    fn poll_write_out(&self, cx: &mut Context<'_>, turn: &mut Turn) -> Poll<io::Result<()>> {
        let mut io = lock(&self.io);
        while turn.outgoing.has_remaining() {
            let written = match turn.outgoing.contiguous() {
                Some(octets) => Pin::new(&mut *io).poll_write(cx, octets),
                None => {
                    let mut slices = [IoSlice::new(&[]); SLICES];
                    let filled = turn.outgoing.io_slices(&mut slices);
                    Pin::new(&mut *io).poll_write_vectored(cx, &slices[..filled])
                }
            };
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => turn.outgoing.advance(written),
            }
        }
        if !turn.flushed && !io.is_direct() {
            ready!(Pin::new(&mut *io).poll_flush(cx))?;
        }
        turn.flushed = true;
        Poll::Ready(Ok(()))
    }

    /// Gives the transport up, in both directions.
    fn give_up(&self) {
        let mut send = lock(&self.send);
        send.abort();
        let reader = send.reader.take();
        drop(send);
        let transport = std::mem::replace(&mut *lock(&self.io), Transport::Closed);
        drop(transport);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Send {
    /// True if there is something to be done with the write turn.
    fn has_work(&self) -> bool {
        self.sender.has_outgoing() || (self.sender.wants_shutdown() && !self.shut_down)
    }

    fn check(&self) -> Result<(), Error> {
        match self.failure() {
            None => Ok(()),
            Some(failure) => Err(failure.clone()),
        }
    }

    /// The transport takes nothing more: what was accepted and not written is lost, and whoever
    /// sends is told so.
    fn fail(&mut self, failure: Error) {
        if !self.sender.is_closed() {
            self.trouble.get_or_insert_default().failure.get_or_insert(failure);
        }
        self.abort();
    }

    /// The end has begun; who began it is kept from the first time.
    fn closed_by(&mut self, by: ClosedBy) -> &mut CloseInfo {
        self.closed.get_or_insert_with(|| Box::new(CloseInfo::new(by)))
    }

    fn abort(&mut self) {
        self.closed_by(ClosedBy::Nobody);
        self.sender.abort();
        self.shut_down = true;
        self.turn = false;
        self.wake_drain();
        self.wake_waiting();
    }

    fn wait(&mut self, cx: &mut Context<'_>) {
        let waiting = &mut self.trouble.get_or_insert_default().waiting;
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
    }

    /// The transport is no longer full: whoever waited for that goes on.
    fn wake_waiting(&mut self) {
        let Some(trouble) = &mut self.trouble else { return };
        for waker in std::mem::take(&mut trouble.waiting) {
            waker.wake();
        }
        if trouble.failure.is_none() && !self.turn {
            self.trouble = None;
        }
    }

    fn wake_drain(&mut self) {
        let drain = self.trouble.as_mut().and_then(|trouble| trouble.drain.take());
        if let Some(drain) = drain {
            drain.wake();
        }
    }

    fn failure(&self) -> Option<&Error> {
        self.trouble.as_ref()?.failure.as_ref()
    }
}

/// The write turn: what its holder has been handed out.
#[derive(Debug)]
struct Turn {
    outgoing: Outgoing,
    /// The transport holds nothing of it back.
    flushed: bool,
}

/// Holds the write turn while the transport is full.
struct Drain {
    shared: Arc<Shared>,
    turn: Turn,
    done: bool,
}

impl Future for Drain {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        {
            let mut send = lock(&this.shared.send);
            if !send.turn {
                // The connection was given up meanwhile.
                this.done = true;
                return Poll::Ready(());
            }
            send.trouble.get_or_insert_default().drain = Some(cx.waker().clone());
        }
        ready!(this.shared.poll_turn(cx, &mut this.turn));
        this.done = true;
        Poll::Ready(())
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        if !self.done {
            let error = io::Error::other("the tokio runtime has ended, or there is none");
            lock(&self.shared.send).fail(Error::io(ErrorCode::Io, WRITE_FAILED, error));
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let linger = self.receive.get_mut().unwrap_or_else(PoisonError::into_inner).linger;
        let io = self.io.get_mut().unwrap_or_else(PoisonError::into_inner);
        release(std::mem::replace(io, Transport::Closed), linger);
    }
}

/// Closes a transport; gently if the peer broke the rules and is to read our Close frame: closing a
/// socket with unread octets resets the connection, which can overtake the frame. What still comes
/// is read and dropped then, for a bounded time.
fn release(mut transport: Transport, linger: bool) {
    if !linger || matches!(transport, Transport::Closed) {
        return;
    }
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(tokio::time::timeout(LINGER, async move {
            drop_input(&mut transport).await;
        }));
    }
}

pub(crate) async fn drop_input(transport: &mut Transport) {
    let mut sink = tokio::io::sink();
    let mut input = transport.take(LINGER_OCTETS);
    let _ = tokio::io::copy(&mut input, &mut sink).await;
}

/// Why a message was not accepted at once.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum TrySendError {
    /// More than `max_buffered` octets would wait; here is the message again.
    Full(Message),
    /// The connection is closing, closed or broken.
    Failed(Error),
}

impl std::fmt::Display for TrySendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TrySendError::Full(message) => write!(
                f,
                "no room for a message of {} bytes (wait with send, or raise Options::max_buffered)",
                message.len()
            ),
            TrySendError::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TrySendError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_one_small_allocation() {
        assert!(size_of::<Shared>() <= 360, "{}", size_of::<Shared>());
    }
}
