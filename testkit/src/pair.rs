//! [`Pair`]: a client and a server on a virtual clock. Nothing is carried between them but what the
//! test carries.

use bytes::Buf;
use hybi_proto::connection::Outgoing;
use hybi_proto::{Connection, Error, Event, MaskingKey, Message, Options};
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

/// The masking key of a [`Pair`]'s client: that of RFC 6455 §5.7, always the same, so that its
/// octets can be written down.
pub const KEY: MaskingKey = [0x37, 0xfa, 0x21, 0x3d];

fn key() -> MaskingKey {
    KEY
}

/// A client and a server whose opening handshake is done.
#[derive(Debug)]
pub struct Pair {
    /// The client's side.
    pub client: Endpoint,
    /// The server's side.
    pub server: Endpoint,
}

impl Pair {
    /// Both with the default options, without extensions.
    pub fn open() -> Self {
        Pair::with(&Options::default())
    }

    /// Both with these options; their deadlines run.
    pub fn with(options: &Options) -> Self {
        let extensions = Default::default();
        Pair::of(
            Connection::client(key, &extensions, options),
            Connection::server(&extensions, options),
            options,
        )
    }

    /// These two connections; the deadlines of `options` run for both.
    pub fn of(client: Connection, server: Connection, options: &Options) -> Self {
        let now = Instant::now();
        Pair {
            client: Endpoint::new(client, options, now),
            server: Endpoint::new(server, options, now),
        }
    }

    /// Carries octets both ways until neither side has any left.
    pub fn exchange(&mut self) {
        self.exchange_in(usize::MAX);
    }

    /// As [`exchange`](Self::exchange), in chunks of at most `chunk` octets.
    pub fn exchange_in(&mut self, chunk: usize) {
        loop {
            let (up, down) = (self.client.sent(), self.server.sent());
            if up.is_empty() && down.is_empty() {
                return;
            }
            self.server.receives_in(up, chunk);
            self.client.receives_in(down, chunk);
        }
    }

    /// Lets time pass on both sides; nothing is carried meanwhile.
    pub fn advance(&mut self, time: Duration) {
        self.client.advance(time);
        self.server.advance(time);
    }
}

/// One connection, the octets that the test has not looked at, and the time.
///
/// It derefs to [`Connection`]: `server.send("hello")` is [`Connection::send`].
#[derive(Debug)]
pub struct Endpoint {
    connection: Connection,
    now: Instant,
    events: Vec<Event>,
    error: Option<Error>,
}

impl Endpoint {
    /// A connection whose deadlines start `now`.
    pub fn new(mut connection: Connection, options: &Options, now: Instant) -> Self {
        connection.start_deadlines(options, now);
        Endpoint { connection, now, events: Vec::new(), error: None }
    }

    /// Lets these octets arrive at once. What comes of them waits in [`events`](Self::events) and
    /// [`error`](Self::error).
    pub fn receives(&mut self, octets: impl AsRef<[u8]>) {
        self.receives_in(octets, usize::MAX);
    }

    /// Lets these octets arrive in chunks of at most `chunk` (at least 1).
    ///
    /// # Panics
    /// If the connection leaves octets behind that it should have taken.
    pub fn receives_in(&mut self, octets: impl AsRef<[u8]>, chunk: usize) {
        for mut input in octets.as_ref().chunks(chunk.max(1)) {
            loop {
                match self.connection.receive(&mut input) {
                    Ok(Some(event)) => self.events.push(event),
                    Ok(None) => break,
                    // Nothing comes after an error: the rest must be dropped quietly.
                    Err(error) => self.fails(error),
                }
            }
            assert!(input.is_empty(), "{} octets were left behind", input.len());
            self.check_time();
        }
    }

    /// Lets the peer close its side of the TCP connection.
    pub fn receives_eof(&mut self) {
        if let Err(error) = self.connection.receive_eof() {
            self.fails(error);
        }
    }

    /// The events since the last look.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The messages since the last look; other events stay.
    pub fn messages(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        for event in std::mem::take(&mut self.events) {
            match event {
                Event::Message(message) => messages.push(message),
                other => self.events.push(other),
            }
        }
        messages
    }

    /// The error since the last look.
    pub fn error(&mut self) -> Option<Error> {
        self.error.take()
    }

    /// Takes all that is queued as if it had been written.
    pub fn sent(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        while let Some(outgoing) = self.connection.take() {
            let these = octets_of(outgoing);
            self.connection.sender().written(these.len());
            octets.extend(these);
        }
        octets
    }

    /// The time on this side's clock.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Lets time pass: whatever falls due happens at its time.
    ///
    /// # Panics
    /// If a deadline that was handled is still due, again and again.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        let mut at_once = 0;
        while let Some(due) = self.connection.next_timeout() {
            if due > end || self.error.is_some() {
                break;
            }
            at_once = if due > self.now { 0 } else { at_once + 1 };
            assert!(at_once < 10, "a deadline does not go away");
            self.now = self.now.max(due);
            self.check_time();
        }
        self.now = end;
    }

    /// Tells the connection the time.
    pub fn check_time(&mut self) {
        if let Err(error) = self.connection.handle_timeout(self.now) {
            self.fails(error);
        }
    }

    fn fails(&mut self, error: Error) {
        assert!(self.error.is_none(), "a second error: {error:?} after {:?}", self.error);
        self.error = Some(error);
    }
}

impl Deref for Endpoint {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Endpoint {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// The octets of `outgoing`, in order.
pub(crate) fn octets_of(mut outgoing: Outgoing) -> Vec<u8> {
    let mut octets = Vec::with_capacity(outgoing.remaining());
    while outgoing.has_remaining() {
        let chunk = outgoing.chunk();
        octets.extend_from_slice(chunk);
        let len = chunk.len();
        outgoing.advance(len);
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn messages_go_both_ways_in_any_chunking() {
        for chunk in [1, 2, 7, usize::MAX] {
            let mut pair = Pair::open();
            pair.client.send("Hello").unwrap();
            pair.server.send(&b"there"[..]).unwrap();
            pair.exchange_in(chunk);
            assert_eq!(pair.server.messages(), ["Hello"]);
            assert_eq!(pair.client.messages(), [Message::from(&b"there"[..])]);
        }
    }

    #[test]
    fn what_was_sent_is_seen_once_and_octet_by_octet() {
        let mut pair = Pair::open();
        pair.client.send("Hello").unwrap();
        assert_eq!(pair.client.sent(), hex!("81 85 37fa213d 7f9f4d5158"));
        assert_eq!(pair.client.sent(), []);
    }

    #[test]
    fn deadlines_fall_due_at_their_time() {
        let options = Options::new().ping_interval(Duration::from_secs(10));
        let mut server = Pair::with(&options).server;
        server.advance(Duration::from_millis(9_999));
        assert_eq!(server.sent(), []);
        server.advance(Duration::from_millis(1));
        assert_eq!(server.sent(), hex!("89 04 00000001"));
    }
}
