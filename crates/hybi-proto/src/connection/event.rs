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
    /// A ping with its payload (at most 125 bytes); the pong is queued already.
    Ping(Bytes),
    /// A pong with its payload (at most 125 bytes).
    Pong(Bytes),
    /// The peer's Close frame (`None`: without a code); nothing follows it. The answer is queued
    /// already.
    Close(Option<CloseFrame>),
}
