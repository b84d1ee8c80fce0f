//! Echo: so many connections, each with so many messages in flight.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::{Load, Socket, Target, Window};
use crate::Result;
use crate::frames::Exchange;

/// Connections that send a message for each that has come back.
///
/// Several messages that came back in one read are replaced by several in one write.
#[derive(Debug)]
pub struct Echo {
    epoll: Epoll,
    connections: Vec<Connection>,
    /// Enough copies of the request, end to end, to write all that can be owed from any offset within a frame.
    requests: Vec<u8>,
    request_size: usize,
    response_size: usize,
    in_flight: usize,
    buffer: Vec<u8>,
    events: Vec<EpollEvent>,
}

#[derive(Debug)]
struct Connection {
    stream: Socket,
    /// Bytes received of the response that is not complete yet.
    partial: usize,
    /// Where in the current request the next byte to write lies.
    offset: usize,
    /// Bytes due that the socket has not accepted yet.
    owed: usize,
    /// Whether epoll also reports that the socket accepts bytes again.
    awaits_space: bool,
}

impl Echo {
    /// Opens the connections and compares the first echo of each with what it must be.
    ///
    /// # Errors
    /// A connection failed, or an echo differs from the message sent.
    pub fn open(
        server: &Target,
        exchange: &Exchange,
        connections: usize,
        in_flight: usize,
    ) -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let (request_size, response_size) = (exchange.request.len(), exchange.response.len());
        let mut load = Self {
            epoll,
            connections: Vec::with_capacity(connections),
            requests: exchange.request.repeat(in_flight + 1),
            request_size,
            response_size,
            in_flight,
            buffer: vec![0; (response_size * in_flight).clamp(16 << 10, 256 << 10)],
            events: vec![EpollEvent::empty(); 1024],
        };
        for index in 0..connections {
            let mut stream = server.open()?;
            verify_echo(&mut stream, exchange)?;
            stream.set_nonblocking()?;
            load.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
            load.connections.push(Connection {
                stream,
                partial: 0,
                offset: 0,
                owed: 0,
                awaits_space: false,
            });
        }
        Ok(load)
    }

    /// Puts the first messages in flight; until then the connections are idle.
    ///
    /// # Errors
    /// As for [`Load::run`].
    pub fn start(&mut self) -> Result<()> {
        for index in 0..self.connections.len() {
            self.connections[index].owed = self.in_flight * self.request_size;
            self.write(index)?;
        }
        Ok(())
    }

    /// Reads what is there, counts what is complete and sends as many messages again.
    fn read(&mut self, index: usize) -> Result<u64> {
        let mut completed = 0;
        while let Some(more) = self.read_once(index)? {
            completed += more;
            if !self.connections[index].stream.holds_back() {
                break;
            }
        }
        Ok(completed)
    }

    /// `None` when there is nothing to read.
    fn read_once(&mut self, index: usize) -> Result<Option<u64>> {
        let connection = &mut self.connections[index];
        let read = match connection.stream.read(&mut self.buffer) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let received = connection.partial + read;
        let completed = received / self.response_size;
        connection.partial = received % self.response_size;
        if completed > self.in_flight {
            return Err("the server sent more than it was asked for".into());
        }
        if completed > 0 {
            connection.owed += completed * self.request_size;
            self.write(index)?;
        }
        Ok(Some(completed as u64))
    }

    fn write(&mut self, index: usize) -> Result<()> {
        let connection = &mut self.connections[index];
        while connection.owed > 0 {
            let due = &self.requests[connection.offset..connection.offset + connection.owed];
            match connection.stream.write(due) {
                Ok(written) => {
                    connection.owed -= written;
                    connection.offset = (connection.offset + written) % self.request_size;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        if connection.owed == 0 && connection.stream.has_unwritten() {
            match connection.stream.flush() {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        let awaits_space = connection.owed > 0 || connection.stream.has_unwritten();
        if awaits_space != connection.awaits_space {
            connection.awaits_space = awaits_space;
            let mut interest = EpollFlags::EPOLLIN;
            interest.set(EpollFlags::EPOLLOUT, awaits_space);
            let mut event = EpollEvent::new(interest, index as u64);
            self.epoll.modify(&connection.stream, &mut event)?;
        }
        Ok(())
    }
}

impl Load for Echo {
    fn run(&mut self, duration: Duration) -> Result<u64> {
        let mut window = Window::new(duration);
        let mut total = 0;
        let mut progressed = true;
        while window.is_open(progressed)? {
            let ready = self.epoll.wait(&mut self.events, 50u8)?;
            progressed = false;
            for position in 0..ready {
                let event = self.events[position];
                let index = event.data() as usize;
                if event.events().contains(EpollFlags::EPOLLOUT) {
                    self.write(index)?;
                    progressed = true;
                }
                if event.events() != EpollFlags::EPOLLOUT {
                    total += self.read(index)?;
                    progressed = true;
                }
            }
        }
        Ok(total)
    }
}

/// Sends one message on a blocking stream and compares what comes back, octet by octet.
fn verify_echo(stream: &mut Socket, exchange: &Exchange) -> Result<()> {
    let mut echoed = vec![0; exchange.response.len()];
    let exchanged = match &*stream {
        // A message larger than the socket buffers must be read while it is being written.
        Socket::Plain(stream) if exchange.request.len() > 32 << 10 => {
            let (mut to, mut from) = (stream, stream);
            std::thread::scope(|scope| {
                let writer = scope.spawn(move || to.write_all(&exchange.request));
                from.read_exact(&mut echoed)?;
                writer.join().unwrap_or(Ok(()))
            })
        }
        _ => stream
            .write_all(&exchange.request)
            .and_then(|()| stream.flush())
            .and_then(|()| stream.read_exact(&mut echoed)),
    };
    exchanged.map_err(|error| format!("verifying the first echo: {error}"))?;
    if echoed != exchange.response {
        return Err("the first echo differs from the message sent".into());
    }
    Ok(())
}
