//! JSON as services send it: names that come back in every document, values that do not.

use std::fmt::Write as _;

/// A document of exactly `size` bytes (at least 512); `n` decides on its values.
pub fn document(size: usize, n: u64) -> Vec<u8> {
    const NAMES: [&str; 8] =
        ["Ada", "Grace", "Edsger", "Barbara", "Donald", "Tony", "Niklaus", "Frances"];
    const CITIES: [&str; 8] =
        ["Berlin", "Lisbon", "Oslo", "Turin", "Kyoto", "Quito", "Leeds", "Tampere"];
    const STATES: [&str; 5] = ["open", "paid", "packed", "shipped", "returned"];
    let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(n + 1) | 1);
    let mut text = format!(
        r#"{{"event":"orders.updated","version":3,"sequence":{},"timestamp":"2026-03-{:02}T{:02}:{:02}:{:02}.{:03}Z","orders":["#,
        100_000 + n * 17,
        random.below(28) + 1,
        random.below(24),
        random.below(60),
        random.below(60),
        random.below(1000)
    );
    while text.len() + 200 < size {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            r#"{{"id":"{:08x}","customer":{{"name":"{}","city":"{}"}},"status":"{}","total":{}.{:02},"items":{},"express":{}}},"#,
            random.next() as u32,
            NAMES[random.below(8)],
            CITIES[random.below(8)],
            STATES[random.below(5)],
            random.below(900) + 10,
            random.below(100),
            random.below(12) + 1,
            random.below(2) == 1
        );
    }
    text.pop();
    text.push_str(r#"],"page":{"next":null,"size":50},"note":""#);
    while text.len() + 2 < size {
        let letter = b'a' + random.below(26) as u8;
        text.push(char::from(letter));
    }
    text.push_str("\"}");
    text.into_bytes()
}

/// xorshift64*: the same values in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, bound: u64) -> usize {
        (self.next() % bound) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_the_size_that_was_asked_for_and_differ() {
        for size in [1024, 16 << 10] {
            let documents = [0, 1].map(|n| document(size, n));
            assert_eq!(documents.each_ref().map(Vec::len), [size, size]);
            assert_ne!(documents[0], documents[1]);
        }
    }
}
