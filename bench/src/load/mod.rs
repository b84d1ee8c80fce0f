//! The load generator: plain sockets on epoll, one thread, closed loop.
//!
//! Each connection keeps a fixed number of messages in flight and sends the next only when one has come back, so a
//! slow server is measured at its own pace.

mod broadcast;
mod echo;
mod handshakes;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};

pub use broadcast::Broadcast;
pub use echo::Echo;
pub use handshakes::Handshakes;

use crate::Result;

/// Nothing completed for this long: the server hangs, or lost a message.
const STALL: Duration = Duration::from_secs(10);

/// The sample handshake of RFC 6455 §1.3, so that the right answer is known without computing it.
const UPGRADE_REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\
    Host: 127.0.0.1\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A load that can be kept up for as long as the caller likes.
pub trait Load {
    /// Runs for `duration` and returns how many units of work completed meanwhile.
    ///
    /// Work in flight stays in flight, so that calls can follow each other without a pause.
    ///
    /// # Errors
    /// The server closed a connection, answered wrongly, or stopped answering.
    fn run(&mut self, duration: Duration) -> Result<u64>;
}

/// Opens a TCP connection and performs the opening handshake; the stream is still blocking.
///
/// # Errors
/// The server refused the connection, or its answer is not the 101 that the RFC's sample key calls for.
pub fn open(server: SocketAddr) -> Result<TcpStream> {
    let mut stream = dial(server)?;
    stream.write_all(UPGRADE_REQUEST)?;
    read_upgrade_response(&mut stream)?;
    Ok(stream)
}

/// Opens a TCP connection that will be reset, not shut down, when it is dropped.
///
/// Every round opens new connections; a reset leaves no TIME_WAIT behind, so local ports do not run out.
fn dial(server: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(STALL))?;
    stream.set_write_timeout(Some(STALL))?;
    setsockopt(&stream, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 })?;
    Ok(stream)
}

fn read_upgrade_response(stream: &mut TcpStream) -> Result<()> {
    let mut head = [0; 2048];
    let mut filled = 0;
    while !head[..filled].ends_with(b"\r\n\r\n") {
        match stream.read(&mut head[filled..])? {
            0 => {
                return Err(
                    "the server ended the connection or its head within the handshake".into()
                );
            }
            read => filled += read,
        }
    }
    let head = String::from_utf8_lossy(&head[..filled]);
    if head.starts_with("HTTP/1.1 101 ") && head.contains(ACCEPT) {
        return Ok(());
    }
    Err(format!("not the expected 101: {head}").into())
}

/// Says when a measuring window is over, and fails it when nothing has completed for too long.
struct Window {
    end: Instant,
    last_progress: Instant,
}

impl Window {
    fn new(duration: Duration) -> Self {
        let now = Instant::now();
        Self { end: now + duration, last_progress: now }
    }

    /// Whether to go on; `progressed` tells whether anything completed since the last call.
    fn is_open(&mut self, progressed: bool) -> Result<bool> {
        let now = Instant::now();
        if progressed {
            self.last_progress = now;
        } else if now - self.last_progress > STALL {
            return Err(format!("nothing came back for {} s", STALL.as_secs()).into());
        }
        Ok(now < self.end)
    }
}
