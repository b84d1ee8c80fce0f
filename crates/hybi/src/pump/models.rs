//! The write turn under loom: every order in which threads can take its steps is tried, and a thread
//! that waits for ever is found. This is the code that runs, not a model of it; only the transport is
//! made up.
//!
//! `cargo xtask loom` runs them.

use super::{Shared, lock};
use crate::error::Error;
use crate::sync::Mutex;
use crate::transport::Transport;
use hybi_proto::{CloseCode, CloseFrame, Connection, Message, Options, Utf8Bytes};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Runs `model` in every order with at most `switches` involuntary switches between threads; more
/// find next to nothing more and take hours.
fn explore(switches: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(switches);
    builder.max_branches = 10_000;
    builder.check(model);
}

/// A transport that takes as many octets as the peer has made room for.
#[derive(Clone)]
struct Pipe(Arc<Mutex<PipeState>>);

struct PipeState {
    room: usize,
    taken: Vec<u8>,
    shut_down: bool,
    writer: Option<Waker>,
}

impl Pipe {
    fn new(room: usize) -> Self {
        let state = PipeState { room, taken: Vec::new(), shut_down: false, writer: None };
        Pipe(Arc::new(Mutex::new(state)))
    }

    /// The peer reads so many octets.
    fn make_room(&self, octets: usize) {
        let mut state = lock(&self.0);
        state.room += octets;
        let writer = state.writer.take();
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    fn taken(&self) -> Vec<u8> {
        lock(&self.0).taken.clone()
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = lock(&self.0);
        if state.room == 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let some = octets.len().min(state.room);
        state.room -= some;
        state.taken.extend_from_slice(&octets[..some]);
        Poll::Ready(Ok(some))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.0).shut_down = true;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// A server's connection over a pipe with so much room.
fn connection(room: usize, options: Options) -> (Arc<Shared>, Pipe) {
    let pipe = Pipe::new(room);
    let connection = Connection::server(&Default::default(), &options);
    let transport = Transport::Other(Box::pin(pipe.clone()));
    (Shared::new(connection, transport, Arc::new(options), None, &[], None), pipe)
}

fn send(shared: &Arc<Shared>, text: &'static str) -> Result<(), Error> {
    let mut message = Some(Message::text(text));
    loom::future::block_on(poll_fn(|cx| shared.poll_send(cx, &mut message, false)))
}

fn flush(shared: &Arc<Shared>) -> Result<(), Error> {
    loom::future::block_on(poll_fn(|cx| shared.poll_flush(cx)))
}

fn is_at_rest(shared: &Arc<Shared>) -> bool {
    let send = lock(&shared.send);
    !send.turn && send.sender.buffered() == 0 && send.trouble.is_none()
}

const A: &[u8] = b"\x81\x01a";
const B: &[u8] = b"\x81\x01b";

#[test]
fn what_two_threads_send_at_once_is_written_whole_and_once() {
    explore(3, || {
        let (shared, pipe) = connection(100, Options::new());
        let other = loom::thread::spawn({
            let shared = shared.clone();
            move || send(&shared, "b").unwrap()
        });
        send(&shared, "a").unwrap();
        flush(&shared).unwrap();
        other.join().unwrap();
        flush(&shared).unwrap();
        assert!([[A, B].concat(), [B, A].concat()].contains(&pipe.taken()));
        assert!(is_at_rest(&shared));
    });
}

#[test]
fn what_was_accepted_while_the_transport_was_full_is_written_when_the_peer_reads() {
    explore(3, || {
        let (shared, pipe) = connection(2, Options::new());
        let reading = loom::thread::spawn({
            let pipe = pipe.clone();
            move || pipe.make_room(100)
        });
        send(&shared, "a").unwrap();
        // Whoever writes now: nothing is left lying.
        send(&shared, "b").unwrap();
        flush(&shared).unwrap();
        reading.join().unwrap();
        assert_eq!(pipe.taken(), [A, B].concat());
        assert!(is_at_rest(&shared));
    });
}

#[test]
fn a_sender_that_waits_for_room_is_woken() {
    explore(3, || {
        let (shared, pipe) = connection(0, Options::new().max_buffered(3));
        send(&shared, "a").unwrap();
        let waiting = loom::thread::spawn({
            let shared = shared.clone();
            move || send(&shared, "b").unwrap()
        });
        pipe.make_room(100);
        waiting.join().unwrap();
        flush(&shared).unwrap();
        assert_eq!(pipe.taken(), [A, B].concat());
        assert!(is_at_rest(&shared));
    });
}

#[test]
fn what_a_batch_has_gathered_leaves_at_its_end_also_when_another_thread_sends() {
    explore(3, || {
        let (shared, pipe) = connection(100, Options::new());
        let other = loom::thread::spawn({
            let shared = shared.clone();
            move || send(&shared, "b").unwrap()
        });
        // What a batch does: it queues, marks the connection, and writes at its end.
        let mut message = Some(Message::text("a"));
        loom::future::block_on(poll_fn(|cx| shared.poll_feed(cx, &mut message))).unwrap();
        lock(&shared.send).gathering = true;
        shared.end_of_batch();
        other.join().unwrap();
        flush(&shared).unwrap();
        assert!([[A, B].concat(), [B, A].concat()].contains(&pipe.taken()));
        assert!(!lock(&shared.send).gathering && is_at_rest(&shared));
    });
}

#[test]
fn the_close_frame_is_the_last_and_the_stream_ends_after_it() {
    explore(3, || {
        let (shared, pipe) = connection(1, Options::new());
        send(&shared, "a").unwrap();
        let closing = loom::thread::spawn({
            let shared = shared.clone();
            move || {
                let reason = Utf8Bytes::from_static("");
                shared.close(Some(CloseFrame { code: CloseCode::NORMAL, reason })).unwrap();
            }
        });
        let sending = send(&shared, "b");
        pipe.make_room(100);
        closing.join().unwrap();
        flush(&shared).unwrap();
        let close = b"\x88\x02\x03\xe8";
        // What was refused was not written, what was accepted was.
        let expected = match sending {
            Ok(()) => [A, B, close].concat(),
            Err(_) => [A, close].concat(),
        };
        assert_eq!(pipe.taken(), expected);
    });
}

#[test]
fn terminate_ends_a_full_connection_and_everyone_who_waits() {
    explore(3, || {
        let (shared, pipe) = connection(1, Options::new().max_buffered(3));
        send(&shared, "a").unwrap();
        let waiting = loom::thread::spawn({
            let shared = shared.clone();
            move || send(&shared, "b")
        });
        shared.terminate();
        // It was accepted and is lost, or refused; either way nobody waits for ever.
        let _ = waiting.join().unwrap();
        assert_eq!(pipe.taken().len(), 1);
        assert_eq!(shared.buffered(), 0);
        assert!(!lock(&shared.send).turn);
    });
}

#[test]
fn a_reader_that_waits_is_told_that_the_connection_was_terminated() {
    explore(3, || {
        let (shared, _pipe) = connection(100, Options::new());
        let terminating = loom::thread::spawn({
            let shared = shared.clone();
            move || shared.terminate()
        });
        // The transport was gone before it was read, or the reader is woken: it does not wait for ever.
        let received = loom::future::block_on(poll_fn(|cx| shared.poll_message(cx)));
        assert!(received.is_ok_and(|message| message.is_none()));
        terminating.join().unwrap();
    });
}
