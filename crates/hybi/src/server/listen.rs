//! [`Listen`] and [`Listener`]: the socket that connections come from.

use crate::error::Error;
use crate::transport::Transport;
use hybi_proto::ErrorCode;
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::sync::Arc;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::net::{TcpListener, TcpSocket, ToSocketAddrs};

/// Whether connections have `TCP_NODELAY` from the socket that they were accepted on: that saves each
/// of them a system call.
const INHERITS: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// How a TCP socket listens.
///
/// ```no_run
/// # async fn example() -> Result<(), hybi::Error> {
/// use hybi::server::{Listen, Server};
/// let how = Listen::new().backlog(4096).reuse_port(true);
/// let server = Server::bind_with("[::]:8080", &how).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Listen {
    backlog: u32,
    only_v6: Option<bool>,
    reuse_port: bool,
    defer_accept: bool,
}

impl Listen {
    /// The defaults: a backlog of 1024, connections that are handed over when they have said something,
    /// and what the operating system does otherwise.
    pub const fn new() -> Self {
        Listen { backlog: 1024, only_v6: None, reuse_port: false, defer_accept: true }
    }

    /// How many connections may wait to be accepted (default 1024; the operating system has a bound
    /// of its own). `ws`: `backlog`.
    pub const fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Whether an IPv6 address takes IPv6 only (default: as the operating system is configured,
    /// mostly both).
    pub const fn only_v6(mut self, only: bool) -> Self {
        self.only_v6 = Some(only);
        self
    }

    /// Whether other sockets may listen on the same address, the connections being spread over them
    /// (default no): for [`workers`](super::Server::workers), or for several processes. Unix only,
    /// no effect elsewhere.
    pub const fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// Whether the kernel hands a connection over only when the client has sent something, or after a
    /// second of silence (`TCP_DEFER_ACCEPT`; default yes, as Apache's httpd does it). A WebSocket
    /// client speaks first, with TLS as well: an opening handshake costs a tenth to a quarter less CPU time,
    /// and who connects without a word costs neither a task nor memory until then. Linux only, no effect
    /// elsewhere or on listeners that are handed in.
    ///
    /// Say no if something else than a WebSocket client has to see within that second what becomes of
    /// a connection over which it sends nothing.
    pub const fn defer_accept(mut self, defer: bool) -> Self {
        self.defer_accept = defer;
        self
    }

    pub(super) async fn bind(
        &self,
        address: impl ToSocketAddrs + std::fmt::Debug,
    ) -> Result<Listener, Error> {
        let what = format!("cannot listen on {address:?}");
        let bind = async {
            let mut error = None;
            for address in tokio::net::lookup_host(address).await? {
                match self.bind_one(address) {
                    Ok(listener) => return Ok(listener),
                    Err(failed) => error = Some(failed),
                }
            }
            Err(error.unwrap_or_else(|| {
                io::Error::new(io::ErrorKind::NotFound, "the name has no address")
            }))
        };
        let listener = bind.await.map_err(|error| Error::io(ErrorCode::Io, what, error))?;
        Ok(Listener(Kind::Tcp(listener, Some(self.clone()))))
    }

    fn bind_one(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // On Windows this would let others take the address away.
        #[cfg(not(windows))]
        socket.set_reuseaddr(true)?;
        #[cfg(unix)]
        if self.reuse_port {
            socket.set_reuseport(true)?;
        }
        if let (SocketAddr::V6(_), Some(only)) = (address, self.only_v6) {
            SockRef::from(&socket).set_only_v6(only)?;
        }
        if INHERITS {
            socket.set_nodelay(true)?;
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if self.defer_accept {
            // An optimization: a sandbox that does not have it does without.
            let _ = deferred::defer_accept(&socket);
        }
        socket.bind(address)?;
        socket.listen(self.backlog)
    }
}

impl Default for Listen {
    fn default() -> Self {
        Listen::new()
    }
}

/// The socket option that neither tokio nor socket2 has.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod deferred {
    use nix::sys::socket::setsockopt;
    use nix::{setsockopt_impl, sockopt_impl};
    use std::os::fd::AsFd;

    sockopt_impl!(DeferAccept, SetOnly, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, u32);

    /// For a second, the least there is: then the kernel asks the client once more whether it is there,
    /// and hands the connection over when it answers.
    pub(super) fn defer_accept(socket: &impl AsFd) -> nix::Result<()> {
        setsockopt(socket, DeferAccept, &1)
    }
}

/// A socket that connections come from: made of a tokio `TcpListener` or `UnixListener`.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    /// With how it was bound, unless it was made elsewhere.
    Tcp(TcpListener, Option<Listen>),
    #[cfg(unix)]
    Unix(UnixListener, Option<Arc<SocketFile>>),
}

/// The file of a Unix socket that we have made, removed with the last listener.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    #[cfg(unix)]
    pub(super) fn bind_unix(path: &Path) -> Result<Self, Error> {
        let bound = UnixListener::bind(path).or_else(|error| {
            // Nobody listens on the file any more: its server has crashed.
            if error.kind() == io::ErrorKind::AddrInUse && is_left_over(path) {
                std::fs::remove_file(path)?;
                return UnixListener::bind(path);
            }
            Err(error)
        });
        let listener = bound.map_err(|error| {
            Error::io(ErrorCode::Io, format!("cannot listen on {}", path.display()), error)
        })?;
        Ok(Listener(Kind::Unix(listener, Some(Arc::new(SocketFile(path.to_owned()))))))
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Kind::Tcp(listener, _) => listener.local_addr(),
            #[cfg(unix)]
            Kind::Unix(..) => Err(io::Error::other("it is a Unix socket")),
        }
    }

    /// Accepts the next connection; over TCP with the address of the peer.
    pub(super) async fn accept(&self) -> io::Result<(Transport, Option<SocketAddr>)> {
        match &self.0 {
            Kind::Tcp(listener, how) => {
                let (stream, peer) = listener.accept().await?;
                // Messages are written whole: waiting for more to send only costs time.
                if !(INHERITS && how.is_some()) {
                    let _ = stream.set_nodelay(true);
                }
                Ok((Transport::Tcp(stream), Some(peer)))
            }
            #[cfg(unix)]
            Kind::Unix(listener, _) => Ok((Transport::Unix(listener.accept().await?.0), None)),
        }
    }

    /// One listener for each of `count` threads: sockets of their own where that was asked for with
    /// [`Listen::reuse_port`], otherwise handles to the same one.
    pub(super) fn share(self, count: usize) -> io::Result<Vec<Unregistered>> {
        match self.0 {
            Kind::Tcp(listener, how) => {
                let address = listener.local_addr()?;
                let first = listener.into_std()?;
                let mut shared = Vec::with_capacity(count);
                for _ in 1..count {
                    let another = match &how {
                        Some(how) if how.reuse_port => how.bind_one(address)?.into_std()?,
                        _ => first.try_clone()?,
                    };
                    shared.push(Unregistered::Tcp(another, how.clone()));
                }
                shared.push(Unregistered::Tcp(first, how));
                Ok(shared)
            }
            #[cfg(unix)]
            Kind::Unix(listener, file) => {
                let listener = listener.into_std()?;
                let share = |_| Ok(Unregistered::Unix(listener.try_clone()?, file.clone()));
                (0..count).map(share).collect()
            }
        }
    }
}

/// A listener that no runtime knows yet.
pub(super) enum Unregistered {
    Tcp(std::net::TcpListener, Option<Listen>),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener, Option<Arc<SocketFile>>),
}

impl Unregistered {
    /// Registers it with the runtime of this thread.
    pub(super) fn register(self) -> io::Result<Listener> {
        Ok(Listener(match self {
            Unregistered::Tcp(listener, how) => Kind::Tcp(TcpListener::from_std(listener)?, how),
            #[cfg(unix)]
            Unregistered::Unix(listener, file) => {
                Kind::Unix(UnixListener::from_std(listener)?, file)
            }
        }))
    }
}

#[cfg(unix)]
fn is_left_over(path: &Path) -> bool {
    use std::os::unix::{fs::FileTypeExt, net::UnixStream};
    // Connecting to a file that is no socket is refused in the same way.
    let is_socket = path.symlink_metadata().is_ok_and(|file| file.file_type().is_socket());
    is_socket
        && matches!(UnixStream::connect(path), Err(error)
            if error.kind() == io::ErrorKind::ConnectionRefused)
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Listener(Kind::Tcp(listener, None))
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Listener(Kind::Unix(listener, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_accepted_sends_at_once_whoever_made_the_listener() {
        let local = "127.0.0.1:0";
        let how = Listen::new().defer_accept(false);
        let bound = how.bind(local).await.unwrap();
        let shared = how.bind(local).await.unwrap().share(2).unwrap().remove(0);
        let given = TcpListener::bind(local).await.unwrap().into();
        for listener in [bound, shared.register().unwrap(), given] {
            let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let Transport::Tcp(stream) = listener.accept().await.unwrap().0 else { panic!() };
            assert!(stream.nodelay().unwrap());
        }
    }

    #[tokio::test]
    async fn without_deferring_a_silent_client_is_accepted_before_one_that_speaks() {
        let listener = Listen::new().defer_accept(false).bind("127.0.0.1:0").await.unwrap();
        let connect = || std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (silent, mut speaks) = (connect(), connect());
        io::Write::write_all(&mut speaks, b"G").unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, Some(silent.local_addr().unwrap()));
    }
}
