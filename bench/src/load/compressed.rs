//! Echo with permessage-deflate: different JSON documents, context takeover in both directions.
//!
//! A deflate stream depends on what went before it, so what is sent is compressed in advance: one pass over all the
//! documents from the beginning, and one that follows it and can follow itself, because the documents together are
//! larger than the window.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::{Load, Socket, Target, Window};
use crate::Result;
use crate::documents::document;
use crate::frames::{Payload, compressed_frame};

/// All documents together are at least twice as large as the largest window.
const DOCUMENTS_SIZE: usize = 64 << 10;

/// What every connection sends, in order.
#[derive(Debug)]
pub struct Script {
    documents: Vec<Vec<u8>>,
    /// The frames of the first pass, then those of every later one.
    frames: Vec<Vec<u8>>,
}

impl Script {
    /// Documents of `size` bytes each.
    ///
    /// # Errors
    /// The compressor's.
    pub fn new(size: usize) -> Result<Self> {
        let count = DOCUMENTS_SIZE.div_ceil(size).max(4);
        let documents: Vec<Vec<u8>> = (0..count).map(|n| document(size, n as u64)).collect();
        let mut deflate = Compress::new(Compression::new(6), false);
        let mut frames = Vec::with_capacity(2 * count);
        for document in documents.iter().chain(&documents) {
            let mut compressed = Vec::with_capacity(document.len() + 64);
            deflate.compress_vec(document, &mut compressed, FlushCompress::Sync)?;
            if !compressed.ends_with(&[0, 0, 0xff, 0xff]) {
                return Err("a document does not become smaller".into());
            }
            compressed.truncate(compressed.len() - 4);
            frames.push(compressed_frame(Payload::Text, &compressed));
        }
        Ok(Self { documents, frames })
    }

    /// The frame of the message with this number, counted from the beginning of the connection.
    fn frame(&self, number: usize) -> &[u8] {
        let count = self.documents.len();
        let position = if number < count { number } else { count + number % count };
        &self.frames[position]
    }
}

/// Connections that send the next document when the one before has come back.
#[derive(Debug)]
pub struct Compressed {
    epoll: Epoll,
    connections: Vec<Connection>,
    script: Script,
    /// Octets of all frames received.
    wire: u64,
    buffer: Vec<u8>,
    events: Vec<EpollEvent>,
}

#[derive(Debug)]
struct Connection {
    socket: Socket,
    frames: Frames,
    /// Messages sent since the beginning.
    sent: usize,
}

/// Finds the ends of unmasked frames in what is received.
#[derive(Debug, Default)]
struct Frames {
    header: Vec<u8>,
    remaining: usize,
}

impl Frames {
    /// Takes octets and returns how many frames have ended.
    fn take(&mut self, mut octets: &[u8]) -> usize {
        let mut ended = 0;
        while !octets.is_empty() {
            if self.remaining == 0 {
                self.header.push(octets[0]);
                octets = &octets[1..];
                let Some(len) = payload_len(&self.header) else { continue };
                self.header.clear();
                self.remaining = len;
                ended += usize::from(len == 0);
                continue;
            }
            let taken = self.remaining.min(octets.len());
            octets = &octets[taken..];
            self.remaining -= taken;
            ended += usize::from(self.remaining == 0);
        }
        ended
    }
}

/// The length that a whole unmasked header tells.
fn payload_len(header: &[u8]) -> Option<usize> {
    match *header {
        [_, len @ 0..=125] => Some(len.into()),
        [_, 126, a, b] => Some(u16::from_be_bytes([a, b]).into()),
        [_, 127, a, b, c, d, e, f, g, h] => {
            usize::try_from(u64::from_be_bytes([a, b, c, d, e, f, g, h])).ok()
        }
        _ => None,
    }
}

impl Compressed {
    /// Opens the connections, sends `messages` on each and compares the first of each and all of the first
    /// connection with what they must be.
    ///
    /// # Errors
    /// A connection failed, the server does not compress with context takeover, or an echo differs.
    pub fn open(
        server: &Target,
        script: Script,
        connections: usize,
        messages: usize,
    ) -> Result<Self> {
        let mut load = Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            connections: Vec::with_capacity(connections),
            script,
            wire: 0,
            buffer: vec![0; 64 << 10],
            events: vec![EpollEvent::empty(); 1024],
        };
        for index in 0..connections {
            let mut connection = Connection {
                socket: server.open_compressed()?,
                frames: Frames::default(),
                sent: 0,
            };
            let compared = if index == 0 { messages } else { 1 };
            load.compare(&mut connection, compared)?;
            load.exchange(&mut connection, messages - compared)?;
            connection.socket.set_nonblocking()?;
            load.epoll
                .add(&connection.socket, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
            load.connections.push(connection);
        }
        Ok(load)
    }

    /// Sends messages one by one on a blocking socket and compares what comes back.
    fn compare(&mut self, connection: &mut Connection, messages: usize) -> Result<()> {
        let mut inflate = Decompress::new(false);
        for _ in 0..messages {
            connection.socket.write_all(self.script.frame(connection.sent))?;
            let mut frame = Vec::new();
            let mut header = 0;
            while connection.frames.take(&frame[header..]) == 0 {
                header = frame.len();
                let read = connection.socket.read(&mut self.buffer)?;
                if read == 0 {
                    return Err("the server closed a connection".into());
                }
                frame.extend_from_slice(&self.buffer[..read]);
            }
            let header = (2..=10).find(|&end| payload_len(&frame[..end]).is_some());
            let header = header.ok_or("an answer is no frame")?;
            let expected = &self.script.documents[connection.sent % self.script.documents.len()];
            if frame[0] != 0xc1 {
                return Err(format!("an answer is not compressed: {:#x}", frame[0]).into());
            }
            frame.extend_from_slice(&[0, 0, 0xff, 0xff]);
            let mut text = Vec::with_capacity(expected.len() + 64);
            inflate.decompress_vec(&frame[header..], &mut text, FlushDecompress::Sync)?;
            if text != *expected {
                return Err("an echo differs from the message sent".into());
            }
            connection.sent += 1;
        }
        Ok(())
    }

    /// Sends messages all at once on a blocking socket and waits until as many have come back.
    fn exchange(&mut self, connection: &mut Connection, messages: usize) -> Result<()> {
        let frames: Vec<u8> = (connection.sent..connection.sent + messages)
            .flat_map(|number| self.script.frame(number))
            .copied()
            .collect();
        connection.socket.write_all(&frames)?;
        connection.sent += messages;
        let mut back = 0;
        while back < messages {
            let read = connection.socket.read(&mut self.buffer)?;
            if read == 0 {
                return Err("the server closed a connection".into());
            }
            back += connection.frames.take(&self.buffer[..read]);
        }
        Ok(())
    }

    /// Puts the first message of each connection in flight.
    ///
    /// # Errors
    /// As for [`Load::run`].
    pub fn start(&mut self) -> Result<()> {
        self.connections.iter_mut().try_for_each(|connection| send(connection, &self.script))
    }

    /// Octets received since the beginning of the load, frame headers included.
    pub fn wire(&self) -> u64 {
        self.wire
    }
}

/// A message is far smaller than what a socket takes, and only one is in flight.
fn send(connection: &mut Connection, script: &Script) -> Result<()> {
    connection.socket.write_all(script.frame(connection.sent))?;
    connection.sent += 1;
    Ok(())
}

impl Load for Compressed {
    fn run(&mut self, duration: Duration) -> Result<u64> {
        let mut window = Window::new(duration);
        let mut total = 0;
        let mut progressed = true;
        while window.is_open(progressed)? {
            let ready = self.epoll.wait(&mut self.events, 50u8)?;
            progressed = ready > 0;
            for event in &self.events[..ready] {
                let connection = &mut self.connections[event.data() as usize];
                let read = match connection.socket.read(&mut self.buffer) {
                    Ok(0) => return Err("the server closed a connection".into()),
                    Ok(read) => read,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error.into()),
                };
                self.wire += read as u64;
                let ended = connection.frames.take(&self.buffer[..read]);
                if ended > 1 {
                    return Err("the server sent more than it was asked for".into());
                }
                if ended == 1 {
                    total += 1;
                    send(connection, &self.script)?;
                }
            }
        }
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_in_pieces_are_counted_at_their_end() {
        let octets = [&[0xc1, 2, 1, 2, 0xc1, 126, 0, 126][..], &[7; 126], &[0xc1, 0]].concat();
        for size in [1, 3, octets.len()] {
            let mut frames = Frames::default();
            let counted: usize = octets.chunks(size).map(|piece| frames.take(piece)).sum();
            assert_eq!(counted, 3);
        }
    }

    #[test]
    fn every_pass_can_be_inflated_after_the_one_before() {
        let script = Script::new(1024).unwrap();
        let mut inflate = Decompress::new(false);
        for number in 0..4 * script.documents.len() {
            let frame = script.frame(number);
            let (header, key) = if frame[1] & 0x7f == 126 { (8, 4) } else { (6, 2) };
            let mut payload = frame[header..].to_vec();
            payload.iter_mut().enumerate().for_each(|(i, octet)| *octet ^= frame[key + i % 4]);
            payload.extend_from_slice(&[0, 0, 0xff, 0xff]);
            let mut text = Vec::with_capacity(2048);
            inflate.decompress_vec(&payload, &mut text, FlushDecompress::Sync).unwrap();
            assert_eq!(text, script.documents[number % script.documents.len()]);
        }
    }
}
