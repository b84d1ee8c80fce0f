//! A WebSocket client for programs without a runtime: the protocol of `hybi-proto`, driven over
//! `std::net`.
//!
//! Copy it and change what you need: everything that is I/O is in these few lines. It needs the
//! crates `hybi-proto`, `bytes` and `getrandom`.
//!
//! ```text
//! cargo run --example blocking -- ws://127.0.0.1:8080/ "something"
//! ```

use bytes::Buf;
use hybi_proto::handshake::{ClientHandshake, Outcome, RequestOptions};
use hybi_proto::{CloseCode, Connection, Event, Extensions, Message, Options, Role, Target};
use std::error::Error;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// An open connection.
pub struct BlockingWebSocket {
    stream: TcpStream,
    connection: Connection,
    /// What has been read and not yet worked off.
    input: Vec<u8>,
    ended: bool,
}

impl BlockingWebSocket {
    /// Connects to a `ws:` URL.
    pub fn connect(url: &str) -> Result<Self> {
        let target = Target::parse(url)?;
        if target.secure() || target.unix_path().is_some() {
            return Err("this example speaks neither TLS nor Unix sockets".into());
        }
        let mut stream = TcpStream::connect((target.host(), target.port()))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;

        let options = Options::new();
        let deflate = options.deflate(Role::Client);
        let request = RequestOptions::new().extensions(deflate.map(|deflate| deflate.offer()));
        let mut handshake = ClientHandshake::new(&target, &request, random()?)?;
        let mut octets = Vec::new();
        handshake.encode(&mut octets);
        stream.write_all(&octets)?;

        let mut buffer = [0; 4096];
        loop {
            let read = stream.read(&mut buffer)?;
            let mut input = &buffer[..read];
            let outcome = match read {
                0 => Some(handshake.receive_eof()?),
                _ => handshake.receive(&mut input)?,
            };
            match outcome {
                None => {}
                Some(Outcome::Open { negotiated, .. }) => {
                    let mut extensions = Extensions::none();
                    if let (Some(deflate), Some(answer)) = (deflate, &negotiated.extensions) {
                        extensions = extensions.with_deflate(deflate.confirm(answer)?);
                    }
                    stream.set_read_timeout(None)?;
                    return Ok(BlockingWebSocket {
                        stream,
                        connection: Connection::client(masking_key, &extensions, &options),
                        input: input.to_vec(),
                        ended: false,
                    });
                }
                Some(Outcome::Rejected(response)) => {
                    return Err(format!("the server answered {}", response.status()).into());
                }
                Some(Outcome::Redirect { location, .. }) => {
                    return Err(format!("the server redirects to {location}").into());
                }
            }
        }
    }

    /// Sends a message, and waits until it has been written.
    pub fn send(&mut self, message: impl Into<Message>) -> Result<()> {
        self.connection.send(message)?;
        self.write()
    }

    /// Waits for the next message; `None` once the peer has closed.
    pub fn recv(&mut self) -> Result<Option<Message>> {
        loop {
            match self.next_event()? {
                Some(Event::Message(message)) => return Ok(Some(message)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// Closes the connection, and waits until the peer has done so too.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<()> {
        self.connection.close(code, reason)?;
        self.write()?;
        while self.next_event()?.is_some() {}
        Ok(())
    }

    fn next_event(&mut self) -> Result<Option<Event>> {
        let mut buffer = [0; 4096];
        while !self.ended {
            let mut input = &self.input[..];
            let result = self.connection.receive(&mut input);
            let used = self.input.len() - input.len();
            self.input.drain(..used);
            // A pong, the answer to a Close frame, or the reason for an error.
            self.write()?;
            if let Some(event) = result? {
                return Ok(Some(event));
            }
            match self.stream.read(&mut buffer)? {
                0 => {
                    self.ended = true;
                    self.connection.receive_eof()?;
                }
                read => self.input.extend_from_slice(&buffer[..read]),
            }
        }
        Ok(None)
    }

    /// Writes all that is queued, and ends TCP when the protocol says so.
    fn write(&mut self) -> Result<()> {
        while let Some(mut outgoing) = self.connection.take() {
            while outgoing.has_remaining() {
                let written = self.stream.write(outgoing.chunk())?;
                outgoing.advance(written);
                self.connection.sender().written(written);
            }
        }
        if self.connection.wants_shutdown() && !self.ended {
            self.ended = true;
            self.stream.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }
}

/// Unpredictable octets (RFC 6455 §4.1, §10.3).
fn random<const N: usize>() -> Result<[u8; N]> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets)?;
    Ok(octets)
}

fn masking_key() -> [u8; 4] {
    random().expect("the operating system provides randomness")
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(text)) = (arguments.next(), arguments.next()) else {
        return Err("usage: blocking URL TEXT".into());
    };
    let mut ws = BlockingWebSocket::connect(&url)?;
    ws.send(text)?;
    if let Some(message) = ws.recv()? {
        println!("{message}");
    }
    ws.close(CloseCode::NORMAL, "")
}
