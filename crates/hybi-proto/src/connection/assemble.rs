//! [`Assembler`]: frames become messages: fragmentation, decompression, UTF-8 and limits.
//!
//! Every check happens as the octets arrive: wrong UTF-8 fails at the wrong octet, a decompression
//! bomb at the limit.

use super::event::Event;
use super::pieces::Delivery;
use super::receive::Piece;
use crate::code::ErrorCode;
use crate::error::Error;
use crate::extension::Decompressor;
use crate::header::{FrameHeader, MaskingKey};
use crate::limits::{Limits, Used};
use crate::message::Message;
use crate::opcode::Opcode;
use bytes::{Buf, BufMut, Bytes};
use hybi_bytes::{PayloadBuffer, Utf8Bytes, Utf8Error};

/// The first allocation for a message that does not arrive at once; doubled as octets come.
const FIRST_RESERVE: usize = 16 * 1024;

/// The least room to read into directly: below it the buffer grows, so that reads are not tiny.
const LEAST_SPARE: usize = 4 * 1024;

#[derive(Debug)]
pub(super) struct Assembler {
    pub(super) limits: Limits,
    deflate: Option<Box<Decompressor>>,
    /// The first frame of the message in progress; the rest of it is boxed only when it does not
    /// arrive at once.
    first: Option<First>,
    pub(super) partial: Option<Box<Partial>>,
    /// Messages are asked for in pieces.
    pub(super) in_pieces: bool,
}

#[derive(Debug, Clone, Copy)]
struct First {
    text: bool,
    compressed: bool,
}

/// A message of which not all has come.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) buffer: PayloadBuffer,
    /// Octets in `buffer` that `commit` has taken over.
    pub(super) committed: usize,
    /// Octets that `buffer` has been given room for.
    pub(super) reserved: usize,
    pub(super) delivery: Delivery,
    used: Used,
}

impl Assembler {
    pub(super) fn new(limits: Limits, deflate: Option<Box<Decompressor>>) -> Self {
        Assembler { limits, deflate, first: None, partial: None, in_pieces: false }
    }

    /// True between the first and the last frame of a message.
    #[inline]
    pub(super) fn in_progress(&self) -> bool {
        self.first.is_some()
    }

    #[inline]
    pub(super) fn max_message_size(&self) -> usize {
        self.limits.max_message_size
    }

    pub(super) fn clear(&mut self) {
        self.first = None;
        self.partial = None;
        self.deflate = None;
    }

    /// Applies the limits to a data frame before its payload comes.
    #[inline]
    pub(super) fn begin_frame(&mut self, header: &FrameHeader) -> Result<(), Error> {
        if header.opcode != Opcode::Continuation {
            self.first =
                Some(First { text: header.opcode == Opcode::Text, compressed: header.rsv1 });
        }
        let limits = self.limits_now();
        match &mut self.partial {
            Some(partial) => partial.used.frame(header.payload_len, &limits),
            None => {
                let mut used = Used::default();
                used.frame(header.payload_len, &limits)?;
                // A whole uncompressed message may arrive at once: `push` decides when it has not.
                if !header.fin || header.rsv1 || self.in_pieces {
                    self.begin_partial(used);
                }
                Ok(())
            }
        }
    }

    fn begin_partial(&mut self, used: Used) -> &mut Partial {
        let text = self.first.is_some_and(|first| first.text);
        let buffer = if text { PayloadBuffer::text() } else { PayloadBuffer::binary() };
        self.partial.insert(Box::new(Partial {
            buffer,
            committed: 0,
            reserved: 0,
            delivery: Delivery::Whole,
            used,
        }))
    }

    /// Adds a piece of the current frame's payload, of which `remaining` octets are still to
    /// come; returns the message if this was `last`.
    #[inline]
    pub(super) fn push(
        &mut self,
        piece: Piece<'_>,
        remaining: u64,
        last: bool,
    ) -> Result<Option<Event>, Error> {
        if last && self.partial.is_none() {
            let text = self.first.take().is_some_and(|first| first.text);
            return Ok(Some(Event::Message(whole(piece, text)?)));
        }
        self.push_partial(piece, remaining, last)
    }

    fn push_partial(
        &mut self,
        piece: Piece<'_>,
        remaining: u64,
        last: bool,
    ) -> Result<Option<Event>, Error> {
        let limits = self.limits_now();
        if self.partial.is_none() {
            let mut used = Used::default();
            used.frame(piece.octets.len() as u64 + remaining, &limits)?;
            self.begin_partial(used);
        }
        let Some(partial) = &mut self.partial else { return Ok(None) };
        // Not checked yet if it was begun while messages were asked for in pieces.
        partial.used.check(&limits)?;
        if !last {
            partial.used.chunk(&limits)?;
        }
        partial.push(piece, remaining)?;
        if last { self.finish() } else { Ok(self.piece_if_large()) }
    }

    fn finish(&mut self) -> Result<Option<Event>, Error> {
        let (Some(first), Some(partial)) = (self.first.take(), self.partial.take()) else {
            return Ok(None);
        };
        let delivery = partial.delivery;
        Ok(delivery.last(if first.text {
            Message::Text(partial.buffer.finish_text().map_err(invalid_utf8)?)
        } else {
            Message::Binary(partial.buffer.finish())
        }))
    }

    /// True if the message in progress is compressed.
    #[inline]
    pub(super) fn is_compressed(&self) -> bool {
        self.first.is_some_and(|first| first.compressed)
    }

    /// True if inflating was interrupted: it goes on with the next call of
    /// [`inflate`](Self::inflate), whether octets have come or not.
    #[inline]
    pub(super) fn is_paused(&self) -> bool {
        self.deflate.as_ref().is_some_and(|deflate| deflate.is_paused())
    }

    /// Adds a piece of a compressed payload, as far as a slice of work goes: tells how many octets
    /// of it were taken, and returns the message if this was `last` and all has been inflated.
    pub(super) fn inflate(
        &mut self,
        piece: Piece<'_>,
        last: bool,
    ) -> Result<(usize, Option<Event>), Error> {
        let limits = self.limits_now();
        let (Some(deflate), Some(partial)) = (&mut self.deflate, &mut self.partial) else {
            return Ok((piece.octets.len(), None));
        };
        let mut unmasked;
        let octets = match piece.mask {
            None => piece.octets,
            Some((key, offset)) => {
                unmasked = Vec::with_capacity(piece.octets.len());
                hybi_bytes::mask_append(&mut unmasked, piece.octets, key, offset);
                &unmasked[..]
            }
        };
        let mut input = octets;
        let buffer = &mut partial.buffer;
        partial.used.check(&limits)?;
        let max = limits.max_message_size;
        let done = deflate.decompress_slice(&mut input, last, max, &mut |plain| {
            buffer.push(plain).map_err(invalid_utf8)
        })?;
        let taken = octets.len() - input.len();
        if done && last {
            return Ok((taken, self.finish()?));
        }
        if done {
            partial.used.chunk(&limits)?;
        }
        Ok((taken, self.piece_if_large()))
    }

    /// Room for the rest of the current frame's payload; `None` if it is compressed.
    pub(super) fn spare(&mut self, remaining: u64) -> Option<impl BufMut + '_> {
        let compressed = self.first.is_some_and(|first| first.compressed);
        let partial = self.partial.as_mut().filter(|_| !compressed)?;
        let least = usize::try_from(remaining).unwrap_or(usize::MAX).min(LEAST_SPARE);
        let room = partial.grow(least, remaining - least as u64);
        let limit = usize::try_from(remaining).unwrap_or(usize::MAX).min(room);
        Some(partial.buffer.spare(limit))
    }

    /// Takes over what was read into [`spare`](Self::spare) and tells how much it was.
    pub(super) fn commit(&mut self, mask: Option<(MaskingKey, usize)>) -> Result<usize, Error> {
        let limits = self.limits_now();
        let Some(partial) = &mut self.partial else { return Ok(0) };
        let written = partial.buffer.len() - partial.committed;
        partial.used.chunk(&limits)?;
        partial.buffer.commit(mask).map_err(invalid_utf8)?;
        partial.committed = partial.buffer.len();
        Ok(written)
    }
}

impl Partial {
    fn push(&mut self, piece: Piece<'_>, remaining: u64) -> Result<(), Error> {
        self.grow(piece.octets.len(), remaining);
        match piece.mask {
            Some((key, offset)) => self.buffer.push_masked(piece.octets, key, offset),
            None => self.buffer.push(piece.octets),
        }
        .map_err(invalid_utf8)?;
        self.committed = self.buffer.len();
        Ok(())
    }

    /// Makes room for `here` octets; if the buffer has to grow for them, then for some of the
    /// `remaining` ones too: no more than have come already, so that a header that claims much
    /// allocates little. Tells the room there is.
    fn grow(&mut self, here: usize, remaining: u64) -> usize {
        let len = self.buffer.len();
        let room = self.reserved.saturating_sub(len);
        if here <= room {
            return room;
        }
        let beyond = (len + here).max(FIRST_RESERVE);
        let beyond = usize::try_from(remaining).unwrap_or(usize::MAX).min(beyond);
        self.buffer.reserve(here + beyond);
        self.reserved = len + here + beyond;
        here + beyond
    }
}

/// The message whose payload has come in one piece.
#[inline(always)]
pub(super) fn whole(piece: Piece<'_>, text: bool) -> Result<Message, Error> {
    match (piece.mask, text) {
        (Some((key, _)), true) => {
            Utf8Bytes::copy_masked(piece.octets, key).map(Message::Text).map_err(invalid_utf8)
        }
        (Some((key, _)), false) => Ok(Message::Binary(hybi_bytes::copy_masked(piece.octets, key))),
        (None, true) => {
            Utf8Bytes::copy_from_slice(piece.octets).map(Message::Text).map_err(invalid_utf8)
        }
        (None, false) => Ok(Message::Binary(Bytes::copy_from_slice(piece.octets))),
    }
}

/// The message whose payload is what `octets` end with, from `start` on; takes nothing if it is not
/// the text that it should be.
pub(super) fn keep(
    octets: &mut Vec<u8>,
    start: usize,
    key: Option<MaskingKey>,
    text: bool,
) -> Option<Message> {
    let unmask = |octets: &mut [u8]| {
        if let Some(key) = key {
            hybi_bytes::mask(octets, key, 0);
        }
    };
    unmask(&mut octets[start..]);
    if !text {
        let mut payload = Bytes::from(std::mem::take(octets));
        payload.advance(start);
        return Some(Message::Binary(payload));
    }
    match Utf8Bytes::from_tail(std::mem::take(octets), start) {
        Ok(text) => Some(Message::Text(text)),
        Err(refused) => {
            *octets = refused;
            unmask(&mut octets[start..]);
            None
        }
    }
}

#[cold]
fn invalid_utf8(error: Utf8Error) -> Error {
    Error::protocol(
        ErrorCode::InvalidUtf8,
        format!("text message is not valid UTF-8 at byte {} (RFC 6455 §8.1)", error.valid_up_to()),
    )
}
