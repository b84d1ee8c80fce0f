//! [`Transcript`]: all that a connection makes of a stream of octets.

use crate::pair::{KEY, octets_of};
use bytes::BufMut;
use hybi_proto::connection::{Receiver, Sender};
use hybi_proto::{Connection, Error, Event, Options, Role};

/// Which way the octets take into the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// [`Connection::receive`] on the whole connection.
    Whole,
    /// [`Receiver::receive`] and [`Sender::react`] on the halves.
    Split,
    /// As `Split`, but what belongs to a payload of which at least this many octets are missing is
    /// read straight into it ([`Receiver::spare`]).
    Direct(usize),
    /// As `Split`, but a message that is all that has come keeps its memory
    /// ([`Receiver::receive_kept`]).
    Kept,
}

/// What a connection made of a stream of octets: the same for any chunking and any path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    /// What it received.
    pub events: Vec<Event>,
    /// Why it stopped receiving.
    pub error: Option<Error>,
    /// What it answered by itself.
    pub sent: Vec<u8>,
    /// Whether it wants to close TCP.
    pub wants_shutdown: bool,
    /// What the end of the stream meant.
    pub at_eof: Result<(), Error>,
}

impl Transcript {
    /// Lets `octets` arrive in chunks of these lengths; when they are used up, the rest at once.
    ///
    /// # Panics
    /// If octets are left behind, or something comes after an error or a Close frame.
    pub fn of(
        role: Role,
        options: &Options,
        octets: &[u8],
        chunks: impl IntoIterator<Item = usize>,
        path: Path,
    ) -> Transcript {
        let mut tape = Tape::new(connection(role, options), path);
        let mut rest = octets;
        for chunk in chunks {
            let (now, later) = rest.split_at(chunk.min(rest.len()));
            tape.arrive(now);
            rest = later;
        }
        tape.arrive(rest);
        tape.end()
    }
}

fn connection(role: Role, options: &Options) -> Connection {
    match role {
        Role::Server => Connection::server(&Default::default(), options),
        Role::Client => Connection::client(|| KEY, &Default::default(), options),
    }
}

enum Driven {
    Whole(Box<Connection>),
    Halves(Box<(Receiver, Sender)>),
}

struct Tape {
    driven: Driven,
    direct: Option<usize>,
    keeps: bool,
    events: Vec<Event>,
    error: Option<Error>,
    sent: Vec<u8>,
}

impl Tape {
    fn new(connection: Connection, path: Path) -> Self {
        let driven = match path {
            Path::Whole => Driven::Whole(Box::new(connection)),
            Path::Split | Path::Direct(_) | Path::Kept => {
                Driven::Halves(Box::new(connection.split()))
            }
        };
        let direct = if let Path::Direct(at_least) = path { Some(at_least) } else { None };
        let keeps = path == Path::Kept;
        Tape { driven, direct, keeps, events: Vec::new(), error: None, sent: Vec::new() }
    }

    fn arrive(&mut self, mut input: &[u8]) {
        loop {
            self.read_direct(&mut input);
            self.keep(&mut input);
            let result = match &mut self.driven {
                Driven::Whole(connection) => connection.receive(&mut input),
                Driven::Halves(halves) => halves.0.receive(&mut input),
            };
            if let Ok(None) = result {
                assert!(input.is_empty(), "{} octets were left behind", input.len());
                return;
            }
            self.note(result);
        }
    }

    fn read_direct(&mut self, input: &mut &[u8]) {
        let Some(at_least) = self.direct else { return };
        while !input.is_empty() {
            let Driven::Halves(halves) = &mut self.driven else { return };
            let Some(mut spare) = halves.0.spare(at_least) else { return };
            let here = spare.remaining_mut().min(input.len());
            assert!(here > 0, "room for nothing");
            spare.put_slice(&input[..here]);
            drop(spare);
            *input = &input[here..];
            let result = halves.0.commit();
            self.note(result);
        }
    }

    fn keep(&mut self, input: &mut &[u8]) {
        let (true, Driven::Halves(halves)) = (self.keeps, &mut self.driven) else { return };
        // What has been worked off before it is still there.
        let mut octets = [b"before", *input].concat();
        let start = octets.len() - input.len();
        match halves.0.receive_kept(&mut octets, start) {
            Some(message) => {
                *input = &[];
                self.note(Ok(Some(Event::Message(message))));
            }
            None => assert_eq!(octets[start..], **input, "was changed and not taken"),
        }
    }

    fn note(&mut self, result: Result<Option<Event>, Error>) {
        if let Driven::Halves(halves) = &mut self.driven {
            match &result {
                Ok(Some(event)) => halves.1.react(event),
                Ok(None) => {}
                Err(error) => halves.1.fail(error),
            }
        }
        let Some(result) = result.transpose() else { return };
        assert!(self.error.is_none(), "{result:?} came after {:?}", self.error);
        assert!(
            !matches!(self.events.last(), Some(Event::Close(_))),
            "{result:?} came after Close"
        );
        match result {
            Ok(event) => self.events.push(event),
            Err(error) => self.error = Some(error),
        }
        self.write();
    }

    // After each event, so that a flood of pings is answered alike in any chunking.
    fn write(&mut self) {
        let sender = match &mut self.driven {
            Driven::Whole(connection) => connection.sender(),
            Driven::Halves(halves) => &mut halves.1,
        };
        while let Some(outgoing) = sender.take() {
            let octets = octets_of(outgoing);
            sender.written(octets.len());
            self.sent.extend(octets);
        }
        assert_eq!(sender.buffered(), 0);
        assert!(!sender.has_outgoing());
    }

    fn end(mut self) -> Transcript {
        let sender = match &mut self.driven {
            Driven::Whole(connection) => connection.sender(),
            Driven::Halves(halves) => &mut halves.1,
        };
        let wants_shutdown = sender.wants_shutdown();
        let at_eof = sender.receive_eof();
        Transcript {
            events: self.events,
            error: self.error,
            sent: self.sent,
            wants_shutdown,
            at_eof,
        }
    }
}
