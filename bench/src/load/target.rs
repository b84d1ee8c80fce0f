//! Opening a connection: TCP, TLS where it is asked for, and the opening handshake.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::STALL;
use crate::Result;

/// The sample handshake of RFC 6455 §1.3, so that the right answer is known without computing it.
const UPGRADE_REQUEST: &str = "GET / HTTP/1.1\r\n\
    Host: localhost\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What the load is put on.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where the server listens.
    pub address: SocketAddr,
    /// Set if it speaks TLS.
    pub tls: Option<Arc<ClientConfig>>,
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }
}

impl Target {
    /// Opens a connection and performs the opening handshake; the socket is still blocking.
    ///
    /// # Errors
    /// The server refused the connection, or its answer is not the 101 that the RFC's sample key calls for.
    pub fn open(&self) -> Result<Socket> {
        let mut socket = self.dial()?;
        self.ask(&mut socket, "")?;
        self.read_answer(&mut socket)?;
        Ok(socket)
    }

    /// As [`open`](Self::open), with permessage-deflate in both directions and full windows.
    ///
    /// # Errors
    /// As [`open`](Self::open), or the server declines context takeover or wants a smaller window.
    pub fn open_compressed(&self) -> Result<Socket> {
        let mut socket = self.dial()?;
        let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=15\r\n";
        self.ask(&mut socket, offer)?;
        let head = self.read_answer(&mut socket)?.to_ascii_lowercase();
        let extension = head.lines().find(|line| line.starts_with("sec-websocket-extensions:"));
        let extension = extension.ok_or("the server does not compress")?;
        let restricted = extension.split(';').map(str::trim).any(|parameter| {
            parameter.ends_with("no_context_takeover")
                || (parameter.contains("_max_window_bits") && !parameter.ends_with("=15"))
        });
        if !extension.contains("permessage-deflate") || restricted {
            return Err(format!("not full windows with context takeover: {extension}").into());
        }
        Ok(socket)
    }

    /// Connects; the connection will be reset, not shut down, when it is dropped.
    ///
    /// Every round opens new connections; a reset leaves no TIME_WAIT behind, so local ports do not run out.
    pub(super) fn dial(&self) -> Result<Socket> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(STALL))?;
        stream.set_write_timeout(Some(STALL))?;
        setsockopt(&stream, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 })?;
        Ok(match &self.tls {
            None => Socket::Plain(stream),
            Some(config) => {
                let name = ServerName::try_from("localhost")?;
                let connection = ClientConnection::new(Arc::clone(config), name)?;
                Socket::Tls(Box::new(StreamOwned::new(connection, stream)))
            }
        })
    }

    pub(super) fn ask(&self, socket: &mut Socket, headers: &str) -> Result<()> {
        socket.write_all(format!("{UPGRADE_REQUEST}{headers}\r\n").as_bytes())?;
        Ok(socket.flush()?)
    }

    /// Reads the 101 and returns its head.
    pub(super) fn read_answer(&self, socket: &mut Socket) -> Result<String> {
        let mut head = [0; 2048];
        let mut filled = 0;
        while !head[..filled].ends_with(b"\r\n\r\n") {
            match socket.read(&mut head[filled..])? {
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
            return Ok(head.into_owned());
        }
        Err(format!("not the expected 101: {head}").into())
    }
}

/// A connection to the server.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Socket {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref(),
        }
    }

    /// From now on what would block is refused instead.
    ///
    /// # Errors
    /// The system's.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        self.tcp().set_nonblocking(true)
    }

    /// Whether a read may bring more although the kernel has nothing to read: TLS decrypts whole records.
    pub fn holds_back(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Whether octets that were accepted still wait for the kernel to take them.
    pub fn has_unwritten(&self) -> bool {
        matches!(self, Self::Tls(stream) if stream.conn.wants_write())
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(octets),
            Self::Tls(stream) => stream.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tcp().as_fd()
    }
}
