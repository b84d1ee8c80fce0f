//! The clients. Of ten, five are idle, two chat, one sends compressed messages, one reads slowly, and
//! one comes and goes. Each numbers its messages and checks that each comes back once, unchanged, in
//! order, with the server's number.

use crate::server::PATIENCE;
use hybi::{Client, CloseCode, Message, Options, WebSocket};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use testkit::Random;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// Opening handshakes at once.
const AT_ONCE: usize = 64;

/// What a message that is compressed has octets, at least.
const COMPRESSED_LEN: usize = 2000;

/// What a receiver keeps at most of what came compressed (RFC 7692 §7.1.2).
const WINDOW: usize = 32 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Idle,
    Chatty,
    Compressed,
    Slow,
    Churning,
}

impl Kind {
    fn of(index: usize) -> Kind {
        match index % 10 {
            0..=4 => Kind::Idle,
            5 | 6 => Kind::Chatty,
            7 => Kind::Compressed,
            8 => Kind::Slow,
            _ => Kind::Churning,
        }
    }

    /// Milliseconds between two turns, at least and at most.
    fn pause(self) -> (u64, u64) {
        match self {
            Kind::Idle => (30_000, 90_000),
            Kind::Chatty => (500, 3_000),
            Kind::Compressed => (2_000, 6_000),
            Kind::Slow => (5_000, 15_000),
            Kind::Churning => (1_000, 3_000),
        }
    }

    fn options(self) -> Options {
        let options = Options::new().close_timeout(PATIENCE);
        if self == Kind::Compressed { options } else { options.no_compression() }
    }
}

/// What all of them did.
#[derive(Debug, Default)]
struct Counts {
    messages: AtomicU64,
    opened: AtomicU64,
}

/// What all of them did, for people.
pub(crate) struct Totals {
    messages: u64,
    opened: u64,
    took: Duration,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { messages, opened, took } = self;
        write!(
            f,
            "{messages} messages went and came back in order, over {opened} connections, in {} s",
            took.as_secs()
        )
    }
}

/// All clients, connected.
pub(crate) struct Population {
    clients: Vec<One>,
    counts: Arc<Counts>,
}

impl Population {
    pub(crate) async fn open(url: &str, count: usize) -> Result<Self, String> {
        let counts = Arc::new(Counts::default());
        let gate = Arc::new(Semaphore::new(AT_ONCE));
        let mut opening = JoinSet::new();
        for index in 0..count {
            let (url, counts, gate) = (url.to_owned(), counts.clone(), gate.clone());
            opening.spawn(async move { One::open(index, url, counts, gate).await });
        }
        let mut clients = Vec::new();
        while let Some(one) = opening.join_next().await {
            clients.push(one.map_err(|e| e.to_string())??);
        }
        Ok(Population { clients, counts })
    }

    /// Lets everyone do once what they do, and fills the windows of those that compress: what a
    /// connection comes to hold, it holds from then on.
    pub(crate) async fn warm(self) -> Result<Self, String> {
        let mut warming = JoinSet::new();
        for one in self.clients {
            warming.spawn(one.warm());
        }
        let mut clients = Vec::new();
        while let Some(one) = warming.join_next().await {
            clients.push(one.map_err(|e| e.to_string())??);
        }
        Ok(Population { clients, counts: self.counts })
    }

    /// Lets everyone do what they do for so long, then say goodbye.
    pub(crate) async fn live(self, time: Duration) -> Result<Totals, String> {
        let begin = Instant::now();
        let mut living = JoinSet::new();
        for one in self.clients {
            living.spawn(one.live(begin + time));
        }
        while let Some(end) = living.join_next().await {
            end.map_err(|e| e.to_string())??;
        }
        Ok(Totals {
            messages: self.counts.messages.load(Ordering::Relaxed),
            opened: self.counts.opened.load(Ordering::Relaxed),
            took: begin.elapsed(),
        })
    }
}

struct One {
    index: usize,
    kind: Kind,
    url: String,
    counts: Arc<Counts>,
    gate: Arc<Semaphore>,
    random: Random,
    ws: WebSocket,
    sent: u64,
    received: u64,
}

impl One {
    async fn open(
        index: usize,
        url: String,
        counts: Arc<Counts>,
        gate: Arc<Semaphore>,
    ) -> Result<Self, String> {
        let kind = Kind::of(index);
        let ws = connect(kind, &url, &gate, &counts).await?;
        let random = Random::new(index as u64);
        Ok(One { index, kind, url, counts, gate, random, ws, sent: 0, received: 0 })
    }

    async fn live(mut self, end: Instant) -> Result<(), String> {
        loop {
            let (least, most) = self.kind.pause();
            let pause = least + self.random.below((most - least) as usize) as u64;
            let next = Instant::now() + Duration::from_millis(pause);
            // Pings are answered while something is being received.
            tokio::select! {
                () = sleep_until(next.min(end)) => {}
                event = self.ws.recv() => {
                    return Err(self.told(&format!("{event:?} came without having been asked for")));
                }
            }
            if Instant::now() >= end {
                return self.leave().await;
            }
            self.turn().await?;
        }
    }

    async fn warm(mut self) -> Result<Self, String> {
        if self.kind == Kind::Compressed {
            for _ in 0..WINDOW / COMPRESSED_LEN + 1 {
                self.send().await?;
                self.receive().await?;
            }
        }
        self.turn().await?;
        Ok(self)
    }

    async fn turn(&mut self) -> Result<(), String> {
        match self.kind {
            Kind::Idle | Kind::Chatty | Kind::Compressed => {
                self.send().await?;
                self.receive().await?;
            }
            Kind::Slow => {
                for _ in 0..20 {
                    self.send().await?;
                }
                for _ in 0..20 {
                    sleep(Duration::from_millis(50)).await;
                    self.receive().await?;
                }
            }
            Kind::Churning => {
                for _ in 0..3 {
                    self.send().await?;
                }
                for _ in 0..3 {
                    self.receive().await?;
                }
                self.leave().await?;
                self.ws = connect(self.kind, &self.url, &self.gate, &self.counts).await?;
                (self.sent, self.received) = (0, 0);
            }
        }
        Ok(())
    }

    /// The message of this number, always the same.
    fn text(&self, number: u64) -> String {
        let len = match self.kind {
            Kind::Idle | Kind::Chatty => 20 + number as usize * 7 % 100,
            Kind::Slow | Kind::Churning => 1000,
            Kind::Compressed => COMPRESSED_LEN,
        };
        let mut text = format!("{number} ");
        while text.len() < len {
            let price = (self.index as u64 * 31 + number * 17 + text.len() as u64) % 10_000;
            text += &format!("{{\"symbol\":\"S{}\",\"price\":{price}}},", self.index % 50);
        }
        text
    }

    async fn send(&mut self) -> Result<(), String> {
        let text = self.text(self.sent);
        let sent = self.ws.send(text).await;
        sent.map_err(|e| self.told(&e.to_string()))?;
        self.sent += 1;
        Ok(())
    }

    async fn receive(&mut self) -> Result<(), String> {
        let received = self.ws.recv().await.map_err(|e| self.told(&e.to_string()))?;
        let expected = format!("{} {}", self.received, self.text(self.received));
        if received.as_ref().and_then(Message::as_text) != Some(&expected) {
            let text = format!("{received:.80?} came instead of {expected:.80?}");
            return Err(self.told(&text));
        }
        self.received += 1;
        self.counts.messages.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn leave(&mut self) -> Result<(), String> {
        if self.sent != self.received {
            return Err(self.told("not every message has come back"));
        }
        let closed = self.ws.close(CloseCode::NORMAL, "").await;
        closed.map_err(|e| self.told(&e.to_string()))
    }

    fn told(&self, what: &str) -> String {
        let One { index, kind, sent, received, .. } = self;
        format!("client {index} ({kind:?}, {sent} sent, {received} received): {what}")
    }
}

async fn connect(
    kind: Kind,
    url: &str,
    gate: &Semaphore,
    counts: &Counts,
) -> Result<WebSocket, String> {
    let _turn = gate.acquire().await.map_err(|e| e.to_string())?;
    let client = Client::new().options(kind.options()).handshake_timeout(Duration::from_secs(60));
    let ws = client.connect(url).await.map_err(|e| format!("a {kind:?} client: {e}"))?;
    counts.opened.fetch_add(1, Ordering::Relaxed);
    Ok(ws)
}
