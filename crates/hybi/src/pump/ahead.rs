//! The heartbeat of one connection: its deadlines, and the look ahead that they need.
//!
//! A handler that only sends never gets to see that the peer answers its pings. So before a silent
//! peer is judged, what the handler has left unread is read, as far as the next message.

use super::{Heartbeat, Receive, Shared, lock};
use crate::pool::Chunk;
use hybi_proto::connection::Action;
use hybi_proto::{CloseCode, CloseFrame, Event, Utf8Bytes};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Events that are read ahead of the handler.
const LOOK_AHEAD: usize = 64;

impl Heartbeat {
    /// True if the handler has more to read than is read ahead of it.
    fn is_ahead(&self) -> bool {
        self.end.is_some()
            || self.ahead.len() >= LOOK_AHEAD
            || matches!(self.ahead.back(), Some(Event::Message(_)))
    }

    pub(super) fn received(&mut self) {
        self.deadlines.received(Instant::now().into_std());
    }
}

impl Shared {
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
            if sleep.as_mut().poll(cx).is_pending() {
                if self.sees_pong(cx) {
                    continue;
                }
                return Poll::Pending;
            }
            match self.next_action() {
                Action::Wait => {}
                // The connection may be closing by now: no ping is needed then.
                Action::Ping(payload) => drop(self.queue(|sender| sender.ping(&payload))),
                Action::CloseIdle => {
                    let reason = Utf8Bytes::from_static("idle");
                    drop(self.close(Some(CloseFrame { code: CloseCode::GOING_AWAY, reason })));
                }
                Action::GiveUp(error) => {
                    self.fail(error.into());
                    return Poll::Ready(());
                }
            }
        }
    }

    fn next_action(self: &Arc<Self>) -> Action {
        let now = Instant::now().into_std();
        let receive = &mut *lock(&self.receive);
        self.look_ahead(receive, None);
        let Some(heartbeat) = &mut receive.heartbeat else { return Action::Wait };
        let send = lock(&self.send);
        if !send.sender.is_open() {
            heartbeat.deadlines.closing(now);
        }
        heartbeat.deadlines.handle(now, send.sender.messages())
    }

    /// Looks whether the answer to a ping has come, which a handler that only sends would never see;
    /// until it has, octets that come wake this task. `true` if it has: there is another deadline.
    fn sees_pong(self: &Arc<Self>, cx: &mut Context<'_>) -> bool {
        let receive = &mut *lock(&self.receive);
        let waits = |receive: &Receive| {
            receive.heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.deadlines.awaits_pong())
        };
        if !waits(receive) {
            return false;
        }
        self.look_ahead(receive, Some(cx.waker()));
        !waits(receive)
    }

    /// Reads what the handler has left unread, as far as the next message: a handler that only
    /// sends never gets to see that the peer answers its pings.
    ///
    /// With `waker` it is done as soon as octets come, and a pong measures the round trip.
    pub(super) fn look_ahead(self: &Arc<Self>, receive: &mut Receive, waker: Option<&Waker>) {
        while !receive.ended {
            let Some(heartbeat) = &mut receive.heartbeat else { return };
            if heartbeat.is_ahead() {
                // The handler is behind, not the peer: it has said more than was read.
                heartbeat.received();
                return;
            }
            if receive.chunk.is_none() && !receive.receiver.is_paused() {
                let Some(chunk) = self.read_ahead(waker) else { return };
                heartbeat.received();
                receive.chunk = Some(chunk);
                self.has_chunk.store(true, Relaxed);
            }
            if receive.receiver.is_in_pieces() {
                // Pieces wait as octets: whoever asked for them may still want the message whole.
                heartbeat.received();
                return;
            }
            let result = receive.work_off();
            let Some(heartbeat) = &mut receive.heartbeat else { return };
            if receive.receiver.is_paused() {
                // There is more to be inflated than belongs here.
                heartbeat.received();
                return;
            }
            match result.transpose() {
                None => {}
                Some(Ok(event @ (Event::Message(_) | Event::Pong(_)))) => {
                    if waker.is_some() || matches!(event, Event::Message(_)) {
                        self.note(Some(heartbeat), &event);
                    }
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
    fn read_ahead(&self, waker: Option<&Waker>) -> Option<Chunk> {
        // Whoever waits in `recv` must stay the one that is woken.
        let reader = lock(&self.send).reader.clone();
        let waker = reader.as_ref().or(waker).unwrap_or(Waker::noop());
        let mut chunk = Chunk::take();
        let mut io = lock(&self.io);
        let read = chunk.poll_read(&mut io, &mut Context::from_waker(waker));
        let direct = io.is_direct();
        drop(io);
        if !direct {
            // Reading may have had to write and taken the write readiness for itself.
            lock(&self.send).wake_drain();
        }
        let octets = match read {
            Poll::Ready(Ok(octets)) => octets,
            _ => 0,
        };
        if let Some(meter) = self.meter() {
            meter.counts().read_octets(octets);
        }
        (octets > 0).then_some(chunk)
    }
}
