//! What is measured: each case prepares a round, which does some messages and says how many.

use std::hint::black_box;
use std::io::{Cursor, Read, Write};

use bytes::Buf as _;
use hybi_proto::{Connection, Event, Message, Options, PreparedMessage};
use tungstenite::protocol::{Role, WebSocket};

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) prepare: fn() -> Box<dyn FnMut() -> usize>,
}

const KIB: usize = 1 << 10;

#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    Case { name: "hybi parse 32 B", prepare: || parse(32, BINARY) },
    Case { name: "hybi parse 32 B of text", prepare: || parse(32, TEXT) },
    Case { name: "hybi parse 1 KiB", prepare: || parse(KIB, BINARY) },
    Case { name: "hybi parse 1 KiB of text", prepare: || parse(KIB, TEXT) },
    Case { name: "hybi parse and echo 32 B", prepare: || echo(32) },
    Case { name: "hybi parse and echo 1 KiB", prepare: || echo(KIB) },
    Case { name: "hybi send 32 B, masked", prepare: || send_masked(32) },
    Case { name: "hybi send 32 B, prepared", prepare: || send_prepared(32) },
    Case { name: "hybi mask 1 KiB", prepare: || mask(KIB) },
    Case { name: "hybi validate 1 KiB of UTF-8", prepare: || utf8(KIB) },
    Case { name: "tungstenite parse 32 B", prepare: || tungstenite(32, BINARY, false) },
    Case { name: "tungstenite parse 1 KiB", prepare: || tungstenite(KIB, BINARY, false) },
    Case { name: "tungstenite parse 1 KiB of text", prepare: || tungstenite(KIB, TEXT, false) },
    Case { name: "tungstenite parse and echo 32 B", prepare: || tungstenite(32, BINARY, true) },
    Case { name: "tungstenite parse and echo 1 KiB", prepare: || tungstenite(KIB, BINARY, true) },
];

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

/// As many masked frames as one read of 32 KiB might bring, and their number.
fn input(size: usize, first: u8) -> (Vec<u8>, usize) {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match size {
        0..=125 => frame.push(0x80 | size as u8),
        _ => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(size as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&key);
    frame.extend((0..size).map(|at| (b'a' + (at % 26) as u8) ^ key[at % 4]));
    let count = 32 * KIB / frame.len();
    (frame.repeat(count), count)
}

fn server() -> Connection {
    Connection::server(&Default::default(), &Options::new())
}

fn parse(size: usize, first: u8) -> Box<dyn FnMut() -> usize> {
    let (frames, count) = input(size, first);
    let mut server = server();
    Box::new(move || {
        let mut input = black_box(&frames[..]);
        loop {
            // Looked at where it is: a copy of what has just been stored would be part of the figure.
            match server.receive(&mut input) {
                Ok(Some(event)) => _ = black_box(&event),
                Ok(None) => return count,
                Err(error) => panic!("the frames are valid: {error}"),
            }
        }
    })
}

/// What a handler does that answers each message: receive, send, and one write for all.
fn echo(size: usize) -> Box<dyn FnMut() -> usize> {
    let (frames, count) = input(size, BINARY);
    let mut server = server();
    Box::new(move || {
        let mut input = black_box(&frames[..]);
        while let Some(event) = server.receive(&mut input).expect("the frames are valid") {
            if let Event::Message(message) = event {
                server.send(message).expect("an open connection sends");
            }
        }
        written(&mut server);
        count
    })
}

fn written(connection: &mut Connection) {
    let outgoing = black_box(connection.take()).expect("something was sent");
    connection.sender().written(outgoing.remaining());
}

fn send_masked(size: usize) -> Box<dyn FnMut() -> usize> {
    let message = Message::from(vec![7; size]);
    let mut client = Connection::client(|| [1, 2, 3, 4], &Default::default(), &Options::new());
    let count = 32 * KIB / (size + 6);
    Box::new(move || {
        for _ in 0..count {
            client.send(black_box(message.clone())).expect("an open connection sends");
        }
        written(&mut client);
        count
    })
}

fn send_prepared(size: usize) -> Box<dyn FnMut() -> usize> {
    let message = PreparedMessage::new(vec![7; size]);
    let mut server = server();
    Box::new(move || {
        server.sender().send_prepared(&message).expect("an open connection sends");
        written(&mut server);
        1
    })
}

fn mask(size: usize) -> Box<dyn FnMut() -> usize> {
    let mut octets = vec![7; size];
    Box::new(move || {
        for _ in 0..16 {
            hybi_bytes::mask(black_box(&mut octets), [1, 2, 3, 4], 0);
        }
        16
    })
}

fn utf8(size: usize) -> Box<dyn FnMut() -> usize> {
    let text = "grüße, 世界 ".repeat(size / 16 + 1);
    let octets = text.as_bytes()[..size].to_vec();
    Box::new(move || {
        for _ in 0..16 {
            let _ = black_box(hybi_bytes::Utf8Bytes::copy_from_slice(black_box(&octets)));
        }
        16
    })
}

/// Hands out what was prepared, again and again, and forgets what is written.
struct Script {
    input: Cursor<Vec<u8>>,
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.input.read(buffer)? {
            0 => Err(std::io::ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }
}

impl Write for Script {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        Ok(black_box(octets).len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn tungstenite(size: usize, first: u8, echo: bool) -> Box<dyn FnMut() -> usize> {
    let (frames, count) = input(size, first);
    let script = Script { input: Cursor::new(frames) };
    let mut ws = WebSocket::from_raw_socket(script, Role::Server, None);
    Box::new(move || {
        ws.get_mut().input.set_position(0);
        for _ in 0..count {
            match ws.read() {
                Ok(message) if echo => ws.write(message).expect("an open connection sends"),
                Ok(message) => _ = black_box(&message),
                Err(error) => panic!("the frames are valid: {error}"),
            }
        }
        ws.flush().expect("nothing fails to be written");
        count
    })
}
