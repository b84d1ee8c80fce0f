//! Sending: what may be queued, and when it is written.

use super::{Send, Shared, lock};
use crate::batch;
use crate::close_info::{CloseInfo, ClosedBy};
use crate::error::Error;
use crate::sync::MutexGuard;
use bytes::Bytes;
use hybi_proto::connection::Sender;
use hybi_proto::{CloseFrame, Message, PreparedMessage};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Octets that gather within one [`batch`](crate::batch()) before they are written all the same.
const GATHER: usize = 64 * 1024;

impl Shared {
    /// Queues a message as soon as there is room for it; `message` is taken when it is accepted.
    pub(crate) fn poll_send(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
        compress: bool,
    ) -> Poll<Result<(), Error>> {
        let len = message.as_ref().map_or(0, Message::len);
        let mut send = lock(&self.send);
        let gathers = send.gathers(len);
        if !gathers {
            drop(send);
            send = ready!(self.poll_room(cx, len, false))?;
        }
        if let Some(message) = message.take() {
            send.sender.send_with(message, compress)?;
            self.note_sent(1, len);
        }
        // What gathers already leaves at the end of the batch.
        if !(gathers && send.gathering) {
            match gathers && !send.turn {
                true => self.gather(send),
                false => self.queued(send),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until there is room for `len` octets.
    pub(crate) fn poll_ready(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        len: usize,
    ) -> Poll<Result<(), Error>> {
        self.poll_room(cx, len, false).map_ok(drop)
    }

    fn poll_room(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        len: usize,
        piece: bool,
    ) -> Poll<Result<MutexGuard<'_, Send>, Error>> {
        let mut send = lock(&self.send);
        // A loop that only sends must let other tasks run now and then; within a batch it is enough
        // to look when what it has gathered is about to be written.
        if send.sender.buffered() + len >= GATHER || !batch::is_active() {
            drop(send);
            ready!(tokio::task::coop::poll_proceed(cx)).made_progress();
            send = lock(&self.send);
        }
        if send.in_pieces && !piece && send.sender.is_open() {
            // Whoever sends it makes room when it is complete.
            send.wait(cx);
            return Poll::Pending;
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
        if let Err(error) = send.check_open() {
            return Err(TrySendError::Failed(error));
        }
        if send.in_pieces || !send.sender.has_room(message.len()) {
            return Err(TrySendError::Full(message));
        }
        let len = message.len();
        send.sender.send(message).map_err(|error| TrySendError::Failed(error.into()))?;
        self.note_sent(1, len);
        self.queued(send);
        Ok(())
    }

    /// As [`try_send`](Self::try_send), for a message that goes to many.
    pub(crate) fn try_send_prepared(
        self: &Arc<Self>,
        message: &PreparedMessage,
    ) -> Result<(), TrySendError> {
        let mut send = lock(&self.send);
        if let Err(error) = send.check_open() {
            return Err(TrySendError::Failed(error));
        }
        if send.in_pieces || !send.sender.has_room(message.message().len()) {
            return Err(TrySendError::Full(message.message().clone()));
        }
        send.sender.send_prepared(message).map_err(|error| TrySendError::Failed(error.into()))?;
        self.note_sent(1, message.message().len());
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
        let mut send = ready!(self.poll_room(cx, len, false))?;
        if let Some(message) = message.take() {
            send.sender.send(message)?;
            self.note_sent(1, len);
        }
        Poll::Ready(Ok(()))
    }

    /// Keeps other messages back until [`end_pieces`](Self::end_pieces), as soon as nobody else does.
    pub(crate) fn poll_begin_pieces(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let mut send = lock(&self.send);
        send.check_open()?;
        if send.in_pieces {
            send.wait(cx);
            return Poll::Pending;
        }
        send.in_pieces = true;
        Poll::Ready(Ok(()))
    }

    /// Queues the next piece of a message as soon as there is room for `len` octets.
    pub(crate) fn poll_send_piece(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        text: bool,
        len: usize,
        piece: impl FnOnce() -> Bytes,
        last: bool,
    ) -> Poll<Result<(), Error>> {
        let mut send = ready!(self.poll_room(cx, len, true))?;
        send.sender.send_piece(text, piece(), last)?;
        self.note_sent(last.into(), len);
        self.queued(send);
        Poll::Ready(Ok(()))
    }

    /// Lets other messages go again.
    pub(crate) fn end_pieces(&self) {
        let mut send = lock(&self.send);
        send.in_pieces = false;
        send.wake_waiting();
    }

    /// Queues a ping as soon as there is room for it.
    pub(crate) async fn ping(self: &Arc<Self>, payload: &[u8]) -> Result<(), Error> {
        poll_fn(|cx| self.poll_room(cx, payload.len(), true).map_ok(drop)).await?;
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
        let ours = self.meter().and_then(|_| frame.clone());
        send.sender.close(frame)?;
        send.closed_by(ClosedBy::Us);
        if let Some(meter) = self.meter() {
            meter.closes(ours);
        }
        // Who waits for room waits for nothing now.
        send.wake_waiting();
        if send.shut_down {
            // There is nothing to be written any more, and the reader knows.
            return Ok(());
        }
        let reader = send.reader.clone();
        self.write_locked(send);
        // The reader has to start the timer of the closing handshake.
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }

    /// Cuts the connection without a closing handshake: what was not written is lost.
    pub(crate) fn terminate(&self) {
        let mut send = lock(&self.send);
        send.closed_by(ClosedBy::Us);
        self.give_up(send);
    }

    /// Messages, or a piece of one, have been accepted.
    #[inline]
    fn note_sent(&self, messages: u64, payload: usize) {
        if let Some(meter) = self.meter() {
            meter.counts().sent(messages, payload);
        }
    }

    /// Something is queued: it is written now, or at the end of the batch.
    pub(super) fn queued(self: &Arc<Self>, send: MutexGuard<'_, Send>) {
        if send.turn || send.sender.buffered() >= GATHER || !batch::is_active() {
            self.write_locked(send);
        } else if !send.gathering {
            self.gather(send);
        }
    }

    /// What is queued leaves at the end of the batch.
    fn gather(self: &Arc<Self>, mut send: MutexGuard<'_, Send>) {
        send.gathering = true;
        drop(send);
        batch::add(self.clone());
    }
}

impl Send {
    /// A connection that is closing takes nothing: that it is full as well does not matter.
    fn check_open(&self) -> Result<(), Error> {
        self.check()?;
        Ok(self.sender.check_open()?)
    }

    /// True if `len` octets more need nothing but to be queued: what [`Shared::poll_room`] finds out
    /// in the ordinary case.
    #[inline]
    fn gathers(&self, len: usize) -> bool {
        let gathered = self.sender.buffered() + len;
        gathered < GATHER
            && batch::is_active()
            && self.sender.has_room(len)
            && self.trouble.is_none()
            && !self.in_pieces
    }
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
