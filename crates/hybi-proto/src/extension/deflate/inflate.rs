//! [`Decoder`]: a short message that has come whole, read with the connection's window where it lies.
//!
//! zlib is given the window anew for each message of another connection: 32 KiB are copied for some
//! hundred octets. Here what a message refers to is read where it is. Only what is beyond doubt is
//! decoded; whatever is wrong, unusual or long is left to zlib, which begins again from the start and
//! has the last word.

use super::TAIL;
use super::huffman::{END_OF_BLOCK, LENGTHS, LITERALS, MAX_BITS, ORDER, fixed_literal};

/// Messages that are longer on the wire are left to zlib, and those whose text is.
pub(super) const MAX_INPUT: usize = 4 * 1024;
const MAX_OUTPUT: usize = 32 * 1024;

/// Copies go on in steps of this size, beyond the end of what was asked for.
const STEP: usize = 16;
/// Octets after the message: the bits are read eight octets at a time, and these ahead of their use.
const PADDING: [u8; 16] = [0; 16];

/// RFC 1951 §3.2.6: the last two never occur, but count for the fixed code.
const DISTANCES: usize = 32;

/// The tables and the output of a thread.
pub(super) struct Decoder {
    /// The message, its tail and [`PADDING`].
    input: Vec<u8>,
    output: Box<[u8]>,
    fixed: Codes,
    dynamic: Codes,
    lengths: Table<7>,
}

/// The codes of one block.
struct Codes {
    literals: Table<9>,
    distances: Table<7>,
}

impl Decoder {
    pub(super) fn new() -> Self {
        let mut fixed = Codes { literals: Table::new(), distances: Table::new() };
        let lengths: [u8; LITERALS] = std::array::from_fn(fixed_literal);
        // RFC 1951 §3.2.6: complete by definition.
        let _ = fixed.literals.build(&lengths, &LITERAL, Gaps::Wrong);
        let _ = fixed.distances.build(&[5; DISTANCES], &DISTANCE, Gaps::Wrong);
        Decoder {
            input: Vec::with_capacity(MAX_INPUT + TAIL.len() + PADDING.len()),
            output: vec![0; MAX_OUTPUT + STEP].into_boxed_slice(),
            fixed,
            dynamic: Codes { literals: Table::new(), distances: Table::new() },
            lengths: Table::new(),
        }
    }

    /// The plain text of a whole message without its tail, of at most `max` octets; `window` is what
    /// came before it, the oldest part first. `None` is not an error, but a case for zlib.
    pub(super) fn decode(
        &mut self,
        message: &[u8],
        window: [&[u8]; 2],
        max: usize,
    ) -> Option<&[u8]> {
        self.input.clear();
        self.input.extend_from_slice(message);
        self.input.extend_from_slice(&TAIL);
        self.input.extend_from_slice(&PADDING);
        let mut bits = Bits::at(&self.input, 0);
        let limit = max.min(MAX_OUTPUT);
        let mut text = Text { octets: &mut self.output, len: 0, limit, window };
        loop {
            bits.refill()?;
            // BFINAL and BTYPE (RFC 1951 §3.2.3); a final block is zlib's.
            match bits.take(3) {
                0b000 => {
                    let at = bits.next_octet();
                    let [a, b, c, d] = *self.input.get(at..)?.first_chunk()?;
                    let len = usize::from(u16::from_le_bytes([a, b]));
                    if u16::from_le_bytes([c, d]) != !(len as u16) {
                        return None;
                    }
                    if len == 0 && at == message.len() {
                        // The tail, where RFC 7692 §7.2.2 has it.
                        let len = text.len;
                        return Some(&self.output[..len]);
                    }
                    text.stored(message.get(at + 4..at + 4 + len)?)?;
                    bits = Bits::at(&self.input, at + 4 + len);
                }
                0b010 => self.fixed.block(&mut bits, &mut text)?,
                0b100 => {
                    self.dynamic.read(&mut bits, &mut self.lengths)?;
                    self.dynamic.block(&mut bits, &mut text)?;
                }
                _ => return None,
            }
        }
    }
}

impl Codes {
    /// Reads the codes of a block (RFC 1951 §3.2.7).
    fn read(&mut self, bits: &mut Bits<'_>, table: &mut Table<7>) -> Option<()> {
        let literals = bits.take(5) + 257;
        let distances = bits.take(5) + 1;
        let count = bits.take(4) + 4;
        if literals > 286 || distances > 30 {
            return None;
        }
        let mut lengths = [0; LENGTHS];
        for place in &ORDER[..count] {
            // Nineteen times three bits are more than one refill.
            bits.refill()?;
            lengths[*place] = bits.take(3) as u8;
        }
        table.build(&lengths, &LENGTH, Gaps::Wrong)?;

        let mut lengths = [0; LITERALS + DISTANCES];
        let total = literals + distances;
        let mut at = 0;
        while at < total {
            bits.refill()?;
            let symbol = table.next(bits);
            if symbol.kind() != Kind::LITERAL {
                return None;
            }
            let (times, length) = match symbol.value() as u8 {
                16 => (3 + bits.take(2), *lengths.get(at.checked_sub(1)?)?),
                17 => (3 + bits.take(3), 0),
                18 => (11 + bits.take(7), 0),
                length => (1, length),
            };
            lengths[..total].get_mut(at..at + times)?.fill(length);
            at += times;
        }
        self.literals.build(&lengths[..literals], &LITERAL, Gaps::One)?;
        self.distances.build(&lengths[literals..total], &DISTANCE, Gaps::One)
    }

    /// Decodes a block to its end.
    fn block(&self, bits: &mut Bits<'_>, text: &mut Text<'_>) -> Option<()> {
        loop {
            bits.refill()?;
            let mut symbol = self.literals.next(bits);
            if symbol.kind() == Kind::LITERAL {
                text.literal(symbol.value() as u8)?;
                symbol = self.literals.next(bits);
                if symbol.kind() == Kind::LITERAL {
                    text.literal(symbol.value() as u8)?;
                    continue;
                }
                // Two codes are read: what follows takes up to 33 bits.
                bits.refill()?;
            }
            match symbol.kind() {
                Kind::COPY => {
                    let length = symbol.value() + bits.take(symbol.extra());
                    let symbol = self.distances.next(bits);
                    if symbol.kind() != Kind::COPY {
                        return None;
                    }
                    let distance = symbol.value() + bits.take(symbol.extra());
                    text.copy(length, distance)?;
                }
                Kind::END => return Some(()),
                _ => return None,
            }
        }
    }
}

/// The bits of the input, the lowest first (RFC 1951 §3.1.1).
struct Bits<'a> {
    input: &'a [u8],
    /// Where the octets begin that are not in `buffer`; it may hold more than `count` says.
    at: usize,
    buffer: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    fn at(input: &'a [u8], at: usize) -> Self {
        Bits { input, at, buffer: 0, count: 0 }
    }

    /// Brings at least 56 bits in; `None` at the end of the padding.
    #[inline]
    fn refill(&mut self) -> Option<()> {
        let octets = self.input.get(self.at..)?.first_chunk()?;
        self.buffer |= u64::from_le_bytes(*octets) << self.count;
        self.at += (63 - self.count as usize) / 8;
        self.count |= 56;
        Some(())
    }

    /// At most what [`refill`](Self::refill) has brought, and at most 32.
    #[inline]
    fn take(&mut self, count: u32) -> usize {
        let bits = self.buffer & ((1 << count) - 1);
        self.skip(count);
        bits as usize
    }

    #[inline]
    fn skip(&mut self, count: u32) {
        self.buffer >>= count;
        self.count = self.count.wrapping_sub(count);
    }

    /// Where the first octet lies of which nothing has been taken.
    fn next_octet(&self) -> usize {
        self.at - self.count as usize / 8
    }
}

/// What is decoded.
struct Text<'a> {
    octets: &'a mut [u8],
    len: usize,
    /// [`STEP`] less than there is room for, at least.
    limit: usize,
    window: [&'a [u8]; 2],
}

impl Text<'_> {
    #[inline]
    fn literal(&mut self, octet: u8) -> Option<()> {
        if self.len == self.limit {
            return None;
        }
        *self.octets.get_mut(self.len)? = octet;
        self.len += 1;
        Some(())
    }

    fn stored(&mut self, octets: &[u8]) -> Option<()> {
        if octets.len() > self.limit - self.len {
            return None;
        }
        self.append(octets, octets.len());
        Some(())
    }

    #[inline]
    fn copy(&mut self, mut length: usize, distance: usize) -> Option<()> {
        if length > self.limit - self.len {
            return None;
        }
        if distance > self.len {
            length -= self.copy_from_window(length, distance)?;
            if length == 0 {
                return Some(());
            }
        }
        let (from, at) = (self.len.checked_sub(distance)?, self.len);
        self.len += length;
        if distance >= STEP {
            let mut done = 0;
            while done < length {
                let step: [u8; STEP] = *self.octets.get(from + done..)?.first_chunk()?;
                *self.octets.get_mut(at + done..)?.first_chunk_mut()? = step;
                done += STEP;
            }
        } else {
            let octets = self.octets.get_mut(from..at + length)?;
            for place in 0..length {
                octets[distance + place] = octets[place];
            }
        }
        Some(())
    }

    /// Copies as much as the window has of it, and tells how much that was.
    #[inline]
    fn copy_from_window(&mut self, length: usize, distance: usize) -> Option<usize> {
        let [older, newer] = self.window;
        let back = distance - self.len;
        let from = (older.len() + newer.len()).checked_sub(back)?;
        let length = length.min(back);
        match from.checked_sub(older.len()) {
            Some(from) => self.append(&newer[from..], length),
            None if length <= older.len() - from => self.append(&older[from..], length),
            None => {
                let first = older.len() - from;
                self.append(&older[from..], first);
                self.append(newer, length - first);
            }
        }
        Some(length)
    }

    /// Appends so many of the octets.
    #[inline]
    fn append(&mut self, octets: &[u8], length: usize) {
        let room = &mut self.octets[self.len..self.len + length.next_multiple_of(STEP)];
        // In steps, whatever comes with the last one: a call of memcpy takes longer.
        match octets.get(..room.len()) {
            Some(octets) => {
                for (room, step) in room.chunks_exact_mut(STEP).zip(octets.chunks_exact(STEP)) {
                    room.copy_from_slice(step);
                }
            }
            None => room[..length].copy_from_slice(&octets[..length]),
        }
        self.len += length;
    }
}

/// What an entry of a table stands for.
struct Kind;

impl Kind {
    /// No code leads here.
    const NONE: u32 = 0;
    const LITERAL: u32 = 1;
    /// A length or a distance.
    const COPY: u32 = 2;
    const END: u32 = 3;
    /// A table for the rest of longer codes.
    const TABLE: u32 = 4;
}

/// A symbol and the length of its code: from the lowest bit on, 8 bits for the length of the code, 4 for
/// the number of extra bits, 4 for the kind, 16 for the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry(u32);

impl Entry {
    const NONE: Entry = Entry::new(Kind::NONE, 0, 0);

    const fn new(kind: u32, extra: u32, value: u32) -> Self {
        Entry(value << 16 | kind << 12 | extra << 8)
    }

    fn with_bits(self, bits: usize) -> Self {
        Entry(self.0 | bits as u32)
    }

    #[inline]
    fn bits(self) -> u32 {
        self.0 & 0xff
    }

    #[inline]
    fn extra(self) -> u32 {
        self.0 >> 8 & 0xf
    }

    #[inline]
    fn kind(self) -> u32 {
        self.0 >> 12 & 0xf
    }

    #[inline]
    fn value(self) -> usize {
        (self.0 >> 16) as usize
    }
}

/// RFC 1951 §3.2.5; the last two never occur.
const LITERAL: [Entry; LITERALS] = {
    let mut entries = [Entry::NONE; LITERALS];
    let mut symbol = 0;
    while symbol < 256 {
        entries[symbol] = Entry::new(Kind::LITERAL, 0, symbol as u32);
        symbol += 1;
    }
    entries[END_OF_BLOCK] = Entry::new(Kind::END, 0, 0);
    let mut length = 3;
    let mut symbol = 257;
    while symbol < 285 {
        let extra = if symbol < 265 { 0 } else { (symbol as u32 - 261) / 4 };
        entries[symbol] = Entry::new(Kind::COPY, extra, length);
        length += 1 << extra;
        symbol += 1;
    }
    entries[285] = Entry::new(Kind::COPY, 0, 258);
    entries
};

/// RFC 1951 §3.2.5; the last two never occur.
const DISTANCE: [Entry; DISTANCES] = {
    let mut entries = [Entry::NONE; DISTANCES];
    let mut distance = 1;
    let mut symbol = 0;
    while symbol < 30 {
        let extra = if symbol < 4 { 0 } else { (symbol as u32 - 2) / 2 };
        entries[symbol] = Entry::new(Kind::COPY, extra, distance);
        distance += 1 << extra;
        symbol += 1;
    }
    entries
};

/// RFC 1951 §3.2.7.
const LENGTH: [Entry; LENGTHS] = {
    let mut entries = [Entry::NONE; LENGTHS];
    let mut symbol = 0;
    while symbol < LENGTHS {
        entries[symbol] = Entry::new(Kind::LITERAL, 0, symbol as u32);
        symbol += 1;
    }
    entries
};

/// Whether a code may leave bits over that mean nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gaps {
    Wrong,
    /// As zlib has it: if there is at most one symbol.
    One,
}

/// Symbols by their codes: `1 << ROOT` entries for the next bits, and tables for codes that are longer.
struct Table<const ROOT: usize> {
    entries: Vec<Entry>,
}

impl<const ROOT: usize> Table<ROOT> {
    const MASK: usize = (1 << ROOT) - 1;

    fn new() -> Self {
        Table { entries: vec![Entry::NONE; 1 << ROOT] }
    }

    /// The symbol of the next code, which is taken.
    #[inline]
    fn next(&self, bits: &mut Bits<'_>) -> Entry {
        let mut entry = self.entries[bits.buffer as usize & Self::MASK];
        if entry.kind() == Kind::TABLE {
            let rest = bits.buffer as usize >> ROOT & ((1 << entry.extra()) - 1);
            entry = self.entries[entry.value() + rest];
        }
        bits.skip(entry.bits());
        entry
    }

    /// Makes the codes from their lengths (RFC 1951 §3.2.2); `None` if there is no such code.
    fn build(&mut self, lengths: &[u8], symbols: &[Entry], gaps: Gaps) -> Option<()> {
        let mut counts = [0_usize; MAX_BITS as usize + 1];
        for length in lengths {
            counts[usize::from(*length)] += 1;
        }
        let mut starts = [0; MAX_BITS as usize + 2];
        let mut left = 1;
        for bits in 1..=MAX_BITS as usize {
            left = (2_usize * left).checked_sub(counts[bits])?;
            starts[bits + 1] = starts[bits] + counts[bits];
        }
        let used = starts[MAX_BITS as usize + 1];
        if left > 0 && (gaps == Gaps::Wrong || used > counts[1]) {
            return None;
        }
        let mut sorted = [0_u16; LITERALS];
        for (symbol, length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let start = &mut starts[usize::from(*length)];
            sorted[*start] = symbol as u16;
            *start += 1;
        }
        let mut sorted = sorted[..used].iter().map(|symbol| symbols[usize::from(*symbol)]);

        // Codes are counted up, but come with their highest bit first: `code` is turned round.
        let mut code = 0;
        self.entries.clear();
        self.entries.push(Entry::NONE);
        for (bits, &count) in counts.iter().enumerate().take(ROOT + 1).skip(1) {
            // One more bit, which means nothing to the codes so far.
            self.entries.extend_from_within(..);
            for entry in sorted.by_ref().take(count) {
                self.entries[code] = entry.with_bits(bits);
                code = after(code, bits);
            }
        }
        let (mut prefix, mut start) = (usize::MAX, 0);
        for (bits, &count) in counts.iter().enumerate().skip(ROOT + 1) {
            for taken in 0..count {
                if code & Self::MASK != prefix {
                    prefix = code & Self::MASK;
                    start = self.entries.len();
                    let width = width_of(&counts, ROOT, bits, count - taken)?;
                    let table = Entry::new(Kind::TABLE, width as u32, start as u32);
                    self.entries.resize(start + (1 << width), Entry::NONE);
                    self.entries[prefix] = table;
                }
                let entry = sorted.next()?.with_bits(bits);
                let places = self.entries[start..].iter_mut().skip(code >> ROOT);
                places.step_by(1 << (bits - ROOT)).for_each(|place| *place = entry);
                code = after(code, bits);
            }
        }
        Some(())
    }
}

/// The code of so many bits that follows, both turned round.
fn after(code: usize, bits: usize) -> usize {
    match (!code & ((1 << bits) - 1)).checked_ilog2() {
        Some(bit) => code & ((1 << bit) - 1) | 1 << bit,
        None => 0,
    }
}

/// How many bits beyond `root` the codes have that share the next prefix: the first of them has `bits`,
/// as have `more - 1` that follow it.
fn width_of(counts: &[usize], root: usize, bits: usize, more: usize) -> Option<usize> {
    let mut width = bits - root;
    let mut filled = more;
    while filled < 1 << width {
        width += 1;
        filled = 2 * filled + counts.get(root + width)?;
    }
    Some(width)
}
