//! [`Waiting`]: what has been accepted and is not in the outbox: messages that wait for a large one
//! before them to be compressed, and a pong that is put off.

use super::prepared::PreparedMessage;
use crate::extension::Job;
use crate::opcode::Opcode;
use bytes::Bytes;
use std::collections::VecDeque;

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// The answer to the latest ping, when too many wait already.
    pub(super) pong: Option<Bytes>,
    /// In the order in which it is sent.
    items: VecDeque<Item>,
    /// The sum of their octets, as they were accepted.
    len: usize,
}

/// Something that has been accepted and is not yet in the outbox.
#[derive(Debug)]
pub(super) enum Item {
    /// A message; `job` is what has been compressed of it.
    Message { opcode: Opcode, payload: Bytes, compress: bool, job: Option<Job> },
    /// A message that is compressed once for many connections.
    Prepared(PreparedMessage),
    /// A single frame: a ping, a Close frame, a piece of a message.
    Frame { opcode: Opcode, fin: bool, payload: Bytes },
}

impl Item {
    /// The octets that were accepted.
    pub(super) fn len(&self) -> usize {
        match self {
            Item::Message { payload, .. } | Item::Frame { payload, .. } => payload.len(),
            Item::Prepared(prepared) => prepared.message().len(),
        }
    }
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, item: Item) {
        self.len += item.len();
        self.items.push_back(item);
    }

    pub(super) fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.len -= item.len();
        Some(item)
    }

    /// Puts back what is not finished.
    pub(super) fn unpop(&mut self, item: Item) {
        self.len += item.len();
        self.items.push_front(item);
    }

    /// True if there is something to be compressed, or behind such.
    pub(super) fn has_items(&self) -> bool {
        !self.items.is_empty()
    }
}
