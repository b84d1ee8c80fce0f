//! Opening handshakes, a batch of connections at a time, each reset as soon as its 101 is there.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::{Load, UPGRADE_REQUEST, Window, dial, read_upgrade_response};
use crate::Result;

/// Batches of simultaneous opening handshakes.
#[derive(Debug)]
pub struct Handshakes {
    server: SocketAddr,
    at_once: usize,
}

impl Handshakes {
    /// `at_once` connections are dialled, then asked, then read.
    pub fn new(server: SocketAddr, at_once: usize) -> Self {
        Self { server, at_once }
    }
}

impl Load for Handshakes {
    fn run(&mut self, duration: Duration) -> Result<u64> {
        let mut window = Window::new(duration);
        let mut total = 0;
        while window.is_open(true)? {
            let mut streams: Vec<TcpStream> =
                (0..self.at_once).map(|_| dial(self.server)).collect::<Result<_>>()?;
            for stream in &mut streams {
                stream.write_all(UPGRADE_REQUEST)?;
            }
            for stream in &mut streams {
                read_upgrade_response(stream)?;
            }
            total += streams.len() as u64;
        }
        Ok(total)
    }
}
