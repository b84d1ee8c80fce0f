//! [`Writer`]: one block of DEFLATE (RFC 1951 §3.2), with the codes that make it shortest.

use super::context::out_of_memory;
use super::lz77::Symbol;
use crate::error::Error;

/// RFC 1951 §3.2.6: the last two never occur, but count for the fixed code.
pub(super) const LITERALS: usize = 288;
const DISTANCES: usize = 30;
pub(super) const END_OF_BLOCK: usize = 256;
/// RFC 1951 §3.2.7: codes of 1 to 15 bits; those that the lengths are written with, 1 to 7.
pub(super) const MAX_BITS: u8 = 15;
pub(super) const LENGTHS: usize = 19;
const MAX_LENGTH_BITS: u8 = 7;
/// RFC 1951 §3.2.7: the order in which the lengths of the latter are written.
pub(super) const ORDER: [usize; LENGTHS] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Writes blocks; what it holds is only scratch.
pub(super) struct Writer {
    literals: Alphabet<LITERALS>,
    distances: Alphabet<DISTANCES>,
    lengths: Alphabet<LENGTHS>,
    /// The lengths of all codes, as RFC 1951 §3.2.7 shortens them: a symbol and its extra bits.
    runs: Vec<(u8, u8)>,
}

impl Writer {
    pub(super) fn new() -> Self {
        Writer {
            literals: Alphabet::new(),
            distances: Alphabet::new(),
            lengths: Alphabet::new(),
            runs: Vec::with_capacity(LITERALS + DISTANCES),
        }
    }

    /// Appends `symbols`, which stand for `message`, as one block; then the header of an empty
    /// stored one, which brings the end to a whole octet.
    pub(super) fn write(
        &mut self,
        symbols: &[Symbol],
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.literals.frequencies.fill(0);
        self.distances.frequencies.fill(0);
        self.literals.frequencies[END_OF_BLOCK] = 1;
        let mut extra = 0;
        for symbol in symbols {
            match symbol.read() {
                Ok(octet) => self.literals.frequencies[usize::from(octet)] += 1,
                Err((length, distance)) => {
                    let (length, distance) = (Part::length(length), Part::distance(distance));
                    self.literals.frequencies[length.symbol] += 1;
                    self.distances.frequencies[distance.symbol] += 1;
                    extra += length.bits + distance.bits;
                }
            }
        }

        self.literals.find_lengths(MAX_BITS);
        self.distances.find_lengths(MAX_BITS);
        let (literals, distances) = (self.literals.used(257), self.distances.used(1));
        self.shorten(literals, distances);
        self.lengths.find_lengths(MAX_LENGTH_BITS);
        let lengths = self.lengths_used();
        let runs: u32 = self.runs.iter().map(|&(symbol, _)| u32::from(extra_of_run(symbol))).sum();
        let header = 14 + 3 * lengths as u32 + self.lengths.cost() + runs;
        let dynamic = header + self.literals.cost() + self.distances.cost();
        let fixed = self.literals.cost_of(fixed_literal) + self.distances.cost_of(|_| 5);

        let coded = dynamic.min(fixed) + extra;
        // Up to the octet's end, two lengths of two octets each, and the message.
        let stored = 5 + 8 * (4 + message.len() as u32);
        let bits = 3 + coded.min(stored) + 3;
        out.try_reserve(bits as usize / 8 + 8).map_err(|_| out_of_memory())?;

        let mut bits = Bits { out, held: 0, count: 0 };
        // RFC 1951 §3.2.3: BFINAL=0, then the type of the block.
        if stored < coded {
            bits.put(0b000, 3);
            bits.fill_octet();
            let len = message.len() as u16;
            bits.put(u32::from(len) | u32::from(!len) << 16, 32);
            bits.out.extend_from_slice(message);
        } else {
            if dynamic < fixed {
                bits.put(0b100, 3);
                bits.put((literals - 257) as u32, 5);
                bits.put((distances - 1) as u32, 5);
                bits.put((lengths - 4) as u32, 4);
                for place in &ORDER[..lengths] {
                    bits.put(self.lengths.lengths[*place].into(), 3);
                }
                self.lengths.find_codes();
                for &(symbol, extra) in &self.runs {
                    bits.code(self.lengths.codes[usize::from(symbol)]);
                    bits.put(extra.into(), extra_of_run(symbol).into());
                }
            } else {
                bits.put(0b010, 3);
                (0..LITERALS)
                    .for_each(|symbol| self.literals.lengths[symbol] = fixed_literal(symbol));
                self.distances.lengths.fill(5);
            }
            self.literals.find_codes();
            self.distances.find_codes();
            for symbol in symbols {
                match symbol.read() {
                    Ok(octet) => bits.code(self.literals.codes[usize::from(octet)]),
                    Err((length, distance)) => {
                        let (length, distance) = (Part::length(length), Part::distance(distance));
                        bits.part(self.literals.codes[length.symbol], length);
                        bits.part(self.distances.codes[distance.symbol], distance);
                    }
                }
            }
            bits.code(self.literals.codes[END_OF_BLOCK]);
        }
        bits.put(0b000, 3);
        bits.fill_octet();
        Ok(())
    }

    /// RFC 1951 §3.2.7: repeated lengths are written as runs.
    fn shorten(&mut self, literals: usize, distances: usize) {
        self.runs.clear();
        self.lengths.frequencies.fill(0);
        let mut all = [0; LITERALS + DISTANCES];
        all[..literals].copy_from_slice(&self.literals.lengths[..literals]);
        all[literals..literals + distances].copy_from_slice(&self.distances.lengths[..distances]);
        let mut rest = &all[..literals + distances];
        let mut before = None;
        while let Some(&length) = rest.first() {
            let same = rest.iter().take_while(|&&next| next == length).count();
            let (count, run) = match (length, same) {
                (0, 11..) => (same.min(138), (18, same.min(138) - 11)),
                (0, 3..) => (same, (17, same - 3)),
                (_, 3..) if before == Some(length) => (same.min(6), (16, same.min(6) - 3)),
                _ => (1, (length, 0)),
            };
            self.lengths.frequencies[usize::from(run.0)] += 1;
            self.runs.push((run.0, run.1 as u8));
            before = Some(length);
            rest = &rest[count..];
        }
    }

    /// How many lengths of the codes for lengths are written.
    fn lengths_used(&self) -> usize {
        let last = ORDER.iter().rposition(|place| self.lengths.lengths[*place] > 0);
        last.map_or(4, |last| (last + 1).max(4))
    }
}

/// RFC 1951 §3.2.6.
pub(super) fn fixed_literal(symbol: usize) -> u8 {
    match symbol {
        0..144 => 8,
        144..256 => 9,
        256..280 => 7,
        _ => 8,
    }
}

/// RFC 1951 §3.2.7: how many bits follow a symbol of the codes for lengths.
fn extra_of_run(symbol: u8) -> u8 {
    match symbol {
        16 => 2,
        17 => 3,
        18 => 7,
        _ => 0,
    }
}

/// A length or a distance: its symbol, and the bits that follow (RFC 1951 §3.2.5).
struct Part {
    symbol: usize,
    extra: u32,
    bits: u32,
}

impl Part {
    #[inline]
    fn length(length: u32) -> Self {
        let n = length - 3;
        match n {
            0..8 => Part { symbol: 257 + n as usize, extra: 0, bits: 0 },
            255 => Part { symbol: 285, extra: 0, bits: 0 },
            // Four symbols for each power of two.
            _ => {
                let bits = n.ilog2() - 2;
                Part {
                    symbol: (257 + 4 * bits + (n >> bits)) as usize,
                    extra: n & !(!0 << bits),
                    bits,
                }
            }
        }
    }

    #[inline]
    fn distance(distance: u32) -> Self {
        let n = distance - 1;
        match n {
            0..4 => Part { symbol: n as usize, extra: 0, bits: 0 },
            // Two symbols for each power of two.
            _ => {
                let bits = n.ilog2() - 1;
                Part { symbol: (2 * bits + (n >> bits)) as usize, extra: n & !(!0 << bits), bits }
            }
        }
    }
}

/// Symbols with how often each occurs, and the Huffman code that follows from it.
struct Alphabet<const N: usize> {
    frequencies: [u16; N],
    /// Bits of each symbol's code; 0 where it has none.
    lengths: [u8; N],
    codes: [Code; N],
}

#[derive(Clone, Copy)]
struct Code {
    /// The first bit is the lowest.
    bits: u16,
    length: u8,
}

impl<const N: usize> Alphabet<N> {
    fn new() -> Self {
        Alphabet { frequencies: [0; N], lengths: [0; N], codes: [Code { bits: 0, length: 0 }; N] }
    }

    /// One more than the last symbol that has a code, and at least so many.
    fn used(&self, least: usize) -> usize {
        let last = self.lengths.iter().rposition(|&length| length > 0);
        last.map_or(least, |last| (last + 1).max(least))
    }

    /// Bits that all the occurrences take.
    fn cost(&self) -> u32 {
        let each = self.frequencies.iter().zip(&self.lengths);
        each.map(|(&times, &length)| u32::from(times) * u32::from(length)).sum()
    }

    fn cost_of(&self, length: impl Fn(usize) -> u8) -> u32 {
        let each = self.frequencies.iter().enumerate();
        each.map(|(symbol, &times)| u32::from(times) * u32::from(length(symbol))).sum()
    }

    /// The lengths of a Huffman code in which none is longer than `max`.
    fn find_lengths(&mut self, max: u8) {
        self.lengths.fill(0);
        // A frequency and, in the lower half, its symbol.
        let mut leaves = [0_u32; N];
        let mut count = 0;
        for (symbol, &times) in self.frequencies.iter().enumerate() {
            // Overwritten by the next one if it does not occur: which do is not foreseeable.
            leaves[count] = u32::from(times) << 16 | symbol as u32;
            count += usize::from(times > 0);
        }
        // Some decoders want a code of two symbols at least, as zlib makes it.
        for symbol in 0..2 {
            if count < 2 && self.frequencies[symbol] == 0 {
                leaves[count] = 1 << 16 | symbol as u32;
                count += 1;
            }
        }
        let leaves = &mut leaves[..count];
        leaves.sort_unstable();
        while !self.grow(leaves, max) {
            // Frequencies that differ less make a tree that is less deep.
            for leaf in leaves.iter_mut() {
                *leaf = (*leaf >> 16).div_ceil(2) << 16 | *leaf & 0xffff;
            }
        }
    }

    /// Huffman's tree over leaves in ascending order; false if it is deeper than `max`.
    fn grow(&mut self, leaves: &[u32], max: u8) -> bool {
        // Nodes are made in ascending order too: the two smallest are at the front of the leaves or
        // of the nodes. A node's parent comes after it.
        let (mut weights, mut parents) = ([0_u32; N], [0_u16; N]);
        let mut parents_of_leaves = [0_u16; N];
        let nodes = leaves.len() - 1;
        let (mut leaf, mut node) = (0, 0);
        for made in 0..nodes {
            for _ in 0..2 {
                let smallest_node = if node < made { weights[node] } else { u32::MAX };
                let smallest_leaf = leaves.get(leaf).map_or(u32::MAX, |leaf| leaf >> 16);
                if smallest_leaf <= smallest_node {
                    weights[made] += smallest_leaf;
                    parents_of_leaves[leaf] = made as u16;
                    leaf += 1;
                } else {
                    weights[made] += smallest_node;
                    parents[node] = made as u16;
                    node += 1;
                }
            }
        }
        // From the root, the last node, down.
        let mut depths = [0_u8; N];
        for node in (0..nodes - 1).rev() {
            depths[node] = depths[usize::from(parents[node])] + 1;
        }
        for (leaf, parent) in leaves.iter().zip(parents_of_leaves) {
            let depth = depths[usize::from(parent)] + 1;
            if depth > max {
                return false;
            }
            self.lengths[(leaf & 0xffff) as usize] = depth;
        }
        true
    }

    /// RFC 1951 §3.2.2: the codes that the lengths stand for.
    fn find_codes(&mut self) {
        let mut counts = [0_u16; MAX_BITS as usize + 1];
        self.lengths.iter().for_each(|&length| counts[usize::from(length)] += 1);
        counts[0] = 0;
        let mut next = [0_u16; MAX_BITS as usize + 1];
        for length in 1..next.len() {
            next[length] = (next[length - 1] + counts[length - 1]) << 1;
        }
        for (code, &length) in self.codes.iter_mut().zip(&self.lengths) {
            // Of length 0 too, which is never asked for: fewer branches.
            let bits = &mut next[usize::from(length)];
            *code = Code { bits: (u32::from(bits.reverse_bits()) >> (16 - length)) as u16, length };
            *bits = bits.wrapping_add(1);
        }
    }
}

/// Bits, the lowest first, as octets.
struct Bits<'a> {
    out: &'a mut Vec<u8>,
    held: u64,
    /// How many are held: fewer than 32.
    count: u32,
}

impl Bits<'_> {
    #[inline]
    fn put(&mut self, bits: u32, count: u32) {
        self.held |= u64::from(bits) << self.count;
        self.count += count;
        if self.count >= 32 {
            self.out.extend_from_slice(&(self.held as u32).to_le_bytes());
            self.held >>= 32;
            self.count -= 32;
        }
    }

    #[inline]
    fn code(&mut self, code: Code) {
        self.put(code.bits.into(), code.length.into());
    }

    /// A code and the bits that follow it: 28 at most.
    #[inline]
    fn part(&mut self, code: Code, part: Part) {
        let length = u32::from(code.length);
        self.put(u32::from(code.bits) | part.extra << length, length + part.bits);
    }

    /// Zeros up to the end of an octet; all that is held is written.
    fn fill_octet(&mut self) {
        let octets = self.count.div_ceil(8) as usize;
        self.out.extend_from_slice(&self.held.to_le_bytes()[..octets]);
        (self.held, self.count) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1951 §3.2.5, as its tables have it: symbol, extra bits, and the first value.
    const LENGTH_TABLE: [(usize, u32, u32); 29] = [
        (257, 0, 3),
        (258, 0, 4),
        (259, 0, 5),
        (260, 0, 6),
        (261, 0, 7),
        (262, 0, 8),
        (263, 0, 9),
        (264, 0, 10),
        (265, 1, 11),
        (266, 1, 13),
        (267, 1, 15),
        (268, 1, 17),
        (269, 2, 19),
        (270, 2, 23),
        (271, 2, 27),
        (272, 2, 31),
        (273, 3, 35),
        (274, 3, 43),
        (275, 3, 51),
        (276, 3, 59),
        (277, 4, 67),
        (278, 4, 83),
        (279, 4, 99),
        (280, 4, 115),
        (281, 5, 131),
        (282, 5, 163),
        (283, 5, 195),
        (284, 5, 227),
        (285, 0, 258),
    ];
    const DISTANCE_TABLE: [(usize, u32, u32); 30] = [
        (0, 0, 1),
        (1, 0, 2),
        (2, 0, 3),
        (3, 0, 4),
        (4, 1, 5),
        (5, 1, 7),
        (6, 2, 9),
        (7, 2, 13),
        (8, 3, 17),
        (9, 3, 25),
        (10, 4, 33),
        (11, 4, 49),
        (12, 5, 65),
        (13, 5, 97),
        (14, 6, 129),
        (15, 6, 193),
        (16, 7, 257),
        (17, 7, 385),
        (18, 8, 513),
        (19, 8, 769),
        (20, 9, 1025),
        (21, 9, 1537),
        (22, 10, 2049),
        (23, 10, 3073),
        (24, 11, 4097),
        (25, 11, 6145),
        (26, 12, 8193),
        (27, 12, 12289),
        (28, 13, 16385),
        (29, 13, 24577),
    ];

    #[test]
    fn every_length_and_distance_is_written_as_the_tables_of_rfc_1951_say() {
        let row = |table: &[(usize, u32, u32)], value| {
            let row = table.iter().rfind(|row| row.2 <= value).copied().unwrap();
            (row.0, row.1, value - row.2)
        };
        for length in 3..=258 {
            let part = Part::length(length);
            assert_eq!((part.symbol, part.bits, part.extra), row(&LENGTH_TABLE, length));
        }
        for distance in 1..=32768 {
            let part = Part::distance(distance);
            assert_eq!((part.symbol, part.bits, part.extra), row(&DISTANCE_TABLE, distance));
        }
    }

    /// What Huffman's own method gives: the two smallest together, again and again.
    fn least_cost(frequencies: &[u16]) -> u32 {
        let mut weights: Vec<u32> =
            frequencies.iter().filter(|&&times| times > 0).map(|&times| times.into()).collect();
        let mut cost = 0;
        while weights.len() > 1 {
            weights.sort_unstable_by(|one, other| other.cmp(one));
            let both = weights.pop().unwrap() + weights.pop().unwrap();
            cost += both;
            weights.push(both);
        }
        cost
    }

    /// The lengths are those of a code that leaves no bits unused.
    fn is_complete<const N: usize>(alphabet: &Alphabet<N>) -> bool {
        let used = alphabet.lengths.iter().filter(|&&length| length > 0);
        used.map(|&length| 1 << (15 - length)).sum::<u32>() == 1 << 15
    }

    proptest! {
        #[test]
        fn codes_are_complete_and_as_short_as_can_be(
            frequencies in proptest::collection::vec(prop_oneof![Just(0), 0_u16..4, 0_u16..500], 30),
        ) {
            prop_assume!(frequencies.iter().filter(|&&times| times > 0).count() > 1);
            let mut alphabet = Alphabet::<30>::new();
            alphabet.frequencies.copy_from_slice(&frequencies);
            alphabet.find_lengths(MAX_BITS);
            prop_assert!(is_complete(&alphabet));
            prop_assert_eq!(alphabet.cost(), least_cost(&frequencies));
            for (&times, &length) in frequencies.iter().zip(&alphabet.lengths) {
                prop_assert_eq!(times > 0, length > 0);
            }
        }
    }

    #[test]
    fn codes_that_would_be_too_long_are_made_shorter() {
        let mut alphabet = Alphabet::<LENGTHS>::new();
        let (mut one, mut next) = (1, 1);
        for frequency in &mut alphabet.frequencies {
            *frequency = one;
            (one, next) = (next, one + next);
        }
        for max in [5, MAX_LENGTH_BITS, MAX_BITS] {
            alphabet.find_lengths(max);
            assert!(alphabet.lengths.iter().all(|&length| 0 < length && length <= max));
            assert!(is_complete(&alphabet));
        }
    }

    #[test]
    fn a_code_has_two_symbols_at_least() {
        for used in [None, Some(0), Some(1), Some(7)] {
            let mut alphabet = Alphabet::<DISTANCES>::new();
            if let Some(symbol) = used {
                alphabet.frequencies[symbol] = 9;
            }
            alphabet.find_lengths(MAX_BITS);
            assert!(is_complete(&alphabet));
            assert!(used.is_none_or(|symbol| alphabet.lengths[symbol] == 1));
        }
    }
}
