//! The write turn: the only writes there are.
//!
//! Whoever finds frames queued and nobody writing takes the turn, writes until nothing is left, and
//! gives the turn back. Mostly this happens at once, in the call that queued the frames. If the
//! transport takes no more, the turn passes to a task of its own ([`Drain`]) that lives only as long as
//! the transport is full. So does the work of compressing what is large: a slice at a time, between
//! which other tasks run. So whatever was accepted is written without anyone's further action, and
//! whatever is queued meanwhile leaves in one write.

use super::{Send, Shared, WRITE_FAILED, lock};
use crate::error::Error;
use crate::sync::MutexGuard;
use crate::transport::Transport;
use bytes::Buf;
use hybi_proto::ErrorCode;
use hybi_proto::connection::Outgoing;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::AsyncWrite;
use tokio::time::Sleep;

/// Slices handed to one vectored write ...
const SLICES: usize = 64;

/// ... and to one of the ordinary kind, a large message or two: the array is filled anew each time.
const FEW_SLICES: usize = 4;

impl Shared {
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

    pub(super) fn write_locked(self: &Arc<Self>, mut send: MutexGuard<'_, Send>) {
        if send.turn || !send.has_work() {
            return;
        }
        send.turn = true;
        if send.sender.has_waiting() && tokio::runtime::Handle::try_current().is_err() {
            // No task has to wait meanwhile.
            while send.sender.compress_slice() {}
        }
        let mut outgoing = send.sender.take_ready().unwrap_or_default();
        drop(send);
        if !self.write_at_once(&mut outgoing) {
            self.begin_turn(outgoing);
        }
    }

    /// Writes what has been handed out to a transport that takes all of it now, as nearly always, and
    /// gives the turn back: what [`poll_turn`](Self::poll_turn) does, without a task's context and
    /// budget. False if there is more to be done.
    fn write_at_once(&self, outgoing: &mut Outgoing) -> bool {
        let before = outgoing.remaining();
        let mut io = lock(&self.io);
        let result = write_out(outgoing, |slices| io.try_write(slices));
        drop(io);
        let written = before - outgoing.remaining();
        if written == 0 && result.is_pending() {
            return false;
        }
        let mut send = self.note_written(written);
        match result {
            Poll::Ready(Ok(())) if !send.has_work() => send.end_turn(),
            Poll::Ready(Err(error)) => send.write_failed(error),
            _ => return false,
        }
        true
    }

    /// Does what there is to be done with the turn; what cannot be done now is a task's.
    #[inline(never)]
    fn begin_turn(self: &Arc<Self>, outgoing: Outgoing) {
        let mut turn = Turn { outgoing, flushed: false, has_task: false };
        // Writing to a thousand connections in one go is not this task's budget to pay for: a write
        // that is refused for want of budget would look like a transport that is full.
        let at_once = pin!(tokio::task::unconstrained(poll_fn(|cx| self.poll_turn(cx, &mut turn))));
        if at_once.poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
        turn.has_task = true;
        let drain =
            Drain { shared: self.clone(), turn, patience: None, unwanted: false, done: false };
        // Without a runtime nobody can wait for the transport: dropping it fails the connection.
        self.runtime.spawn(drain);
    }

    /// So much of what has been handed out has been written.
    fn note_written(&self, octets: usize) -> MutexGuard<'_, Send> {
        let mut send = lock(&self.send);
        send.sender.written(octets);
        if let Some(meter) = self.meter() {
            meter.counts().written_octets(octets);
        }
        send
    }

    /// Writes until nothing is left, then gives the turn back.
    fn poll_turn(&self, cx: &mut Context<'_>, turn: &mut Turn) -> Poll<()> {
        loop {
            let before = turn.outgoing.remaining();
            let result = self.poll_write_out(cx, turn);
            let mut send = self.note_written(before - turn.outgoing.remaining());
            match result {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    send.write_failed(error);
                    return Poll::Ready(());
                }
            }
            turn.flushed = false;
            if let Some(more) = send.sender.take_ready() {
                turn.outgoing = more;
                continue;
            }
            if send.sender.has_waiting() {
                if turn.has_task {
                    send.sender.compress_slice();
                    yield_to_others(cx);
                }
                return Poll::Pending;
            }
            if send.sender.wants_shutdown() && !send.shut_down {
                drop(send);
                // The peer sees the end of the stream after the Close frame, whatever comes of it.
                let _ = ready!(Pin::new(&mut *lock(&self.io)).poll_shutdown(cx));
                lock(&self.send).shut_down = true;
                continue;
            }
            send.end_turn();
            return Poll::Ready(());
        }
    }

    /// Writes what has been handed out, and flushes the transport if it holds octets back.
    fn poll_write_out(&self, cx: &mut Context<'_>, turn: &mut Turn) -> Poll<io::Result<()>> {
        let mut io = lock(&self.io);
        ready!(write_out(&mut turn.outgoing, |slices| {
            match slices {
                [octets] => Pin::new(&mut *io).poll_write(cx, octets),
                slices => Pin::new(&mut *io).poll_write_vectored(cx, slices),
            }
        }))?;
        if !turn.flushed && !io.is_direct() {
            ready!(Pin::new(&mut *io).poll_flush(cx))?;
        }
        turn.flushed = true;
        Poll::Ready(Ok(()))
    }

    /// Gives the transport up, because of this.
    pub(super) fn fail(&self, failure: Error) {
        if let Some(meter) = self.meter() {
            meter.error(&failure);
        }
        let mut send = lock(&self.send);
        send.fail(failure);
        self.give_up(send);
    }

    /// Gives the transport up, in both directions.
    pub(super) fn give_up(&self, mut send: MutexGuard<'_, Send>) {
        send.abort();
        self.note_end(&send);
        drop(send);
        let transport = std::mem::replace(&mut *lock(&self.io), Transport::Closed);
        drop(transport);
        // Only now: a reader that is noted later finds the transport closed.
        let reader = lock(&self.send).reader.take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Send {
    fn end_turn(&mut self) {
        self.turn = false;
        self.wake_waiting();
    }

    /// What the peer has sent can still be read.
    fn write_failed(&mut self, error: io::Error) {
        self.fail(Error::io(ErrorCode::Io, WRITE_FAILED, error));
    }
}

/// Has everything written by `write`, which tells how much it could.
#[inline(always)]
fn write_out(
    outgoing: &mut Outgoing,
    mut write: impl FnMut(&[IoSlice<'_>]) -> Poll<io::Result<usize>>,
) -> Poll<io::Result<()>> {
    while outgoing.has_remaining() {
        let written = match outgoing.contiguous() {
            Some(octets) => write(&[IoSlice::new(octets)]),
            None if outgoing.max_io_slices() <= FEW_SLICES => {
                write_some::<FEW_SLICES>(outgoing, &mut write)
            }
            None => write_some::<SLICES>(outgoing, &mut write),
        };
        match ready!(written)? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            // The stream may be anybody's; what it did take nobody knows.
            written if written > outgoing.remaining() => {
                let what = "the stream says that it wrote more than it was given";
                return Poll::Ready(Err(io::Error::other(what)));
            }
            written => outgoing.advance(written),
        }
    }
    Poll::Ready(Ok(()))
}

/// Has up to `SLICES` slices of it written.
#[inline(never)]
fn write_some<const SLICES: usize>(
    outgoing: &Outgoing,
    write: &mut impl FnMut(&[IoSlice<'_>]) -> Poll<io::Result<usize>>,
) -> Poll<io::Result<usize>> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let filled = outgoing.io_slices(&mut slices);
    write(&slices[..filled])
}

/// The write turn: what its holder has been handed out.
#[derive(Debug)]
struct Turn {
    outgoing: Outgoing,
    /// The transport holds nothing of it back.
    flushed: bool,
    /// The holder is a task of its own.
    has_task: bool,
}

/// Has the task polled again once other tasks and the reactor have had their turn.
pub(super) fn yield_to_others(cx: &mut Context<'_>) {
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}

/// Holds the write turn while the transport is full.
struct Drain {
    shared: Arc<Shared>,
    turn: Turn,
    /// Runs for the time of the closing handshake, again and again while the transport is full.
    patience: Option<Pin<Box<Sleep>>>,
    /// The connection was closing, or held by nobody else, when it last ran out.
    unwanted: bool,
    done: bool,
}

impl Drain {
    /// Ready when the peer has had its time to read what is left: once the connection is closing, or
    /// nobody holds it any more, nobody else would ever give it up.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if cfg!(hybi_loom) {
            // There is no time in a model.
            return Poll::Pending;
        }
        loop {
            let shared = &self.shared;
            let patience = self
                .patience
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(shared.close_deadline())));
            ready!(patience.as_mut().poll(cx));
            let unwanted = Arc::strong_count(shared) == 1 || !lock(&shared.send).sender.is_open();
            if unwanted && self.unwanted {
                return Poll::Ready(());
            }
            self.unwanted = unwanted;
            patience.as_mut().reset(shared.close_deadline());
        }
    }
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
        if this.shared.poll_turn(cx, &mut this.turn).is_pending() {
            ready!(this.poll_patience(cx));
            this.shared.fail(Error::timeout(
                ErrorCode::PeerTimeout,
                "the peer did not read the last octets in time (see Options::close_timeout)",
            ));
        }
        this.done = true;
        Poll::Ready(())
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        if !self.done {
            // Nobody could tell the reader later that what it answers is not written.
            let error = io::Error::other("the tokio runtime has ended, or there is none");
            self.shared.fail(Error::io(ErrorCode::Io, WRITE_FAILED, error));
        }
    }
}
