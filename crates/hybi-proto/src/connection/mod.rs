//! [`Connection`]: an open WebSocket connection, without I/O.
//!
//! A connection is a [`Receiver`] and a [`Sender`]: whole, or split for two tasks. Neither reads a
//! clock; [`Deadlines`] is told the time.

mod assemble;
mod closing;
mod event;
mod keepalive;
mod options;
mod outbox;
mod pieces;
mod prepared;
mod receive;
mod send;
mod waiting;

pub use event::Event;
pub use keepalive::{Action, Deadlines};
pub use options::Options;
pub use outbox::Outgoing;
pub use prepared::PreparedMessage;
pub use receive::Receiver;
pub use send::{MaskingKeys, Sender};

use crate::close::{CloseCode, CloseFrame};
use crate::error::Error;
use crate::extension::{Compressor, Decompressor, Extensions};
use crate::message::Message;
use crate::role::Role;
use hybi_bytes::Utf8Bytes;
use std::time::Instant;

/// An open connection: octets and intent go in, events and octets come out.
///
/// ```
/// use hybi_proto::{Connection, Event, Message, Options};
/// let mut server = Connection::server(&Default::default(), &Options::default());
/// // "Hello", masked, from RFC 6455 §5.7
/// let mut input = &[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58][..];
/// let event = server.receive(&mut input)?;
/// assert_eq!(event, Some(Event::Message(Message::from("Hello"))));
///
/// server.send("Hello")?;
/// let outgoing = server.take().expect("a frame is queued");
/// assert_eq!(outgoing.contiguous(), Some(&b"\x81\x05Hello"[..]));
/// # Ok::<(), hybi_proto::Error>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    receiver: Receiver,
    sender: Sender,
    deadlines: Option<Box<Deadlines>>,
}

impl Connection {
    /// The server's side of a connection whose handshake has agreed on `extensions`.
    pub fn server(extensions: &Extensions, options: &Options) -> Self {
        Connection::new(Role::Server, None, extensions, options)
    }

    /// The client's side; `masking` is asked for a new masking key for each frame.
    pub fn client(masking: MaskingKeys, extensions: &Extensions, options: &Options) -> Self {
        Connection::new(Role::Client, Some(masking), extensions, options)
    }

    fn new(
        role: Role,
        masking: Option<MaskingKeys>,
        extensions: &Extensions,
        options: &Options,
    ) -> Self {
        let (compressor, decompressor) = match &extensions.deflate {
            None => (None, None),
            Some(params) => {
                let options = options.deflate(role).unwrap_or_default();
                (
                    Some(Box::new(Compressor::new(role, params, &options))),
                    Some(Box::new(Decompressor::in_slices(role, params, options.inflate_slice()))),
                )
            }
        };
        Connection {
            receiver: Receiver::new(role, options.limits, decompressor),
            sender: Sender::new(masking, options, compressor),
            deadlines: None,
        }
    }

    /// Starts to keep the deadlines of `options`; without it there are none.
    pub fn start_deadlines(&mut self, options: &Options, now: Instant) {
        self.deadlines = Some(Box::new(options.deadlines(now)));
    }

    /// The two halves: whoever receives must pass each event to [`Sender::react`], and each error
    /// to [`Sender::fail`].
    pub fn split(self) -> (Receiver, Sender) {
        (self.receiver, self.sender)
    }

    /// Takes octets from the front of `input` until an event is complete; `None` when all of them
    /// have been taken and more are needed. What the protocol answers by itself is queued.
    ///
    /// # Errors
    /// [`Error::Protocol`] or [`Error::Limit`]; the matching Close frame has been queued.
    #[inline]
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Error> {
        if self.deadlines.is_none() {
            // A whole message needs no answer.
            if let Some(message) = self.receiver.receive_whole(input) {
                return Ok(Some(Event::Message(message)));
            }
        }
        self.receive_any(input)
    }

    #[inline(never)]
    fn receive_any(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Error> {
        let before = input.len();
        let result = self.receiver.receive(input);
        if let Some(deadlines) = &mut self.deadlines {
            if input.len() < before {
                deadlines.arrived(result.as_ref().ok().and_then(Option::as_ref));
            }
        }
        match &result {
            Ok(Some(event)) => self.sender.react(event),
            Ok(None) => {}
            Err(error) => self.sender.fail(error),
        }
        result
    }

    /// Tells that the peer has closed its side of the TCP connection.
    ///
    /// # Errors
    /// [`Error::Closed`] with `WS_ERR_ABNORMAL_CLOSURE` if its Close frame had not come before.
    pub fn receive_eof(&mut self) -> Result<(), Error> {
        self.sender.receive_eof()
    }

    /// Queues a message; see [`Sender::send`].
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        self.sender.send(message)
    }

    /// Queues a ping; see [`Sender::ping`].
    ///
    /// # Errors
    /// As [`Sender::ping`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.sender.ping(payload)
    }

    /// Begins the closing handshake; see [`Sender::close`].
    ///
    /// # Errors
    /// [`Error::Usage`] if the reason is longer than 123 bytes.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.sender.close(Some(CloseFrame { code, reason: Utf8Bytes::from(reason) }))
    }

    /// Hands out all that is to be written; see [`Sender::take`].
    pub fn take(&mut self) -> Option<Outgoing> {
        self.sender.take()
    }

    /// True once this side should close TCP, as soon as everything has been written.
    pub fn wants_shutdown(&self) -> bool {
        self.sender.wants_shutdown()
    }

    /// The sending half.
    pub fn sender(&mut self) -> &mut Sender {
        &mut self.sender
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; `None` for never.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.as_ref().and_then(|deadlines| deadlines.next())
    }

    /// Tells the time: pings, closes or gives up, whatever is due. Call it as well after octets
    /// have come or a Close frame has been queued.
    ///
    /// # Errors
    /// [`Error::Timeout`] if the peer did not answer in time: close TCP.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        let Some(deadlines) = &mut self.deadlines else { return Ok(()) };
        deadlines.settle(now);
        if !self.sender.is_open() {
            deadlines.closing(now);
        }
        match deadlines.handle(now, self.sender.messages()) {
            Action::Wait => Ok(()),
            Action::Ping(payload) => self.sender.ping(&payload),
            Action::CloseIdle => {
                self.close(CloseCode::GOING_AWAY, "idle")?;
                self.handle_timeout(now)
            }
            Action::GiveUp(error) => {
                self.sender.fail(&error);
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_at_rest_is_small() {
        let size = size_of::<Connection>();
        assert!(size <= 160, "{size}: {} + {}", size_of::<Receiver>(), size_of::<Sender>());
    }
}
