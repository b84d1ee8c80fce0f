//! [`Transport`]: the stream of octets below a connection.
//!
//! A field and not a type parameter: a `WebSocket` is the same type over TCP, TLS, a Unix socket or
//! whatever a proxy makes of them.

#[cfg(feature = "tls")]
pub(crate) mod tls;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// Any stream of octets.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

/// The stream of octets below a connection.
pub(crate) enum Transport {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    /// Over any of the others.
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::TlsStream<Transport>>),
    Other(Pin<Box<dyn Duplex>>),
    /// It has been given up.
    Closed,
}

impl Transport {
    /// Any stream; the ones with a path of their own are recognised.
    pub(crate) fn new<S: AsyncRead + AsyncWrite + Send + 'static>(stream: S) -> Self {
        let mut stream = Some(stream);
        let any = &mut stream as &mut dyn std::any::Any;
        if let Some(tcp) = any.downcast_mut::<Option<TcpStream>>().and_then(Option::take) {
            return Transport::Tcp(tcp);
        }
        #[cfg(unix)]
        if let Some(unix) = any.downcast_mut::<Option<UnixStream>>().and_then(Option::take) {
            return Transport::Unix(unix);
        }
        match stream {
            Some(stream) => Transport::Other(Box::pin(stream)),
            None => Transport::Closed,
        }
    }

    /// The address of the peer, over TCP, with TLS or without.
    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        match self {
            Transport::Tcp(stream) => stream.peer_addr().ok(),
            #[cfg(feature = "tls")]
            Transport::Tls(stream) => stream.get_ref().0.peer_addr(),
            _ => None,
        }
    }

    /// Ready when there is something to be read, the end or an error included, as far as that can be
    /// told without reading.
    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Tcp(stream) => stream.poll_read_ready(cx),
            #[cfg(unix)]
            Transport::Unix(stream) => stream.poll_read_ready(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Reads what is there now into the room of `octets`, without a task that waits for it, and without
    /// its budget. Only a transport that [is direct](Self::is_direct) can do so.
    #[inline]
    pub(crate) fn try_read(&self, octets: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        let mut read = Err(io::ErrorKind::WouldBlock.into());
        // That nothing is left is told to the outer call, which then forgets the readiness that it began
        // with, and not one that has come since.
        let _ = match self {
            Transport::Tcp(stream) => stream.try_io(Interest::READABLE, || {
                read = stream.try_read_buf(octets);
                left(&read, octets)
            }),
            #[cfg(unix)]
            Transport::Unix(stream) => stream.try_io(Interest::READABLE, || {
                read = stream.try_read_buf(octets);
                left(&read, octets)
            }),
            _ => return gone(),
        };
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            read => Poll::Ready(read),
        }
    }

    /// Writes as much as the kernel takes now, without a task that waits for it, and without its
    /// budget. Only a transport that [is direct](Self::is_direct) can do so.
    #[inline]
    pub(crate) fn try_write(&mut self, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = match (self, slices) {
            (Transport::Tcp(stream), [octets]) => stream.try_write(octets),
            (Transport::Tcp(stream), slices) => stream.try_write_vectored(slices),
            #[cfg(unix)]
            (Transport::Unix(stream), [octets]) => stream.try_write(octets),
            #[cfg(unix)]
            (Transport::Unix(stream), slices) => stream.try_write_vectored(slices),
            // What the models write to is written to as TCP is.
            #[cfg(hybi_loom)]
            (Transport::Other(stream), [octets]) => {
                let mut cx = Context::from_waker(std::task::Waker::noop());
                return stream.as_mut().poll_write(&mut cx, octets);
            }
            _ => return Poll::Pending,
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            written => Poll::Ready(written),
        }
    }

    /// True if nothing is held back between a write and the kernel, and reading never writes.
    pub(crate) fn is_direct(&self) -> bool {
        match self {
            Transport::Tcp(_) | Transport::Closed => true,
            #[cfg(unix)]
            Transport::Unix(_) => true,
            #[cfg(feature = "tls")]
            Transport::Tls(_) => false,
            Transport::Other(_) => false,
        }
    }
}

macro_rules! each {
    ($self:expr, $stream:ident => $do:expr, closed => $closed:expr) => {
        match $self.get_mut() {
            Transport::Tcp(stream) => {
                let $stream = Pin::new(stream);
                $do
            }
            #[cfg(unix)]
            Transport::Unix(stream) => {
                let $stream = Pin::new(stream);
                $do
            }
            #[cfg(feature = "tls")]
            Transport::Tls(stream) => {
                let $stream = Pin::new(&mut **stream);
                $do
            }
            Transport::Other(stream) => {
                let $stream = stream.as_mut();
                $do
            }
            Transport::Closed => $closed,
        }
    };
}

/// An error if nothing is left to be read, as far as that can be told: the reactor tells when more
/// comes. Where it tells each time that there is something (level-triggered), only a read in vain
/// makes it do so.
#[inline]
fn left(read: &io::Result<usize>, octets: &Vec<u8>) -> io::Result<()> {
    let edge_triggered = cfg!(all(
        any(target_os = "linux", target_os = "android", target_os = "macos"),
        not(mio_unsupported_force_poll_poll)
    ));
    let nothing_left = match read {
        Ok(read) => edge_triggered && *read > 0 && octets.len() < octets.capacity(),
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    };
    if nothing_left { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
}

fn gone<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl AsyncRead for Transport {
    #[cfg_attr(not(feature = "tls"), allow(unused_mut))]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        #[cfg(feature = "tls")]
        if let Transport::Tls(stream) = &mut *self {
            return match Pin::new(&mut **stream).poll_read(cx, buf) {
                // TCP ended without TLS's own farewell, which many leave out. That nothing is
                // missing is told by the Close frame; for TLS's sake it need not be known.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                other => other,
            };
        }
        each!(self, stream => stream.poll_read(cx, buf), closed => gone())
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => stream.poll_write(cx, octets), closed => gone())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => stream.poll_write_vectored(cx, slices), closed => gone())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_flush(cx), closed => Poll::Ready(Ok(())))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_shutdown(cx), closed => Poll::Ready(Ok(())))
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Transport::Tcp(_) => "Tcp",
            #[cfg(unix)]
            Transport::Unix(_) => "Unix",
            #[cfg(feature = "tls")]
            Transport::Tls(_) => "Tls",
            Transport::Other(_) => "Other",
            Transport::Closed => "Closed",
        })
    }
}

#[cfg(all(test, not(hybi_loom)))]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::task::Waker;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, Transport) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (peer, Transport::Tcp(listener.accept().await.unwrap().0))
    }

    async fn read(io: &Transport, capacity: usize) -> Vec<u8> {
        let mut octets = Vec::with_capacity(capacity);
        loop {
            match io.try_read(&mut octets) {
                Poll::Ready(read) => {
                    assert_eq!(read.unwrap(), octets.len());
                    return octets;
                }
                Poll::Pending => poll_fn(|cx| io.poll_read_ready(cx)).await.unwrap(),
            }
        }
    }

    fn is_ready(io: &Transport) -> bool {
        io.poll_read_ready(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn a_read_that_leaves_room_has_found_the_end_of_what_there_is() {
        let (mut peer, io) = pair().await;
        for octets in [&b"Hello"[..], b"again"] {
            peer.write_all(octets).await.unwrap();
            assert_eq!(read(&io, octets.len()).await, octets);
            assert!(is_ready(&io), "there may be more");
            assert!(io.try_read(&mut Vec::with_capacity(9)).is_pending());
            assert!(!is_ready(&io));

            peer.write_all(octets).await.unwrap();
            assert_eq!(read(&io, octets.len() + 1).await, octets);
            if cfg!(target_os = "linux") {
                assert!(!is_ready(&io), "a read in vain would follow");
            }
        }
        drop(peer);
        for _ in 0..2 {
            assert_eq!(read(&io, 9).await, b"", "the end stays");
        }
    }

    #[test]
    fn without_the_runtime_there_is_an_error_to_wait_for() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (_peer, io) = runtime.block_on(pair());
        drop(runtime);
        assert!(io.try_read(&mut Vec::with_capacity(9)).is_pending());
        let ready = io.poll_read_ready(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(ready, Poll::Ready(Err(_))));
    }
}
