//! [`Shared`]: one connection, and the only room that reads and writes its transport.
//!
//! A connection is one allocation behind an [`Arc`]: the reader and any number of writers share it.
//! Three locks, always taken in this order: `receive` (held by the one reader while it is polled),
//! then either `send` (held for the time it takes to queue or hand out frames) or `io` (held for one
//! system call). No lock is held across an `.await`.
//!
//! * [`receive`]: reading, and what the protocol answers by itself.
//! * [`send`]: what may be queued, and when it is written.
//! * [`turn`]: the write turn; the only writes there are.
//! * [`ahead`]: keeping the deadlines, also when the handler does not read.

mod ahead;
#[cfg(all(test, hybi_loom))]
mod models;
mod receive;
mod send;
mod turn;

pub use send::TrySendError;

use crate::close_info::{CloseInfo, ClosedBy};
use crate::error::Error;
use crate::meter::Meter;
use crate::pool::Chunk;
use crate::stats::ConnectionStats;
use crate::sync::{Mutex, Runtime, lock, unlocked};
use crate::transport::Transport;
use hybi_proto::connection::{Deadlines, Receiver, Sender};
use hybi_proto::{Connection, Event, Options};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, Sleep};

/// How long, and for how many octets, a peer that broke the rules is still listened to.
pub(crate) const LINGER: Duration = Duration::from_secs(2);
const LINGER_OCTETS: u64 = 16 * 1024 * 1024;

const WRITE_FAILED: &str = "writing to the connection failed";

/// One connection.
#[derive(Debug)]
pub(crate) struct Shared {
    receive: Mutex<Receive>,
    send: Mutex<Send>,
    io: Mutex<Transport>,
    /// False if `receive` holds no chunk that could be given back; written under its lock.
    has_chunk: AtomicBool,
    options: Arc<Options>,
    runtime: Runtime,
    /// Only for a connection that has any of it.
    more: Option<Box<More>>,
}

/// What few connections have.
#[derive(Debug)]
struct More {
    subprotocol: Option<Box<str>>,
    /// Only if somebody wants to know.
    meter: Option<Meter>,
}

/// What only the reader needs.
#[derive(Debug)]
struct Receive {
    receiver: Receiver,
    /// Octets that have been read and not yet worked off.
    chunk: Option<Chunk>,
    /// Something has been read since the transport was last found empty.
    has_read: bool,
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

/// What everyone who sends needs.
#[derive(Debug)]
struct Send {
    sender: Sender,
    /// Somebody has the write turn.
    turn: bool,
    /// A message is being sent in pieces: no other can be.
    in_pieces: bool,
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

impl Shared {
    /// `early` are the octets that came together with the opening handshake.
    pub(crate) fn new(
        connection: Connection,
        transport: Transport,
        options: Arc<Options>,
        subprotocol: Option<String>,
        early: &[u8],
        meter: Option<Meter>,
    ) -> Arc<Self> {
        if let Some(meter) = &meter {
            meter.counts().read_octets(early.len());
        }
        let more = (subprotocol.is_some() || meter.is_some()).then(|| {
            Box::new(More { subprotocol: subprotocol.map(String::into_boxed_str), meter })
        });
        let (receiver, sender) = connection.split();
        let heartbeat = options.has_heartbeat().then(|| {
            let deadlines = options.deadlines(Instant::now().into_std());
            Box::new(Heartbeat { deadlines, ahead: VecDeque::new(), end: None })
        });
        Arc::new(Shared {
            receive: Mutex::new(Receive {
                receiver,
                chunk: Chunk::from_octets(early),
                has_read: false,
                heartbeat,
                ended: false,
                linger: false,
                close_timer: None,
            }),
            send: Mutex::new(Send {
                sender,
                turn: false,
                in_pieces: false,
                gathering: false,
                shut_down: false,
                closed: None,
                reader: None,
                trouble: None,
            }),
            io: Mutex::new(transport),
            has_chunk: AtomicBool::new(false),
            options,
            runtime: Runtime::current(),
            more,
        })
    }

    /// Where its tasks run.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The subprotocol that was agreed on.
    pub(crate) fn subprotocol(&self) -> Option<&str> {
        self.more.as_ref()?.subprotocol.as_deref()
    }

    /// What it tells of itself; `None` if nobody wants to know.
    #[inline]
    pub(crate) fn meter(&self) -> Option<&Meter> {
        self.more.as_ref()?.meter.as_ref()
    }

    /// What it has done so far, if that is counted.
    pub(crate) fn stats(&self) -> Option<ConnectionStats> {
        self.meter()?.read()
    }

    /// When a closing handshake that begins now has taken too long.
    fn close_deadline(&self) -> Instant {
        let now = Instant::now().into_std();
        let mut deadlines = self.options.deadlines(now);
        deadlines.closing(now);
        Instant::from_std(deadlines.next().unwrap_or(now))
    }

    /// The address of the peer, over TCP.
    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        lock(&self.io).peer_addr()
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
    #[inline]
    fn wake_waiting(&mut self) {
        if self.trouble.is_some() {
            self.wake_all_waiting();
        }
    }

    #[inline(never)]
    fn wake_all_waiting(&mut self) {
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

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(meter) = self.more.as_ref().and_then(|more| more.meter.as_ref()) {
            let send = unlocked(&mut self.send);
            meter.ended(send.closed.as_deref());
        }
        let linger = unlocked(&mut self.receive).linger;
        let io = unlocked(&mut self.io);
        release(std::mem::replace(io, Transport::Closed), linger, &self.runtime);
    }
}

/// Closes a transport; gently if the peer broke the rules and is to read our Close frame: closing a
/// socket with unread octets resets the connection, which can overtake the frame. What still comes
/// is read and dropped then, for a bounded time.
fn release(mut transport: Transport, linger: bool, runtime: &Runtime) {
    if !linger || matches!(transport, Transport::Closed) {
        return;
    }
    runtime.spawn(async move {
        let _ = tokio::time::timeout(LINGER, drop_input(&mut transport)).await;
    });
}

pub(crate) async fn drop_input(transport: &mut Transport) {
    let mut sink = tokio::io::sink();
    let mut input = transport.take(LINGER_OCTETS);
    let _ = tokio::io::copy(&mut input, &mut sink).await;
}

#[cfg(all(test, not(hybi_loom)))]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::AsyncWriteExt;

    #[test]
    fn a_connection_is_one_small_allocation() {
        assert!(size_of::<Shared>() <= 360, "{}", size_of::<Shared>());
    }

    #[tokio::test]
    async fn a_message_that_nearly_fills_the_chunk_keeps_it() {
        for options in [Options::new(), Options::new().ping_interval(Duration::from_secs(30))] {
            let options = Arc::new(options);
            let (mut peer, io) = tokio::io::duplex(128 * 1024);
            let connection = Connection::client(|| [0; 4], &Default::default(), &options);
            let transport = Transport::new(io);
            let shared = Shared::new(connection, transport, options, None, &[], None);
            for (header, len) in [
                (&[0x82, 126, 0xea, 0x60][..], 60_000),
                (&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0][..], 65_536),
            ] {
                let chunk = Chunk::take();
                let address = chunk.filled().as_ptr();
                drop(chunk);
                peer.write_all(header).await.unwrap();
                peer.write_all(&vec![7; len]).await.unwrap();
                let message = poll_fn(|cx| shared.poll_message(cx)).await.unwrap().unwrap();
                assert!(message.as_bytes() == vec![7; len]);
                assert_eq!(message.as_bytes().as_ptr(), address.wrapping_add(header.len()));
            }
        }
    }

    fn server(io: Transport) -> Arc<Shared> {
        let options = Arc::new(Options::new());
        let connection = Connection::server(&Default::default(), &options);
        Shared::new(connection, io, options, None, &[], None)
    }

    /// A masked message of so many octets, with the key 0.
    fn message(len: u16) -> Vec<u8> {
        let [a, b] = len.to_be_bytes();
        [&[0x82, 0x80 | 126, a, b, 0, 0, 0, 0][..], &vec![7; len.into()]].concat()
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_reader_that_always_finds_octets_lets_other_tasks_run() {
        const MESSAGES: usize = 50;
        let (mut peer, io) = tokio::net::UnixStream::pair().unwrap();
        peer.write_all(&message(2000).repeat(MESSAGES)).await.unwrap(); // more than a chunk
        let shared = server(Transport::new(io));
        assert!(poll_fn(|cx| shared.poll_message(cx)).await.unwrap().is_some());
        let mut received = 1;
        poll_fn(|cx| {
            while let std::task::Poll::Ready(budget) = tokio::task::coop::poll_proceed(cx) {
                budget.made_progress();
            }
            while shared.poll_message(cx).is_ready() {
                received += 1;
            }
            std::task::Poll::Ready(())
        })
        .await;
        assert!((2..MESSAGES).contains(&received), "{received} without a budget");
        while received < MESSAGES {
            assert!(poll_fn(|cx| shared.poll_message(cx)).await.unwrap().is_some());
            received += 1;
        }
    }

    #[tokio::test]
    async fn a_handler_that_waits_for_something_else_gives_the_chunk_back() {
        for look_ahead in [false, true] {
            let options = Arc::new(Options::new().ping_interval(Duration::from_secs(30)));
            let connection = Connection::server(&Default::default(), &options);
            let (mut peer, io) = tokio::io::duplex(1024);
            peer.write_all(&message(200).repeat(3)).await.unwrap();
            let shared = Shared::new(connection, Transport::new(io), options, None, &[], None);
            if look_ahead {
                shared.look_ahead(&mut lock(&shared.receive), None);
            } else {
                assert!(poll_fn(|cx| shared.poll_message(cx)).await.unwrap().is_some());
            }
            // The only one in the pool.
            let other = Chunk::take();
            let address = other.filled().as_ptr();
            drop(other);
            shared.rest();
            assert_ne!(Chunk::take().filled().as_ptr(), address);
            let left = lock(&shared.receive).chunk.take().unwrap();
            assert_eq!(left.filled(), message(200).repeat(2));
        }
    }
}
