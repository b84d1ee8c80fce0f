//! Messages in pieces: what has arrived is handed out before the rest has, and not kept.
//!
//! The octets go the same way as those of whole messages, through `assemble`; here is decided what
//! becomes of them on the way.

use super::assemble::{Assembler, Partial};
use super::event::Event;
use crate::limits::Limits;
use crate::message::Message;

/// A piece is handed out from this size on; a smaller one when nothing more is at hand.
const PIECE: usize = 16 * 1024;

/// Compressed octets that are worked off at a time: they become 1032 times as many at most, so
/// this bounds a piece.
const COMPRESSED: usize = 64;

const UNLIMITED: Limits = Limits::new()
    .max_message_size(usize::MAX)
    .max_fragments(u32::MAX)
    .max_buffered_chunks(u32::MAX);

/// What becomes of a message that has arrived in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// Nothing of it has been handed out.
    Whole,
    /// Something of it has.
    Pieces,
    /// Something of it has, but the rest is not wanted any more.
    Dropped,
}

impl Delivery {
    /// What becomes of the end of a message.
    pub(super) fn last(self, message: Message) -> Option<Event> {
        match self {
            Delivery::Whole => Some(Event::Message(message)),
            Delivery::Pieces => Some(Event::Piece { piece: message, last: true }),
            Delivery::Dropped => None,
        }
    }
}

impl Assembler {
    /// The limits that apply now: none where nothing is kept.
    #[inline]
    pub(super) fn limits_now(&self) -> Limits {
        if self.is_streaming() { UNLIMITED } else { self.limits }
    }

    #[inline]
    fn is_streaming(&self) -> bool {
        let delivery = self.partial.as_ref().map_or(Delivery::Whole, |partial| partial.delivery);
        self.in_pieces || delivery != Delivery::Whole
    }

    pub(super) fn set_in_pieces(&mut self, on: bool) {
        self.in_pieces = on;
        if let Some(partial) = self.partial.as_mut().filter(|_| !on) {
            if partial.delivery == Delivery::Pieces {
                partial.delivery = Delivery::Dropped;
                partial.drain();
            }
        }
    }

    /// How many of the compressed octets that have come may be inflated at once.
    #[inline]
    pub(super) fn at_once(&self) -> usize {
        if self.is_streaming() { COMPRESSED } else { usize::MAX }
    }

    /// The next piece, if enough has come.
    pub(super) fn piece_if_large(&mut self) -> Option<Event> {
        if self.is_streaming() { self.piece(PIECE) } else { None }
    }

    /// What has come so far, when nothing more is at hand.
    #[inline]
    pub(super) fn piece_if_any(&mut self) -> Option<Event> {
        if self.in_pieces { self.piece(1) } else { None }
    }

    fn piece(&mut self, at_least: usize) -> Option<Event> {
        let partial = self.partial.as_mut()?;
        if partial.delivery == Delivery::Dropped {
            partial.drain();
            return None;
        }
        if partial.buffer.len() < at_least {
            return None;
        }
        let piece = partial.drain();
        if piece.is_empty() {
            // Less than a character.
            return None;
        }
        partial.delivery = Delivery::Pieces;
        Some(Event::Piece { piece, last: false })
    }
}

impl Partial {
    fn drain(&mut self) -> Message {
        let piece = match self.buffer.drain_text() {
            Some(text) => Message::Text(text),
            None => Message::Binary(self.buffer.drain()),
        };
        self.committed = self.buffer.len();
        self.reserved = self.buffer.len();
        piece
    }
}
