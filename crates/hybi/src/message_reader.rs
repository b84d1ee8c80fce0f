//! [`MessageReader`]: one large message, received in pieces.

use crate::error::Error;
use crate::pump::Shared;
use crate::split::Writer;
use bytes::{Buf, Bytes};
use hybi_proto::{ErrorCode, ErrorDetail, Event, Message};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// One message, received in pieces as they arrive, so that it may be larger than memory; from
/// [`WebSocket::message_reader`](crate::WebSocket::message_reader).
///
/// A piece is a [`Message`] of the same kind: text is cut between characters. Pieces are not empty
/// (unless the message is), mostly between 16 KiB and 64 KiB, and at most 100 KiB. Nothing of them is
/// kept, and nothing is read from the peer that is not asked for. Compressed messages are
/// decompressed piece by piece.
///
/// [`Limits`](crate::Limits) do not apply: who receives a message in pieces counts them.
///
/// It is an [`AsyncRead`] as well, which ends where the message does.
///
/// Dropping it before the end drops the rest of the message: what still comes of it is read and
/// forgotten when the next message is asked for.
///
/// ```
/// # async fn example(mut ws: hybi::WebSocket, mut file: tokio::io::Sink) -> Result<(), hybi::Error> {
/// use tokio::io::AsyncWriteExt;
/// while let Some(mut upload) = ws.message_reader().await? {
///     while let Some(piece) = upload.next_piece().await? {
///         file.write_all(piece.as_bytes()).await.map_err(hybi::Error::application)?;
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MessageReader<'a> {
    shared: &'a Arc<Shared>,
    text: bool,
    /// What has been received and not yet been asked for.
    next: Option<Message>,
    /// What is left of a piece that was read in part.
    rest: Bytes,
    /// The last piece has been received.
    complete: bool,
}

impl<'a> MessageReader<'a> {
    /// Waits for a message to begin.
    pub(crate) async fn begin(shared: &'a Arc<Shared>) -> Result<Option<Self>, Error> {
        // Until a piece has come nothing is lost by switching back.
        let pieces = InPieces(shared);
        let first = poll_fn(|cx| poll_piece(shared, cx)).await?;
        let Some((piece, complete)) = first else { return Ok(None) };
        std::mem::forget(pieces);
        let text = piece.is_text();
        Ok(Some(MessageReader { shared, text, next: Some(piece), rest: Bytes::new(), complete }))
    }

    /// True if the message is text.
    pub fn is_text(&self) -> bool {
        self.text
    }

    /// A handle that sends on the same connection, which is borrowed while this exists.
    pub fn writer(&self) -> Writer {
        Writer::new(self.shared.clone())
    }

    /// Receives the next piece; `None` after the last one. Pings are answered meanwhile.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// As [`WebSocket::recv`](crate::WebSocket::recv); and [`Error::Closed`] if the peer closed the
    /// connection before the end of the message, so that what was cut off is not taken for the whole.
    pub async fn next_piece(&mut self) -> Result<Option<Message>, Error> {
        poll_fn(|cx| self.poll_next_piece(cx)).await
    }

    fn poll_next_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Error>> {
        if !self.rest.is_empty() {
            // The reading of octets may have stopped within a character.
            return Poll::Ready(Ok(Some(Message::Binary(std::mem::take(&mut self.rest)))));
        }
        loop {
            let piece = match self.next.take() {
                Some(piece) => piece,
                None if self.complete => return Poll::Ready(Ok(None)),
                None => match ready!(poll_piece(self.shared, cx))? {
                    Some((piece, last)) => {
                        self.complete = last;
                        piece
                    }
                    None => {
                        self.complete = true;
                        return Poll::Ready(Err(cut_off()));
                    }
                },
            };
            // The end of a message may bring nothing more.
            if !piece.is_empty() {
                return Poll::Ready(Ok(Some(piece)));
            }
        }
    }
}

impl AsyncRead for MessageReader<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            match ready!(self.poll_next_piece(cx)).map_err(io::Error::from)? {
                Some(piece) => self.rest = piece.into_bytes(),
                None => return Poll::Ready(Ok(())),
            }
        }
        let len = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.rest[..len]);
        self.rest.advance(len);
        if self.rest.is_empty() {
            self.rest = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for MessageReader<'_> {
    fn drop(&mut self) {
        self.shared.set_in_pieces(false);
    }
}

/// Messages come in pieces while this is held.
struct InPieces<'a>(&'a Shared);

impl Drop for InPieces<'_> {
    fn drop(&mut self) {
        self.0.set_in_pieces(false);
    }
}

/// The next piece, and whether it is the last; `None` at the end of the connection.
fn poll_piece(
    shared: &Arc<Shared>,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<(Message, bool)>, Error>> {
    shared.set_in_pieces(true);
    loop {
        match ready!(shared.poll_event(cx))? {
            Some(Event::Message(message)) => return Poll::Ready(Ok(Some((message, true)))),
            Some(Event::Piece { piece, last }) => return Poll::Ready(Ok(Some((piece, last)))),
            Some(_) => {}
            None => return Poll::Ready(Ok(None)),
        }
    }
}

fn cut_off() -> Error {
    Error::Closed(ErrorDetail::new(
        ErrorCode::AbnormalClosure,
        "the peer closed the connection in the middle of a message",
    ))
}
