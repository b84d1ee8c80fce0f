//! Opening handshakes, a batch of connections at a time, each reset as soon as its 101 is there.

use std::time::Duration;

use super::{Load, Socket, Target, Window};
use crate::Result;

/// Batches of simultaneous opening handshakes.
#[derive(Debug)]
pub struct Handshakes {
    server: Target,
    at_once: usize,
}

impl Handshakes {
    /// `at_once` connections are dialled, then asked, then read.
    pub fn new(server: Target, at_once: usize) -> Self {
        Self { server, at_once }
    }
}

impl Load for Handshakes {
    fn run(&mut self, duration: Duration) -> Result<u64> {
        let mut window = Window::new(duration);
        let mut total = 0;
        while window.is_open(true)? {
            let mut sockets: Vec<Socket> =
                (0..self.at_once).map(|_| self.server.dial()).collect::<Result<_>>()?;
            for socket in &mut sockets {
                self.server.ask(socket, "")?;
            }
            for socket in &mut sockets {
                self.server.read_answer(socket)?;
            }
            total += sockets.len() as u64;
        }
        Ok(total)
    }
}
