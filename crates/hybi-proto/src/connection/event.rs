//! [`Event`]: what a connection has received.

use crate::close::CloseFrame;
use crate::message::Message;
use bytes::Bytes;

/// Something the peer sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A whole message.
    Message(Message),
    /// A piece of a message, not empty unless it is the last. Text is cut between characters. Only
    /// after [`Receiver::set_in_pieces`](super::Receiver::set_in_pieces).
    Piece {
        /// The piece; of the same kind as the message.
        piece: Message,
        /// The message ends here.
        last: bool,
    },
    /// A ping with its payload (at most 125 bytes); the pong is queued already.
    Ping(Bytes),
    /// A pong with its payload (at most 125 bytes).
    Pong(Bytes),
    /// The peer's Close frame (`None`: without a code); nothing follows it. The answer is queued
    /// already.
    Close(Option<CloseFrame>),
}
