//! Receiving: octets are read only when nothing is left to be worked off, and what was queued leaves
//! before the task waits.

use super::turn::yield_to_others;
use super::{Heartbeat, Receive, Send, Shared, lock, release};
use crate::close_info::ClosedBy;
use crate::error::Error;
use crate::pool::{CHUNK, Chunk};
use crate::sync::MutexGuard;
use crate::transport::Transport;
use hybi_proto::connection::Receiver;
use hybi_proto::{ErrorCode, Event, Message};
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// Reads into the message itself, past the read buffer, from so many missing octets on.
const DIRECT_READ: usize = CHUNK;

impl Receive {
    /// Works off what has been read: as far as the next event, or as far as inflating may go before
    /// other tasks run.
    #[inline]
    pub(super) fn work_off(&mut self) -> Result<Option<Event>, hybi_proto::Error> {
        if let Some(message) = self.message_in_its_chunk() {
            return Ok(Some(Event::Message(message)));
        }
        let Some(chunk) = &mut self.chunk else { return self.receiver.receive_slice(&mut &[][..]) };
        let mut input = chunk.filled();
        let result = self.receiver.receive_slice(&mut input);
        match input.len() {
            0 => self.chunk = None,
            left => chunk.keep_last(left),
        }
        result
    }

    /// The next message if it has been read already, whole and by itself, and no deadline depends on
    /// it: what [`poll_event`](Shared::poll_event) would give, without its detours.
    #[inline]
    fn message_at_hand(&mut self) -> Option<Message> {
        if self.heartbeat.is_some() {
            return None;
        }
        if let Some(message) = self.message_in_its_chunk() {
            return Some(message);
        }
        let chunk = self.chunk.as_mut()?;
        let mut input = chunk.filled();
        let message = self.receiver.receive_whole(&mut input)?;
        match input.len() {
            0 => self.chunk = None,
            left => chunk.keep_last(left),
        }
        Some(message)
    }

    /// The message that nearly fills the chunk, in which it stays.
    #[inline]
    fn message_in_its_chunk(&mut self) -> Option<Message> {
        if self.chunk.as_ref()?.is_nearly_whole() { self.keep_chunk() } else { None }
    }

    #[inline(never)]
    fn keep_chunk(&mut self) -> Option<Message> {
        let (octets, start) = self.chunk.as_mut()?.memory();
        let message = self.receiver.receive_kept(octets, start)?;
        self.chunk = None;
        Some(message)
    }

    /// True if [`poll_event`](Shared::poll_event) would do nothing but read.
    #[inline]
    fn only_reads(&self) -> bool {
        self.chunk.is_none() && self.heartbeat.is_none() && !self.ended && !self.receiver.has_more()
    }
}

impl Shared {
    /// The next event; `None` at the end of the connection.
    pub(crate) fn poll_event(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Event>, Error>> {
        let event = ready!(self.poll_event_of(&mut lock(&self.receive), cx));
        if let Ok(Some(Event::Ping(_))) = event {
            self.answer();
        }
        Poll::Ready(event)
    }

    fn poll_event_of(
        self: &Arc<Self>,
        receive: &mut Receive,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Event>, Error>> {
        if let Some(heartbeat) = &mut receive.heartbeat {
            if let Some(event) = heartbeat.ahead.pop_front() {
                return Poll::Ready(Ok(Some(event)));
            }
            if let Some(end) = heartbeat.end.take() {
                return Poll::Ready(self.settle(receive, end).map(Some));
            }
        }
        loop {
            if receive.chunk.is_some() || receive.receiver.has_more() {
                if let Some(result) = receive.work_off().transpose() {
                    return Poll::Ready(self.settle(receive, result).map(Some));
                }
                if receive.receiver.is_paused() {
                    self.prepare_to_wait(cx);
                    yield_to_others(cx);
                    return Poll::Pending;
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

    /// The next message; `None` once the peer has sent a Close frame.
    pub(crate) fn poll_message(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message>, Error>> {
        let receive = &mut *lock(&self.receive);
        let mut pinged = false;
        loop {
            if let Some(message) = receive.message_at_hand() {
                if let Some(meter) = self.meter() {
                    meter.counts().received(1, message.len());
                }
                if pinged {
                    self.answer();
                }
                return Poll::Ready(Ok(Some(message)));
            }
            let event = match receive.only_reads() {
                true => ready!(self.poll_fill(receive, cx)).transpose()?,
                false => match ready!(self.poll_event_of(receive, cx))? {
                    None => return Poll::Ready(Ok(None)),
                    event => event,
                },
            };
            match event {
                Some(Event::Message(message)) => {
                    if pinged {
                        self.answer();
                    }
                    return Poll::Ready(Ok(Some(message)));
                }
                Some(Event::Ping(_)) => pinged = true,
                _ => {}
            }
        }
    }

    /// Lets pongs leave before the program gets what came after their pings: who knows when it will
    /// receive again.
    #[cold]
    fn answer(self: &Arc<Self>) {
        let send = lock(&self.send);
        if send.sender.has_outgoing() {
            self.queued(send);
        }
    }

    /// Lets messages come in pieces, or whole again; the rest of one that was begun is dropped then.
    pub(crate) fn set_in_pieces(&self, on: bool) {
        lock(&self.receive).receiver.set_in_pieces(on);
    }

    /// Queues what the protocol answers to an event or an error by itself.
    #[inline]
    fn settle(
        self: &Arc<Self>,
        receive: &mut Receive,
        result: Result<Event, hybi_proto::Error>,
    ) -> Result<Event, Error> {
        match result {
            Ok(event @ (Event::Message(_) | Event::Piece { .. } | Event::Pong(_))) => {
                self.note(receive.heartbeat.as_deref_mut(), &event);
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
                    if receive.ended {
                        self.note_end(&send);
                    }
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
                let ours = self.meter().and_then(|_| error.close_frame());
                let error = Error::from(error);
                if let Some(meter) = self.meter() {
                    if ours.is_some() {
                        meter.closes(ours);
                    }
                    meter.error(&error);
                    self.note_end(&send);
                }
                self.write_locked(send);
                Err(error)
            }
        }
    }

    /// A message or a pong has come.
    #[inline]
    pub(super) fn note(&self, heartbeat: Option<&mut Heartbeat>, event: &Event) {
        let mut round_trip = None;
        if let Some(heartbeat) = heartbeat {
            let now = Instant::now().into_std();
            match event {
                Event::Pong(payload) => round_trip = heartbeat.deadlines.pong(payload, now),
                _ => heartbeat.deadlines.message(now),
            }
        }
        let Some(meter) = self.meter() else { return };
        match event {
            Event::Message(message) => meter.counts().received(1, message.len()),
            Event::Piece { piece, last } => meter.counts().received((*last).into(), piece.len()),
            _ => {
                round_trip.inspect(|time| meter.round_trip(*time));
            }
        }
    }

    /// The connection has ended: nothing more will be received, whatever is still written.
    pub(super) fn note_end(&self, send: &Send) {
        if let Some(meter) = self.meter() {
            meter.ended(send.closed.as_deref());
        }
    }

    /// Reads once; an event comes of it only where a read completed a large message.
    fn poll_fill(
        self: &Arc<Self>,
        receive: &mut Receive,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Event, Error>>> {
        // Who has something to be worked off does not read.
        self.has_chunk.store(false, Relaxed);
        let mut closing = false;
        let read = loop {
            match self.poll_read(receive, cx) {
                Poll::Ready(read) => break read,
                Poll::Pending if closing => return self.poll_close_timer(receive, cx),
                // Who gave the transport up before the reader was noted has not woken it: once more.
                Poll::Pending if self.prepare_to_wait(cx) => closing = true,
                Poll::Pending => return Poll::Pending,
            }
        };
        match read {
            Ok(1..) if receive.chunk.is_some() => Poll::Ready(None),
            read => Poll::Ready(self.read_without_chunk(receive, read)),
        }
    }

    /// What comes of a read that brought no chunk.
    #[inline(never)]
    fn read_without_chunk(
        self: &Arc<Self>,
        receive: &mut Receive,
        read: io::Result<usize>,
    ) -> Option<Result<Event, Error>> {
        match read {
            Ok(0) => self.receive_eof(receive),
            Ok(_) => {
                let result = receive.receiver.commit().transpose();
                result.map(|result| self.settle(receive, result))
            }
            Err(error) => self.read_failed(receive, error),
        }
    }

    /// Reads once, into a chunk or into a large message.
    fn poll_read(&self, receive: &mut Receive, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut io = lock(&self.io);
        let into_message = match receive.receiver.is_mid_message() {
            true => poll_read_message(&mut receive.receiver, &mut io, cx),
            false => None,
        };
        let read = match into_message {
            Some(read) => read,
            None => {
                if std::mem::take(&mut receive.has_read) {
                    // Mostly there is no more: found out without a buffer. If there is, the task's
                    // budget pays for it.
                    ready!(io.poll_read_ready(cx))?;
                }
                let mut chunk = Chunk::take();
                let read = chunk.poll_read(&mut io, cx);
                if let Poll::Ready(Ok(1..)) = read {
                    receive.has_read = true;
                    receive.chunk = Some(chunk);
                    self.has_chunk.store(true, Relaxed);
                }
                read
            }
        };
        let direct = io.is_direct();
        drop(io);
        match &read {
            Poll::Ready(Ok(octets)) => {
                if let (1.., Some(heartbeat)) = (*octets, &mut receive.heartbeat) {
                    heartbeat.received();
                }
                if let Some(meter) = self.meter() {
                    meter.counts().read_octets(*octets);
                }
            }
            // Reading may have had to write and taken the write readiness for itself.
            Poll::Pending if !direct => lock(&self.send).wake_drain(),
            _ => {}
        }
        read
    }

    /// The task is about to wait: what is queued leaves now, or when the batch ends that gathers it.
    /// Tells whether the closing handshake has begun.
    fn prepare_to_wait(self: &Arc<Self>, cx: &mut Context<'_>) -> bool {
        let mut send = lock(&self.send);
        if !send.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            send.reader = Some(cx.waker().clone());
        }
        let closing = !send.sender.is_open();
        if !send.gathering {
            self.write_locked(send);
        }
        closing
    }

    fn receive_eof(&self, receive: &mut Receive) -> Option<Result<Event, Error>> {
        let mut send = lock(&self.send);
        let result = send.sender.receive_eof();
        self.end(receive, send, result.err().map(Error::from))
    }

    fn read_failed(&self, receive: &mut Receive, error: io::Error) -> Option<Result<Event, Error>> {
        let send = lock(&self.send);
        let what = "reading from the connection failed";
        let error = (!send.sender.is_closed()).then(|| Error::io(ErrorCode::Io, what, error));
        self.end(receive, send, error)
    }

    /// Nothing more will come; `error` is the reason if it was not agreed on.
    fn end(
        &self,
        receive: &mut Receive,
        mut send: MutexGuard<'_, Send>,
        error: Option<Error>,
    ) -> Option<Result<Event, Error>> {
        receive.ended = true;
        // It is the caller.
        send.reader = None;
        let failure = send.failure().cloned();
        // When the Close frame has come, how TCP ends after it tells nothing more.
        let error = failure.or(error).filter(|_| !receive.receiver.is_finished());
        if let (Some(meter), Some(error)) = (self.meter(), &error) {
            meter.error(error);
        }
        self.give_up(send);
        error.map(Err)
    }

    /// Ends the connection when the peer takes too long over the closing handshake.
    fn poll_close_timer(
        &self,
        receive: &mut Receive,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Event, Error>>> {
        if cfg!(hybi_loom) {
            // There is no time in a model.
            return Poll::Pending;
        }
        let timer = receive.close_timer.get_or_insert_with(|| {
            let runtime = self.runtime.handle();
            let _entered = runtime.as_ref().map(Handle::enter);
            Box::pin(tokio::time::sleep_until(self.close_deadline()))
        });
        ready!(timer.as_mut().poll(cx));
        let error = Error::timeout(
            ErrorCode::PeerTimeout,
            "the peer did not finish the closing handshake in time (see Options::close_timeout)",
        );
        Poll::Ready(self.end(receive, lock(&self.send), Some(error)))
    }

    /// Drops what still comes. When the connection has ended, TCP is closed, although writers may
    /// still be held, unless something is still being written.
    pub(crate) fn poll_finish(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        let receive = &mut *lock(&self.receive);
        while let Ok(Some(event)) = ready!(self.poll_event_of(receive, cx)) {
            if let Event::Ping(_) = event {
                self.answer();
            }
        }
        if !lock(&self.send).turn {
            let transport = std::mem::replace(&mut *lock(&self.io), Transport::Closed);
            release(transport, receive.linger, &self.runtime);
        }
        Poll::Ready(())
    }

    /// Gives a read buffer that is nearly empty back, because the handler waits for something else.
    #[inline]
    pub(crate) fn rest(&self) {
        if self.has_chunk.load(Relaxed) {
            self.shrink_chunk();
        }
    }

    #[inline(never)]
    fn shrink_chunk(&self) {
        if let Some(chunk) = &mut lock(&self.receive).chunk {
            chunk.shrink();
        }
    }
}

/// Reads once into a large message; `None` if none is arriving.
#[inline(never)]
fn poll_read_message(
    receiver: &mut Receiver,
    io: &mut Transport,
    cx: &mut Context<'_>,
) -> Option<Poll<io::Result<usize>>> {
    let mut spare = receiver.spare(DIRECT_READ)?;
    Some(pin!(io.read_buf(&mut spare)).poll(cx))
}
