//! [`WebSocket`]: an open connection.

use crate::close_info::CloseInfo;
use crate::error::Error;
use crate::message_reader::MessageReader;
use crate::message_writer::MessageWriter;
use crate::pump::{Shared, TrySendError};
use crate::split::{Reader, Writer};
use crate::stats::ConnectionStats;
use hybi_proto::{CloseCode, CloseFrame, Event, Message, Utf8Bytes};
use std::future::poll_fn;
use std::sync::Arc;

/// An open WebSocket connection, of either side, over any transport.
///
/// Dropping it cuts the connection without a closing handshake; [`close`](Self::close) ends it
/// properly. Under [`Server::serve`](crate::Server::serve) returning from the handler closes it with
/// 1000, or 1011 after an error.
///
/// ```no_run
/// # async fn example() -> Result<(), hybi::Error> {
/// let mut ws = hybi::connect("ws://127.0.0.1:8080").await?;
/// ws.send("something").await?;
/// while let Some(message) = ws.recv().await? {
///     println!("received: {message}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct WebSocket {
    shared: Arc<Shared>,
}

impl WebSocket {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        WebSocket { shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Receives the next message; `None` once the peer has sent a Close frame, whatever its code.
    ///
    /// So `None` is no proof of success: a server that fails (1011) or restarts (1012), or that was
    /// sent too much (1009), says so in its Close frame. [`close_info`](Self::close_info) tells.
    ///
    /// Pings are answered meanwhile, and the closing handshake is completed.
    ///
    /// Not calling `recv` is how to slow a peer down: nothing more is read from it, and after what
    /// the kernel buffers it cannot send. (Pings are not answered then either.)
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: a partly received message waits in the connection.
    ///
    /// # Errors
    /// [`Error::Protocol`] or [`Error::Limit`] if the peer broke RFC 6455 or a limit; it has been
    /// sent the matching Close frame. [`Error::Closed`] if TCP ended without a Close frame,
    /// [`Error::Timeout`] if the peer did not answer in time, [`Error::Io`]. After an error comes
    /// `None`.
    pub async fn recv(&mut self) -> Result<Option<Message>, Error> {
        poll_fn(|cx| self.shared.poll_message(cx)).await
    }

    /// Receives whatever comes next: a message, a ping (already answered), a pong, or the peer's
    /// Close frame (already answered); `None` at the end.
    ///
    /// # Cancel safety
    /// As [`recv`](Self::recv).
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn next_event(&mut self) -> Result<Option<Event>, Error> {
        poll_fn(|cx| self.shared.poll_event(cx)).await
    }

    /// Waits for the next message and receives it in pieces, as they come: for messages that are
    /// larger than memory. `None` as in [`recv`](Self::recv).
    ///
    /// The connection is borrowed while the message is read, as nothing else can be received
    /// meanwhile. To send, use [`MessageReader::writer`], or a [`writer`](Self::writer) from before:
    ///
    /// ```
    /// # async fn example(mut ws: hybi::WebSocket) -> Result<(), hybi::Error> {
    /// while let Some(mut upload) = ws.message_reader().await? {
    ///     let mut bytes = 0;
    ///     while let Some(piece) = upload.next_piece().await? {
    ///         bytes += piece.len();
    ///     }
    ///     upload.writer().send(format!("{bytes} bytes")).await?; // not `ws.send`
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// As [`recv`](Self::recv). Dropping the reader before its end drops the rest of the message.
    ///
    /// # Errors
    /// As [`recv`](Self::recv); the [`Limits`](crate::Limits) of messages do not apply.
    pub async fn message_reader(&mut self) -> Result<Option<MessageReader<'_>>, Error> {
        MessageReader::begin(&self.shared).await
    }

    /// Begins a message that is sent in pieces: for messages that are larger than memory, or of which
    /// not everything is known yet. Waits while another one is being sent so. Each piece is a frame, and
    /// receivers count frames: see [`MessageWriter`].
    ///
    /// # Cancel safety
    /// Dropping the future begins nothing.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn message_writer(&self) -> Result<MessageWriter, Error> {
        MessageWriter::begin(&self.shared).await
    }

    /// Sends a message: accepted, in order, and written without further action of the caller.
    ///
    /// Waits only while more than `max_buffered` octets (default 1 MiB) wait to be written. In a
    /// handler of a [`Server`](crate::Server), and in [`batch`](crate::batch()), messages gather
    /// until the task waits for something, and leave in one write; elsewhere they are written at
    /// once.
    ///
    /// Who sends much to a peer that answers must receive meanwhile, in another task or in between:
    /// otherwise both sides can be full, and wait for each other for ever.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message was not accepted.
    ///
    /// # Errors
    /// [`Error::Closed`] once the connection is closing, [`Error::Io`] once writing has failed.
    pub fn send<M: Into<Message>>(
        &self,
        message: M,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<'_, M> {
        let mut message = Some(message.into());
        poll_fn(move |cx| self.shared.poll_send(cx, &mut message, true))
    }

    /// Sends a message without compressing it, even though compression was negotiated: for what is
    /// compressed already, or secret. `ws`: `send(data, { compress: false })`.
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_uncompressed<M: Into<Message>>(
        &self,
        message: M,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<'_, M> {
        let mut message = Some(message.into());
        poll_fn(move |cx| self.shared.poll_send(cx, &mut message, false))
    }

    /// Sends a message if there is room for it now, and gives it back if there is not.
    ///
    /// # Errors
    /// [`TrySendError::Full`] with the message; [`TrySendError::Failed`] as [`send`](Self::send).
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), TrySendError> {
        self.shared.try_send(message.into())
    }

    /// Accepts a message without writing it yet: it leaves with the next
    /// [`flush`](Self::flush) or [`send`](Self::send), or before [`recv`](Self::recv) waits.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message was not accepted.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn feed<M: Into<Message>>(
        &self,
        message: M,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<'_, M> {
        let mut message = Some(message.into());
        poll_fn(move |cx| self.shared.poll_feed(cx, &mut message))
    }

    /// Waits until everything accepted so far has been handed to the operating system.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing; the rest is written all the same.
    ///
    /// # Errors
    /// [`Error::Io`] if writing has failed: something accepted was not written.
    pub async fn flush(&self) -> Result<(), Error> {
        poll_fn(|cx| self.shared.poll_flush(cx)).await
    }

    /// Sends a ping; the pong comes as an [`Event::Pong`].
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    ///
    /// # Errors
    /// [`Error::Usage`] if the payload is longer than 125 bytes, otherwise as [`send`](Self::send).
    pub async fn ping(&self, payload: impl AsRef<[u8]>) -> Result<(), Error> {
        self.shared.ping(payload.as_ref()).await
    }

    /// Closes the connection: sends a Close frame, waits for the peer's and for the end of TCP.
    /// Messages that still arrive are dropped; to receive them, close with
    /// [`writer`](Self::writer)`().close(..)` and go on calling [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// The Close frame is sent with the first poll; the rest can be left to [`recv`](Self::recv).
    ///
    /// # Errors
    /// [`Error::Usage`] if the reason is longer than 123 bytes; [`Error::Timeout`] if the peer does
    /// not answer within `close_timeout` (default 30 s), and as [`recv`](Self::recv). The connection
    /// has ended in every case but the first.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.shared.close(Some(CloseFrame { code, reason: Utf8Bytes::from(reason) }))?;
        while self.next_event().await?.is_some() {}
        Ok(())
    }

    /// Cuts the connection at once: no closing handshake, and what was not written is lost. `ws`:
    /// `terminate()`.
    pub fn terminate(&self) {
        self.shared.terminate();
    }

    /// The octets accepted and not yet handed to the operating system. `ws`: `bufferedAmount`.
    pub fn buffered_amount(&self) -> usize {
        self.shared.buffered()
    }

    /// True until a Close frame has been sent or received, or the connection has failed.
    pub fn is_open(&self) -> bool {
        self.shared.is_open()
    }

    /// How long the last ping of the heartbeat took to come back; `None` before the first, or
    /// without [`Options::ping_interval`](crate::Options::ping_interval).
    pub fn round_trip(&self) -> Option<std::time::Duration> {
        self.shared.round_trip()
    }

    /// The messages and octets that have been received and sent; `None` unless they are counted
    /// ([`Server::stats`](crate::Server::stats)).
    pub fn stats(&self) -> Option<ConnectionStats> {
        self.shared.stats()
    }

    /// How the connection came to its end: who closed it, with which code and reason; `None` until a
    /// Close frame has been sent or received, or the connection has failed. `ws`: the event `close`.
    ///
    /// ```
    /// # fn example(ws: &hybi::WebSocket) {
    /// if let Some(info) = ws.close_info() {
    ///     println!("closed by {:?}: {} {}", info.by(), info.code(), info.reason());
    /// }
    /// # }
    /// ```
    pub fn close_info(&self) -> Option<CloseInfo> {
        self.shared.close_info()
    }

    /// The subprotocol that both sides agreed on. `ws`: `protocol`.
    pub fn subprotocol(&self) -> Option<&str> {
        self.shared.subprotocol()
    }

    /// The address of the other end of the TCP connection; `None` over anything but plain TCP.
    pub fn peer_addr(&self) -> Option<std::net::SocketAddr> {
        self.shared.peer_addr()
    }

    /// A handle that sends from anywhere: cloneable, for any task.
    ///
    /// ```
    /// # async fn example(mut ws: hybi::WebSocket) -> Result<(), hybi::Error> {
    /// let writer = ws.writer();
    /// tokio::spawn(async move { writer.send("from another task").await });
    /// while let Some(message) = ws.recv().await? {
    ///     println!("{message}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn writer(&self) -> Writer {
        Writer::new(self.shared.clone())
    }

    /// The two halves, for two tasks. The connection ends when both are gone.
    pub fn split(self) -> (Reader, Writer) {
        let writer = self.writer();
        (Reader::new(self), writer)
    }
}
