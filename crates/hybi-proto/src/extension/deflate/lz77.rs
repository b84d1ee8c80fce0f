//! [`Encoder`]: DEFLATE for short messages, which refer to a context that is short as well.
//!
//! zlib clears 128 KiB and sets up its search anew before each message of another connection; for
//! messages of 1 KiB that was a quarter of an echo server's time. Here the tables are as small as what
//! is searched. One message is one block. What is found is written by [`huffman`](super::huffman).

use super::context::{Moment, out_of_memory};
use super::huffman;
use crate::error::Error;

/// Longer messages are left to zlib.
pub(super) const MAX_MESSAGE: usize = 4 * 1024;
/// What a connection that has the thread to itself may refer to grows up to this.
const MAX_TEXT: usize = 48 * 1024;

const MIN_MATCH: usize = 4;
const MAX_MATCH: usize = 258;
const HASH_BITS: u32 = 12;
/// No position: the one at the very beginning is never referred to, as in zlib.
const NONE: u16 = 0;

/// How hard to search.
#[derive(Debug, Clone, Copy)]
struct Effort {
    /// So many places are compared.
    depth: u32,
    /// A match of this length is taken without a look at the next place.
    lazy: usize,
    /// A match of this length is not improved upon.
    nice: usize,
}

impl Effort {
    /// By zlib's levels; what they stand for is zlib's as well.
    fn of(level: u8) -> Self {
        let (depth, lazy, nice) = match level {
            0 | 1 => (1, 0, 8),
            2 => (4, 0, 8),
            3 => (6, 4, 16),
            4 => (16, 8, 32),
            5 => (32, 16, 64),
            6 => (32, 32, 258),
            7 => (256, 32, 128),
            8 => (1024, 128, 258),
            _ => (4096, 258, 258),
        };
        Effort { depth, lazy, nice }
    }
}

/// A literal octet, or a length and the distance to where these octets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Symbol(u32);

impl Symbol {
    fn literal(octet: u8) -> Self {
        Symbol(octet.into())
    }

    fn copy(length: usize, distance: usize) -> Self {
        Symbol((length as u32) << 16 | distance as u32)
    }

    #[inline]
    fn is_literal(self) -> bool {
        self.0 >> 16 == 0
    }

    /// The octet; or the length (at least 3) and the distance.
    #[inline]
    pub(super) fn read(self) -> Result<u8, (u32, u32)> {
        match self.0 >> 16 {
            0 => Ok(self.0 as u8),
            length => Err((length, self.0 & 0xffff)),
        }
    }
}

/// The tables of a thread.
pub(super) struct Encoder {
    /// The context, and the message after it.
    text: Vec<u8>,
    /// The last position of each hash, and for each position the one before it with the same hash.
    head: Box<[u16; 1 << HASH_BITS]>,
    prev: Vec<u16>,
    /// Positions below this one are in the tables.
    inserted: usize,
    symbols: Vec<Symbol>,
    huffman: huffman::Writer,
    /// The compressor that may go on with the text as it is; for all others it is replaced.
    left_by: Option<Moment>,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Encoder {
            text: Vec::new(),
            head: Box::new([NONE; 1 << HASH_BITS]),
            prev: Vec::new(),
            inserted: 0,
            symbols: Vec::new(),
            huffman: huffman::Writer::new(),
            left_by: None,
        }
    }

    /// True if a message of this many octets can follow the text as it is.
    pub(super) fn continues(&self, moment: Moment, octets: usize) -> bool {
        self.left_by == Some(moment) && self.text.len() + octets <= MAX_TEXT
    }

    /// Notes where the text was left.
    pub(super) fn leave(&mut self, moment: Moment) {
        self.left_by = Some(moment);
    }

    /// Forgets the text and begins with this one.
    pub(super) fn prime(&mut self, context: [&[u8]; 2]) -> Result<(), Error> {
        self.left_by = None;
        self.head.fill(NONE);
        self.text.clear();
        self.inserted = 0;
        context.into_iter().try_for_each(|part| self.append(part))
    }

    fn append(&mut self, octets: &[u8]) -> Result<(), Error> {
        self.text.try_reserve(octets.len()).map_err(|_| out_of_memory())?;
        self.text.extend_from_slice(octets);
        let missing = self.text.len().saturating_sub(self.prev.len());
        self.prev.try_reserve(missing).map_err(|_| out_of_memory())?;
        self.prev.resize(self.prev.len() + missing, NONE);
        Ok(())
    }

    /// Appends one message as one block to `out`, and the first octet of the empty stored block
    /// that ends it; the rest of that is what RFC 7692 §7.2.1 removes.
    pub(super) fn encode(
        &mut self,
        message: &[u8],
        level: u8,
        max_distance: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let start = self.text.len();
        self.append(message)?;
        self.symbols.clear();
        // Never more than octets.
        self.symbols.try_reserve(message.len()).map_err(|_| out_of_memory())?;
        // Every third place of the context is enough: a match that begins at another is found some
        // octets later, and then grows to the front. What a match covers was there before already.
        let effort = Effort::of(level);
        match level {
            0..7 => {
                self.insert::<3>(start);
                self.search::<4>(start, effort, max_distance);
            }
            _ => {
                self.insert::<1>(start);
                self.search::<1>(start, effort, max_distance);
            }
        }
        self.huffman.write(&self.symbols, message, out)
    }

    /// Takes what is from `start` on apart into symbols; every `STEP`th place of a match can be found
    /// again.
    fn search<const STEP: usize>(&mut self, start: usize, effort: Effort, max_distance: usize) {
        let end = self.text.len();
        let mut at = start;
        while at < end {
            let mut found = self.find(at, MIN_MATCH - 1, effort, max_distance);
            // A longer match at the next place is worth a literal.
            while found.0 < effort.lazy && found.0 >= MIN_MATCH {
                let next = self.find(at + 1, found.0, effort, max_distance);
                if next.0 <= found.0 {
                    break;
                }
                self.symbols.push(Symbol::literal(self.text[at]));
                at += 1;
                found = next;
            }
            let (length, distance) = found;
            if length < MIN_MATCH {
                self.symbols.push(Symbol::literal(self.text[at]));
                at += 1;
            } else {
                let before = self.grow(at, length, distance);
                self.symbols.truncate(self.symbols.len() - before);
                self.symbols.push(Symbol::copy(length + before, distance));
                at += length;
                self.insert::<STEP>(at);
            }
        }
    }

    /// How many of the literals before `at` the match there can take in.
    #[inline]
    fn grow(&self, at: usize, length: usize, distance: usize) -> usize {
        let (text, source) = (&self.text[..at], &self.text[1..at - distance]);
        let same = text.iter().rev().zip(source.iter().rev()).zip(self.symbols.iter().rev());
        same.take(MAX_MATCH - length)
            .take_while(|((one, other), symbol)| one == other && symbol.is_literal())
            .count()
    }

    /// The longest match of the octets at `at` that is longer than `longest`, with its distance;
    /// or `longest`.
    #[inline]
    fn find(
        &mut self,
        at: usize,
        longest: usize,
        effort: Effort,
        max_distance: usize,
    ) -> (usize, usize) {
        let max = (self.text.len() - at).min(MAX_MATCH);
        let mut best = (longest, 0);
        if max <= longest {
            return best;
        }
        self.insert::<1>(at + 1);
        let text = &self.text[..];
        let lowest = at.saturating_sub(max_distance).max(usize::from(NONE) + 1);
        let mut candidate = usize::from(self.prev[at]);
        // The last octets of a match that would be longer.
        let mut wanted = word(text, at + longest - 3);
        for _ in 0..effort.depth {
            if candidate < lowest {
                break;
            }
            if word(text, candidate + best.0 - 3) == wanted {
                let length = common(&text[candidate..candidate + max], &text[at..at + max]);
                if length > best.0 {
                    best = (length, at - candidate);
                    if length >= effort.nice.min(max) {
                        break;
                    }
                    wanted = word(text, at + length - 3);
                }
            }
            candidate = usize::from(self.prev[candidate]);
        }
        best
    }

    /// Enters every `STEP`th position below `end` into the tables, as far as there are octets for
    /// a hash.
    #[inline]
    fn insert<const STEP: usize>(&mut self, end: usize) {
        let end = end.min(self.text.len().saturating_sub(MIN_MATCH - 1));
        let (text, prev, head) = (&self.text[..], &mut self.prev[..], &mut *self.head);
        let mut at = self.inserted;
        while at < end {
            let hash = word(text, at).wrapping_mul(0x9e37_79b1) >> (u32::BITS - HASH_BITS);
            prev[at] = std::mem::replace(&mut head[hash as usize], at as u16);
            at += STEP;
        }
        self.inserted = self.inserted.max(end);
    }
}

#[inline]
fn word(text: &[u8], at: usize) -> u32 {
    let octets = &text[at..at + 4];
    u32::from_le_bytes([octets[0], octets[1], octets[2], octets[3]])
}

/// How many octets two slices of the same length have in common.
fn common(one: &[u8], other: &[u8]) -> usize {
    let mut length = 0;
    let (mut ones, mut others) = (one.chunks_exact(8), other.chunks_exact(8));
    for (one, other) in ones.by_ref().zip(others.by_ref()) {
        let differ = eight(one) ^ eight(other);
        if differ != 0 {
            return length + differ.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let rest = ones.remainder().iter().zip(others.remainder());
    length + rest.take_while(|(one, other)| one == other).count()
}

fn eight(octets: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(octets);
    u64::from_le_bytes(eight)
}
