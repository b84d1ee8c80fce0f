//! [`Reader`] and [`Writer`]: a connection in two tasks, or sent to from anywhere.

use crate::close_info::CloseInfo;
use crate::error::Error;
use crate::message_reader::MessageReader;
use crate::message_writer::MessageWriter;
use crate::pump::{Shared, TrySendError};
use crate::stats::ConnectionStats;
use crate::websocket::WebSocket;
use hybi_proto::{CloseCode, CloseFrame, Event, Message, PreparedMessage, Utf8Bytes};
use std::future::poll_fn;
use std::sync::Arc;

/// The receiving half of a [`WebSocket`].
///
/// It must be polled for pings to be answered and the closing handshake to be completed.
#[derive(Debug)]
pub struct Reader {
    ws: WebSocket,
}

impl Reader {
    pub(crate) fn new(ws: WebSocket) -> Self {
        Reader { ws }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        self.ws.shared()
    }

    /// Receives the next message; `None` once the peer has sent a Close frame, whatever its code
    /// ([`Writer::close_info`]); see [`WebSocket::recv`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::recv`].
    ///
    /// # Errors
    /// As [`WebSocket::recv`].
    pub async fn recv(&mut self) -> Result<Option<Message>, Error> {
        self.ws.recv().await
    }

    /// Receives whatever comes next; see [`WebSocket::next_event`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::recv`].
    ///
    /// # Errors
    /// As [`WebSocket::recv`].
    pub async fn next_event(&mut self) -> Result<Option<Event>, Error> {
        self.ws.next_event().await
    }

    /// Receives the next message in pieces; see [`WebSocket::message_reader`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::message_reader`].
    ///
    /// # Errors
    /// As [`WebSocket::message_reader`].
    pub async fn message_reader(&mut self) -> Result<Option<MessageReader<'_>>, Error> {
        self.ws.message_reader().await
    }

    /// A handle that sends.
    pub fn writer(&self) -> Writer {
        self.ws.writer()
    }
}

/// The sending half of a [`WebSocket`]: cloneable, and usable from any task or thread.
///
/// What is sent through several writers is kept in order, and leaves together where it can.
#[derive(Debug, Clone)]
pub struct Writer {
    shared: Arc<Shared>,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Writer { shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Sends a message; see [`WebSocket::send`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::send`].
    ///
    /// # Errors
    /// As [`WebSocket::send`].
    pub fn send<M: Into<Message>>(
        &self,
        message: M,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<'_, M> {
        let mut message = Some(message.into());
        poll_fn(move |cx| self.shared.poll_send(cx, &mut message, true))
    }

    /// Sends a message without compressing it; see [`WebSocket::send_uncompressed`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::send`].
    ///
    /// # Errors
    /// As [`WebSocket::send`].
    pub fn send_uncompressed<M: Into<Message>>(
        &self,
        message: M,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<'_, M> {
        let mut message = Some(message.into());
        poll_fn(move |cx| self.shared.poll_send(cx, &mut message, false))
    }

    /// Begins a message that is sent in pieces; see [`WebSocket::message_writer`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::message_writer`].
    ///
    /// # Errors
    /// As [`WebSocket::send`].
    pub async fn message_writer(&self) -> Result<MessageWriter, Error> {
        MessageWriter::begin(&self.shared).await
    }

    /// Sends a message if there is room for it now; see [`WebSocket::try_send`].
    ///
    /// # Errors
    /// As [`WebSocket::try_send`].
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), TrySendError> {
        self.shared.try_send(message.into())
    }

    /// Sends a message that was prepared for many connections, if there is room for it now.
    ///
    /// # Errors
    /// As [`WebSocket::try_send`].
    pub fn try_send_prepared(&self, message: &PreparedMessage) -> Result<(), TrySendError> {
        self.shared.try_send_prepared(message)
    }

    /// Accepts a message without writing it yet; see [`WebSocket::feed`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::send`].
    ///
    /// # Errors
    /// As [`WebSocket::send`].
    pub fn feed<M: Into<Message>>(
        &self,
        message: M,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<'_, M> {
        let mut message = Some(message.into());
        poll_fn(move |cx| self.shared.poll_feed(cx, &mut message))
    }

    /// Waits until everything accepted so far has been handed to the operating system; see
    /// [`WebSocket::flush`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::flush`].
    ///
    /// # Errors
    /// As [`WebSocket::flush`].
    pub async fn flush(&self) -> Result<(), Error> {
        poll_fn(|cx| self.shared.poll_flush(cx)).await
    }

    /// Sends a ping; see [`WebSocket::ping`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::send`].
    ///
    /// # Errors
    /// As [`WebSocket::ping`].
    pub async fn ping(&self, payload: impl AsRef<[u8]>) -> Result<(), Error> {
        self.shared.ping(payload.as_ref()).await
    }

    /// Begins the closing handshake and waits until the Close frame is written. The reader goes on
    /// to receive what still comes, then `None`.
    ///
    /// # Cancel safety
    /// The Close frame is queued with the first poll and sent in any case.
    ///
    /// # Errors
    /// [`Error::Usage`] if the reason is longer than 123 bytes; [`Error::Io`] if writing fails.
    pub async fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.shared.close(Some(CloseFrame { code, reason: Utf8Bytes::from(reason) }))?;
        self.flush().await
    }

    /// Cuts the connection at once; see [`WebSocket::terminate`].
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

    /// The messages and octets that have been received and sent; see [`WebSocket::stats`].
    pub fn stats(&self) -> Option<ConnectionStats> {
        self.shared.stats()
    }

    /// How long the last ping took to come back; see [`WebSocket::round_trip`].
    pub fn round_trip(&self) -> Option<std::time::Duration> {
        self.shared.round_trip()
    }

    /// The subprotocol that both sides agreed on; see [`WebSocket::subprotocol`].
    pub fn subprotocol(&self) -> Option<&str> {
        self.shared.subprotocol()
    }

    /// The address of the other end; see [`WebSocket::peer_addr`].
    pub fn peer_addr(&self) -> Option<std::net::SocketAddr> {
        self.shared.peer_addr()
    }

    /// How the connection came to its end; see [`WebSocket::close_info`].
    pub fn close_info(&self) -> Option<CloseInfo> {
        self.shared.close_info()
    }

    /// True if both send on the same connection.
    pub fn same_connection(&self, other: &Writer) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}
