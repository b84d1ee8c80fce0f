//! [`PreparedMessage`]: encoded once, sent to many.

use crate::header::{FrameHeader, MAX_HEADER_LEN};
use crate::message::Message;
use crate::opcode::Opcode;
use bytes::{Bytes, BytesMut};
use std::sync::{Arc, OnceLock};

/// A message for many connections: encoded at most once, shared by reference.
///
/// ```
/// use hybi_proto::{Message, PreparedMessage};
/// let prepared = PreparedMessage::new("news for everyone");
/// assert_eq!(prepared.message(), &Message::from("news for everyone"));
/// ```
#[derive(Debug, Clone)]
pub struct PreparedMessage {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    message: Message,
    /// The unmasked, uncompressed frame.
    plain: OnceLock<Bytes>,
}

impl PreparedMessage {
    /// Prepares a message; nothing is encoded before it is sent.
    pub fn new(message: impl Into<Message>) -> Self {
        PreparedMessage {
            shared: Arc::new(Shared { message: message.into(), plain: OnceLock::new() }),
        }
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.shared.message
    }

    /// The message as a server sends it: one unmasked, uncompressed frame.
    pub(super) fn encoded(&self) -> Bytes {
        let encode = || {
            let payload = self.shared.message.as_bytes();
            let opcode = if self.shared.message.is_text() { Opcode::Text } else { Opcode::Binary };
            let header = FrameHeader {
                fin: true,
                rsv1: false,
                opcode,
                mask: None,
                payload_len: payload.len() as u64,
            };
            let mut head = [0; MAX_HEADER_LEN];
            let len = header.encode(&mut head);
            let mut frame = BytesMut::with_capacity(len + payload.len());
            frame.extend_from_slice(&head[..len]);
            frame.extend_from_slice(payload);
            frame.freeze()
        };
        self.shared.plain.get_or_init(encode).clone()
    }
}

impl<M: Into<Message>> From<M> for PreparedMessage {
    fn from(message: M) -> Self {
        PreparedMessage::new(message)
    }
}
