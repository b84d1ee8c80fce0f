//! [`ByteStream`]: a WebSocket as a stream of octets.

use crate::error::Error;
use crate::websocket::WebSocket;
use bytes::{Buf, Bytes};
use hybi_proto::{CloseCode, CloseFrame, Message, Utf8Bytes};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The largest message that one write becomes.
const WRITE: usize = 64 * 1024;

/// A WebSocket as `AsyncRead + AsyncWrite`: to tunnel another protocol, or to copy to and from files.
/// `ws`: `createWebSocketStream`.
///
/// What is written leaves as binary messages of at most 64 KiB, and what is read are the payloads of
/// the messages that come, text or binary, one after the other: the bounds of messages mean nothing,
/// as on TCP.
///
/// Backpressure works both ways: writing waits while more than
/// [`max_buffered`](crate::Options::max_buffered) octets wait to be written, and nothing is read from
/// the peer that is not asked for here.
///
/// **There is no half-close.** WebSocket has none: after a Close frame nothing may be sent (RFC 6455
/// §5.5.1), and the peer answers it with its own as soon as it can. `shutdown` sends the Close frame
/// with 1000; what the peer had sent before it answers can still be read, then comes the end. When the
/// peer closes, reading ends, and writing fails with `BrokenPipe`. An end without a Close frame is an
/// error (`BrokenPipe`), so that what was cut off is not taken for the whole.
///
/// ```
/// # async fn example(mut stream: tokio::net::TcpStream) -> Result<(), Box<dyn std::error::Error>> {
/// let ws = hybi::connect("ws://127.0.0.1:8080/tunnel").await?;
/// let mut tunnel = hybi::ByteStream::new(ws);
/// tokio::io::copy_bidirectional(&mut tunnel, &mut stream).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ByteStream {
    ws: WebSocket,
    /// The rest of the message that is being read.
    rest: Bytes,
}

impl ByteStream {
    /// A stream of the octets that come and go over `ws`.
    pub fn new(ws: WebSocket) -> Self {
        ByteStream { ws, rest: Bytes::new() }
    }

    /// The WebSocket below, and what has been received and not yet read.
    pub fn into_inner(self) -> (WebSocket, Bytes) {
        (self.ws, self.rest)
    }
}

fn to_io(error: Error) -> io::Error {
    error.into()
}

impl AsyncRead for ByteStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // An empty message brings no octets, which would be the end.
        while self.rest.is_empty() {
            match ready!(self.ws.shared().poll_message(cx)).map_err(to_io)? {
                Some(message) => self.rest = message.into_bytes(),
                None => return Poll::Ready(Ok(())),
            }
        }
        let len = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.rest[..len]);
        self.rest.advance(len);
        if self.rest.is_empty() {
            // What has been read to its end is not kept while waiting for more.
            self.rest = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if octets.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let len = octets.len().min(WRITE);
        // Nothing is copied before there is room for it.
        ready!(self.ws.shared().poll_ready(cx, len)).map_err(to_io)?;
        let mut message = Some(Message::from(&octets[..len]));
        ready!(self.ws.shared().poll_send(cx, &mut message, true)).map_err(to_io)?;
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ws.shared().poll_flush(cx).map_err(to_io)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let reason = Utf8Bytes::from_static("");
        self.ws
            .shared()
            .close(Some(CloseFrame { code: CloseCode::NORMAL, reason }))
            .map_err(to_io)?;
        match ready!(self.ws.shared().poll_flush(cx)) {
            Ok(()) => Poll::Ready(Ok(())),
            // The peer has closed before: there is nothing left to shut down.
            Err(Error::Closed(_)) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(to_io(error))),
        }
    }
}
