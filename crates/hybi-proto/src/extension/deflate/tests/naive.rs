//! A DEFLATE decoder that is slow and plain to see through (RFC 1951): the second opinion.

/// Decodes blocks until the input ends, appending to `text`; the largest distance that was used.
pub(super) fn inflate(input: &[u8], text: &mut Vec<u8>) -> usize {
    let mut bits = Bits { input, at: 0 };
    let mut farthest = 0;
    while bits.at / 8 + 1 < input.len() {
        let last = bits.take(1);
        assert_eq!(last, 0, "a final block");
        match bits.take(2) {
            0 => {
                bits.at = bits.at.next_multiple_of(8);
                let len = bits.take(16);
                assert_eq!(bits.take(16), len ^ 0xffff);
                (0..len).for_each(|_| text.push(bits.take(8) as u8));
            }
            1 => {
                let lengths: Vec<u8> = (0..288)
                    .map(|n| match n {
                        0..144 => 8,
                        144..256 => 9,
                        256..280 => 7,
                        _ => 8,
                    })
                    .collect();
                block(&mut bits, &Codes::new(&lengths), &Codes::new(&[5; 30]), text, &mut farthest);
            }
            2 => {
                let (literals, distances) = dynamic(&mut bits);
                block(&mut bits, &literals, &distances, text, &mut farthest);
            }
            _ => panic!("block type 3"),
        }
    }
    farthest
}

fn dynamic(bits: &mut Bits<'_>) -> (Codes, Codes) {
    let (literals, distances) = (bits.take(5) + 257, bits.take(5) + 1);
    let count = bits.take(4) + 4;
    let mut lengths = [0; 19];
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    for place in &ORDER[..count] {
        lengths[*place] = bits.take(3) as u8;
    }
    let codes = Codes::new(&lengths);
    let mut lengths: Vec<u8> = Vec::new();
    while lengths.len() < literals + distances {
        let (times, length) = match codes.next(bits) {
            16 => (3 + bits.take(2), *lengths.last().unwrap()),
            17 => (3 + bits.take(3), 0),
            18 => (11 + bits.take(7), 0),
            length => (1, length as u8),
        };
        lengths.extend(std::iter::repeat_n(length, times));
    }
    (Codes::new(&lengths[..literals]), Codes::new(&lengths[literals..]))
}

fn block(
    bits: &mut Bits<'_>,
    literals: &Codes,
    distances: &Codes,
    text: &mut Vec<u8>,
    farthest: &mut usize,
) {
    loop {
        match literals.next(bits) {
            octet @ 0..256 => text.push(octet as u8),
            256 => return,
            symbol => {
                let length = match symbol - 257 {
                    n @ 0..8 => 3 + n,
                    28 => 258,
                    n => 3 + ((4 + n % 4) << (n / 4 - 1)) + bits.take(n / 4 - 1),
                };
                let distance = match distances.next(bits) {
                    n @ 0..4 => 1 + n,
                    n => 1 + ((2 + n % 2) << (n / 2 - 1)) + bits.take(n / 2 - 1),
                };
                *farthest = distance.max(*farthest);
                for _ in 0..length {
                    text.push(text[text.len() - distance]);
                }
            }
        }
    }
}

struct Bits<'a> {
    input: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> usize {
        let bit = |at: usize| usize::from(self.input[at / 8] >> (at % 8) & 1);
        let value = (0..count).map(|n| bit(self.at + n) << n).sum();
        self.at += count;
        value
    }
}

/// Canonical Huffman codes: (length, code, symbol).
struct Codes(Vec<(usize, usize, usize)>);

impl Codes {
    fn new(lengths: &[u8]) -> Self {
        let mut codes = Vec::new();
        let mut code = 0;
        for length in 1..=15 {
            code <<= 1;
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, l)| **l == length) {
                codes.push((usize::from(length), code, symbol));
                code += 1;
            }
        }
        Codes(codes)
    }

    fn next(&self, bits: &mut Bits<'_>) -> usize {
        let (mut length, mut code) = (0, 0);
        loop {
            code = code << 1 | bits.take(1);
            length += 1;
            if let Some(found) = self.0.iter().find(|c| (c.0, c.1) == (length, code)) {
                return found.2;
            }
        }
    }
}
