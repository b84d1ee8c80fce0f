//! Broadcast: one connection sends, the server passes every message on to all connections, the sender's among them.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::{Load, Socket, Target, Window};
use crate::Result;
use crate::frames::Exchange;

/// A sender that has so many messages in flight; a message is back when the last receiver has it.
#[derive(Debug)]
pub struct Broadcast {
    epoll: Epoll,
    receivers: Vec<Receiver>,
    exchange: Exchange,
    in_flight: usize,
    /// For each message in flight, oldest first, how many receivers still lack it.
    missing: VecDeque<usize>,
    /// The number of the oldest message in flight.
    oldest: usize,
    buffer: Vec<u8>,
    events: Vec<EpollEvent>,
}

#[derive(Debug)]
struct Receiver {
    stream: Socket,
    /// Bytes received of the message that is not complete yet.
    partial: usize,
    /// Messages received since the beginning: the number of the next one.
    next: usize,
}

impl Broadcast {
    /// Opens the connections, of which the first will also send.
    ///
    /// # Errors
    /// A connection failed.
    pub fn open(
        server: &Target,
        exchange: &Exchange,
        receivers: usize,
        in_flight: usize,
    ) -> Result<Self> {
        let receivers = (0..receivers)
            .map(|_| Ok(Receiver { stream: server.open()?, partial: 0, next: 0 }))
            .collect::<Result<_>>()?;
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            receivers,
            exchange: exchange.clone(),
            in_flight,
            missing: VecDeque::with_capacity(in_flight),
            oldest: 0,
            buffer: vec![0; 64 << 10],
            events: vec![EpollEvent::empty(); 1024],
        })
    }

    /// Broadcasts one message, compares each delivery, and puts the first measured messages in flight.
    ///
    /// The server must have registered every connection by now: some do so only after their 101.
    ///
    /// # Errors
    /// A delivery is missing or differs from the message sent.
    pub fn start(&mut self) -> Result<()> {
        self.receivers[0].stream.write_all(&self.exchange.request)?;
        let mut delivered = vec![0; self.exchange.response.len()];
        for (index, receiver) in self.receivers.iter_mut().enumerate() {
            receiver
                .stream
                .read_exact(&mut delivered)
                .map_err(|error| format!("the first delivery to receiver {index}: {error}"))?;
            if delivered != self.exchange.response {
                return Err("the first delivery differs from the message sent".into());
            }
            receiver.stream.set_nonblocking()?;
            self.epoll.add(&receiver.stream, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
        }
        self.send_due()
    }

    fn send_due(&mut self) -> Result<()> {
        let due = self.in_flight - self.missing.len();
        if due == 0 {
            return Ok(());
        }
        // At most a few small messages: a socket whose peer reads at all takes them whole.
        self.receivers[0].stream.write_all(&self.exchange.request.repeat(due))?;
        self.missing.resize(self.in_flight, self.receivers.len());
        Ok(())
    }

    fn read(&mut self, index: usize) -> Result<u64> {
        let response_size = self.exchange.response.len();
        let receiver = &mut self.receivers[index];
        let read = match receiver.stream.read(&mut self.buffer) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let received = receiver.partial + read;
        receiver.partial = received % response_size;
        let completed = received / response_size;
        for number in receiver.next..receiver.next + completed {
            let missing = self
                .missing
                .get_mut(number - self.oldest)
                .ok_or("a receiver got a message that was not sent")?;
            *missing -= 1;
        }
        receiver.next += completed;
        while self.missing.front() == Some(&0) {
            self.missing.pop_front();
            self.oldest += 1;
        }
        Ok(completed as u64)
    }
}

impl Load for Broadcast {
    fn run(&mut self, duration: Duration) -> Result<u64> {
        let mut window = Window::new(duration);
        let mut deliveries = 0;
        let mut progressed = true;
        while window.is_open(progressed)? {
            let ready = self.epoll.wait(&mut self.events, 50u8)?;
            progressed = ready > 0;
            for position in 0..ready {
                let index = self.events[position].data() as usize;
                deliveries += self.read(index)?;
            }
            self.send_due()?;
        }
        Ok(deliveries)
    }
}
