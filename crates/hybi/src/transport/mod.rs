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
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
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
    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Transport::Tcp(stream) => stream.poll_read_ready(cx).map(drop),
            #[cfg(unix)]
            Transport::Unix(stream) => stream.poll_read_ready(cx).map(drop),
            _ => Poll::Ready(()),
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
