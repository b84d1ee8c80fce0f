//! [`PreparedMessage`]: encoded once, sent to many.

use crate::error::Error;
use crate::extension::{Compressor, DeflateKey};
use crate::header::{FrameHeader, MAX_HEADER_LEN};
use crate::message::Message;
use crate::opcode::Opcode;
use bytes::{Bytes, BytesMut};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

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
    /// The unmasked, compressed frames, one for each way of compressing that was met.
    compressed: Mutex<Vec<(DeflateKey, Bytes)>>,
}

impl PreparedMessage {
    /// Prepares a message; nothing is encoded before it is sent.
    pub fn new(message: impl Into<Message>) -> Self {
        PreparedMessage {
            shared: Arc::new(Shared {
                message: message.into(),
                plain: OnceLock::new(),
                compressed: Mutex::default(),
            }),
        }
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.shared.message
    }

    /// The message as a server sends it: one unmasked, uncompressed frame.
    pub(super) fn plain(&self) -> Bytes {
        let message = &self.shared.message;
        self.shared.plain.get_or_init(|| encode(message, false, message.as_bytes())).clone()
    }

    /// The message as a server with such a compressor sends it: compressed without context, so that
    /// every peer with its window can read it.
    pub(super) fn compressed(&self, compressor: &Compressor) -> Result<Bytes, Error> {
        let key = compressor.key();
        let compressed = &self.shared.compressed;
        let mut compressed = compressed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, frame)) = compressed.iter().find(|(known, _)| *known == key) {
            return Ok(frame.clone());
        }
        let mut payload = Vec::new();
        Compressor::without_context(key).compress(self.shared.message.as_bytes(), &mut payload)?;
        let frame = encode(&self.shared.message, true, &payload);
        compressed.push((key, frame.clone()));
        Ok(frame)
    }
}

fn encode(message: &Message, rsv1: bool, payload: &[u8]) -> Bytes {
    let opcode = if message.is_text() { Opcode::Text } else { Opcode::Binary };
    let payload_len = payload.len() as u64;
    let header = FrameHeader { fin: true, rsv1, opcode, mask: None, payload_len };
    let mut head = [0; MAX_HEADER_LEN];
    let len = header.encode(&mut head);
    let mut frame = BytesMut::with_capacity(len + payload.len());
    frame.extend_from_slice(&head[..len]);
    frame.extend_from_slice(payload);
    frame.freeze()
}

impl<M: Into<Message>> From<M> for PreparedMessage {
    fn from(message: M) -> Self {
        PreparedMessage::new(message)
    }
}
