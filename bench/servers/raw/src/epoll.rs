//! The kernel's floor: one thread, epoll, one read and one write per wake-up of a connection.

mod canned;

use std::collections::VecDeque;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

const LISTENER: u64 = u64::MAX;

struct Connection {
    stream: TcpStream,
    upgraded: bool,
    /// Read but not accepted by the socket yet; allocates only for a peer that does not read fast enough.
    unsent: VecDeque<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: raw-epoll ADDRESS")?;
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut free = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    let mut events = vec![EpollEvent::empty(); 1024];
    loop {
        let ready = epoll.wait(&mut events, EpollTimeout::NONE)?;
        for event in &events[..ready] {
            if event.data() == LISTENER {
                accept(&listener, &epoll, &mut connections, &mut free)?;
                continue;
            }
            let index = event.data() as usize;
            let slot = &mut connections[index];
            let Some(connection) = slot else { continue };
            // A peer that resets its connection is the ordinary end of a round.
            if !matches!(turn(connection, event.events(), &epoll, index, &mut buffer), Ok(true)) {
                *slot = None;
                free.push(index);
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    epoll: &Epoll,
    connections: &mut Vec<Option<Connection>>,
    free: &mut Vec<usize>,
) -> Result<(), Box<dyn Error>> {
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
            Err(error) => return Err(error.into()),
        };
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let index = free.pop().unwrap_or_else(|| {
            connections.push(None);
            connections.len() - 1
        });
        epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
        connections[index] = Some(Connection { stream, upgraded: false, unsent: VecDeque::new() });
    }
}

/// Works off one event; `false` when the peer has closed.
fn turn(
    connection: &mut Connection,
    event: EpollFlags,
    epoll: &Epoll,
    index: usize,
    buffer: &mut [u8],
) -> Result<bool, Box<dyn Error>> {
    let blocked = !connection.unsent.is_empty();
    if event.contains(EpollFlags::EPOLLOUT) {
        let written = connection.stream.write(connection.unsent.make_contiguous())?;
        connection.unsent.drain(..written);
        if connection.unsent.is_empty() {
            connection.unsent = VecDeque::new();
        }
    } else {
        let read = match connection.stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        let mut answer = &buffer[..read];
        if !connection.upgraded {
            // The load generator writes its head whole and waits for the answer.
            connection.upgraded = answer.ends_with(canned::END_OF_HEAD);
            answer = canned::RESPONSE;
        }
        let written = match connection.stream.write(answer) {
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error.into()),
        };
        connection.unsent.extend(&answer[written..]);
    }
    let blocks = !connection.unsent.is_empty();
    if blocks != blocked {
        // While the peer does not take what it sent, nothing more is read from it.
        let interest = if blocks { EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN };
        epoll.modify(&connection.stream, &mut EpollEvent::new(interest, index as u64))?;
    }
    Ok(true)
}
