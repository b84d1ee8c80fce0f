//! The messages of a compression check: of many sizes, some repeated, some incompressible.

use hybi::Message;

/// Around the lengths where the frame header grows, the default history, and the largest window.
const SIZES: [usize; 14] =
    [0, 1, 10, 125, 126, 300, 1000, 1024, 4095, 4097, 32768, 65535, 65536, 150_000];

/// The same messages each time; what one contains occurs in those after it.
pub(crate) fn messages() -> Vec<Message> {
    let mut noise = Noise(0x2545_F491_4F6C_DD1D);
    let mut messages = Vec::new();
    for (round, size) in SIZES.iter().cycle().take(3 * SIZES.len()).enumerate() {
        let text = records(round, *size);
        messages.push(Message::text(text.as_str()));
        messages.push(Message::text(text));
        messages.push(Message::binary(noise.octets(*size)));
    }
    messages
}

/// Text of this many bytes that repeats itself, and is not ASCII alone.
pub(crate) fn records(seed: usize, size: usize) -> String {
    let mut text = String::with_capacity(size + 64);
    for line in seed.. {
        if text.len() >= size {
            break;
        }
        text.push_str(&format!(
            "{{\"id\":{line},\"name\":\"Grüße №{}\",\"on\":true}}\n",
            line * 7919
        ));
    }
    let end = (0..=size).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
    // Cut inside a character: filled up.
    text.push_str(&" ".repeat(size - end));
    text
}

/// xorshift64*: repeatable, and nothing that deflate could shorten.
struct Noise(u64);

impl Noise {
    fn octets(&mut self, count: usize) -> Vec<u8> {
        let mut octets = Vec::with_capacity(count + 8);
        while octets.len() < count {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            octets.extend_from_slice(&self.0.wrapping_mul(0x2545_F491_4F6C_DD1D).to_be_bytes());
        }
        octets.truncate(count);
        octets
    }
}
