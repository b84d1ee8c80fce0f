//! [`PreparedMessage`]: encoded once, sent to many.

use crate::error::Error;
use crate::extension::{Compressor, DeflateKey, Job};
use crate::header::{FrameHeader, MAX_HEADER_LEN};
use crate::message::Message;
use crate::opcode::Opcode;
use bytes::{Bytes, BytesMut};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A message for many connections: encoded at most once, shared by reference.
///
/// ```
/// # use hybi_proto::{Message, PreparedMessage};
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
    compressed: Mutex<Vec<(DeflateKey, Compressed)>>,
}

#[derive(Debug)]
enum Compressed {
    Frame(Bytes),
    /// Whoever comes next goes on with it.
    Begun(Option<Job>),
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
    #[inline]
    pub fn message(&self) -> &Message {
        &self.shared.message
    }

    /// The message as a server sends it: one unmasked, uncompressed frame.
    #[inline]
    pub(super) fn plain(&self) -> &Bytes {
        let message = &self.shared.message;
        self.shared.plain.get_or_init(|| encode(message, false, message.as_bytes()))
    }

    /// True if [`compressed`](Self::compressed) has nothing left to do.
    pub(super) fn is_compressed(&self, compressor: &Compressor) -> bool {
        let compressed = self.shared.compressed.lock().unwrap_or_else(PoisonError::into_inner);
        let key = compressor.key();
        compressed.iter().any(|(known, c)| *known == key && matches!(c, Compressed::Frame(_)))
    }

    /// The message as a server with such a compressor sends it: compressed without context, so that
    /// every peer with its window can read it. `None` if more than `slice` bytes had to be compressed
    /// for it: whoever calls again, for whichever connection, goes on.
    pub(super) fn compressed(
        &self,
        compressor: &Compressor,
        slice: usize,
    ) -> Result<Option<Bytes>, Error> {
        let key = compressor.key();
        let compressed = &self.shared.compressed;
        let mut compressed = compressed.lock().unwrap_or_else(PoisonError::into_inner);
        let at = compressed.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            compressed.push((key, Compressed::Begun(None)));
            compressed.len() - 1
        });
        let known = &mut compressed[at].1;
        let job = match known {
            Compressed::Frame(frame) => return Ok(Some(frame.clone())),
            Compressed::Begun(job) => job,
        };
        let message = &self.shared.message;
        let mut without_context = Compressor::without_context(key);
        let Some(payload) = without_context.advance(job, message.as_bytes(), slice)? else {
            return Ok(None);
        };
        let frame = encode(message, true, &payload);
        *known = Compressed::Frame(frame.clone());
        Ok(Some(frame))
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
