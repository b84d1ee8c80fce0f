//! [`MessageWriter`]: one large message, sent in pieces.

use crate::error::Error;
use crate::pump::Shared;
use bytes::Bytes;
use hybi_proto::{CloseCode, CloseFrame, Message, Utf8Bytes};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// The largest piece that one write of octets becomes.
const WRITE: usize = 64 * 1024;

/// One message, sent in pieces, so that it may be larger than memory and its length need not be
/// known; from [`WebSocket::message_writer`](crate::WebSocket::message_writer) or
/// [`Writer::message_writer`](crate::Writer::message_writer). `ws`: `send(data, { fin: false })`.
///
/// The first piece decides whether the message is text or binary. Each piece is a frame and waits
/// while more than [`max_buffered`](crate::Options::max_buffered) octets wait to be written. Such a
/// message is not compressed.
///
/// **Receivers count frames**: hybi (unless it uses a [`MessageReader`](crate::MessageReader)) and
/// `ws` close with 1008 when a message has more than 16,384, the last one, which
/// [`finish`](Self::finish) sends, included ([`Limits::max_fragments`](crate::Limits::max_fragments)).
/// With pieces of 100 bytes that is after 1.6 MB, with pieces of 64 KiB after 1 GiB: gather what is
/// small, to 64 KiB or more.
///
/// **Nothing else is sent before [`finish`](Self::finish)** but pings, pongs and a Close frame (RFC
/// 6455 §5.4): other sends wait, `try_send` gives the message back, and for a
/// [`Group`](crate::Group) the connection counts as slow.
///
/// Dropping it unfinished closes the connection with 1011, so that the peer does not take what it
/// got for the whole; if nothing had been written, nothing happens.
///
/// It is an [`AsyncWrite`] as well, for binary messages: shutting it down finishes the message.
///
/// ```
/// # async fn example(ws: hybi::WebSocket) -> Result<(), hybi::Error> {
/// let mut message = ws.message_writer().await?;
/// for line in ["first\n", "second\n"] {
///     message.write_piece(line).await?;
/// }
/// message.finish().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MessageWriter {
    shared: Arc<Shared>,
    /// Of what kind the message is, once something of it has been sent.
    text: Option<bool>,
    finished: bool,
}

impl MessageWriter {
    /// Waits until no other message is being sent in pieces.
    pub(crate) async fn begin(shared: &Arc<Shared>) -> Result<Self, Error> {
        poll_fn(|cx| shared.poll_begin_pieces(cx)).await?;
        Ok(MessageWriter { shared: shared.clone(), text: None, finished: false })
    }

    /// Sends the next piece of the message, as a frame of its own; an empty one sends nothing.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the piece was not accepted.
    ///
    /// # Errors
    /// [`Error::Usage`] if the piece is not of the kind of the first; [`Error::Closed`] once the
    /// connection is closing, [`Error::Io`] once writing has failed.
    pub async fn write_piece(&mut self, piece: impl Into<Message>) -> Result<(), Error> {
        let piece = piece.into();
        let text = piece.is_text();
        if self.text.unwrap_or(text) != text {
            let (first, second) = if text { ("binary", "text") } else { ("text", "binary") };
            return Err(Error::usage(format!(
                "a message is either text or binary: it began as {first}, the piece is {second}"
            )));
        }
        let piece = piece.into_bytes();
        if piece.is_empty() {
            return Ok(());
        }
        let len = piece.len();
        let mut piece = Some(piece);
        poll_fn(|cx| self.poll_piece(cx, text, len, || piece.take().unwrap_or_default())).await
    }

    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        text: bool,
        len: usize,
        piece: impl FnOnce() -> Bytes,
    ) -> Poll<Result<(), Error>> {
        ready!(self.shared.poll_send_piece(cx, text, len, piece, false))?;
        self.text = Some(text);
        Poll::Ready(Ok(()))
    }

    /// Ends the message; without a piece it is an empty binary message.
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready drops the writer: the connection is closed with 1011.
    ///
    /// # Errors
    /// As [`write_piece`](Self::write_piece).
    pub async fn finish(mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_finish(cx)).await
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.finished {
            return Poll::Ready(Ok(()));
        }
        let text = self.text.unwrap_or(false);
        ready!(self.shared.poll_send_piece(cx, text, 0, Bytes::new, true))?;
        self.finished = true;
        self.shared.end_pieces();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MessageWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.finished || self.text == Some(true) {
            let why = match self.finished {
                true => "the message is finished",
                false => "the message is text: use write_piece, which takes whole characters",
            };
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidInput, why)));
        }
        if octets.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let piece = &octets[..octets.len().min(WRITE)];
        // Nothing is copied before there is room for it.
        let copy = || Bytes::copy_from_slice(piece);
        ready!(self.poll_piece(cx, false, piece.len(), copy)).map_err(io::Error::from)?;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.poll_flush(cx).map_err(io::Error::from)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_finish(cx)).map_err(io::Error::from)?;
        self.poll_flush(cx)
    }
}

impl Drop for MessageWriter {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        if self.text.is_some() {
            let reason = Utf8Bytes::from_static("a message was not finished");
            let _ = self.shared.close(Some(CloseFrame { code: CloseCode::INTERNAL_ERROR, reason }));
        }
        self.shared.end_pieces();
    }
}
