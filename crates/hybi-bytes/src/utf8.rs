//! UTF-8 validation that picks the fastest validator for the length.
//!
//! A yes comes from an inlined test for ASCII or from `short` for short text, and from a vector
//! loop over the ASCII it begins with and simdutf8 for long text. Only after a no is it looked up
//! where the error is: once a connection at most, since the first error ends it.

mod short;
mod validator;

pub use validator::Utf8Validator;

/// The octets are not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utf8Error {
    pub(crate) valid_up_to: usize,
}

impl Utf8Error {
    /// The number of octets before the first one that cannot be part of UTF-8.
    pub fn valid_up_to(&self) -> usize {
        self.valid_up_to
    }
}

impl std::fmt::Display for Utf8Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "invalid UTF-8 at octet {}", self.valid_up_to)
    }
}

impl std::error::Error for Utf8Error {}

/// Checks that `octets` are complete, valid UTF-8 and returns them as text.
///
/// # Errors
/// [`Utf8Error`] if they are not; a sequence cut off at the end counts as invalid.
#[inline]
pub fn validate(octets: &[u8]) -> Result<&str, Utf8Error> {
    if is_valid(octets) {
        // SAFETY: just checked.
        return Ok(unsafe { std::str::from_utf8_unchecked(octets) });
    }
    complete_or_error(octets)
}

/// Checks the beginning of a text that may be cut off in the middle of a sequence.
///
/// Returns the number of octets that form complete, valid sequences: all but the last three at
/// least. What follows them can still become valid when more octets arrive.
///
/// # Errors
/// [`Utf8Error`] as soon as no continuation can make the octets valid.
#[inline]
pub fn validate_prefix(octets: &[u8]) -> Result<usize, Utf8Error> {
    match octets.last() {
        None => Ok(0),
        // Text that ends in ASCII is not cut off.
        Some(last) if last.is_ascii() => match is_valid(octets) {
            true => Ok(octets.len()),
            false => prefix_or_error(octets),
        },
        Some(_) => validate_cut_off(octets),
    }
}

/// From this length on, text goes to vector loops.
const LONG: usize = 128;

/// What simdutf8 takes at a time; it leaves anything shorter to std.
const BLOCK: usize = 64;

/// If one of these bits is set, one of the octets is not ASCII.
const HIGH: u64 = 0x8080_8080_8080_8080;

#[inline]
fn is_valid(octets: &[u8]) -> bool {
    if octets.len() < LONG {
        is_ascii_short(octets) || short::is_valid(octets)
    } else {
        is_valid_long(octets)
    }
}

/// Meant for fewer than [`LONG`] octets: no loop over single ones, no call.
#[inline]
fn is_ascii_short(octets: &[u8]) -> bool {
    // The last words overlap the ones before them, so that nothing is left over.
    let seen = if let Some(last) = octets.last_chunk::<16>() {
        octets.chunks_exact(16).fold(words(last), |seen, chunk| {
            let chunk = words(chunk.first_chunk().expect("chunks of 16 octets"));
            [seen[0] | chunk[0], seen[1] | chunk[1]]
        })
    } else if let (Some(first), Some(last)) = (octets.first_chunk(), octets.last_chunk()) {
        [u64::from_ne_bytes(*first), u64::from_ne_bytes(*last)]
    } else if let (Some(first), Some(last)) = (octets.first_chunk(), octets.last_chunk()) {
        [u32::from_ne_bytes(*first).into(), u32::from_ne_bytes(*last).into()]
    } else {
        [octets.iter().fold(0, |seen, octet| seen | octet).into(), 0]
    };
    (seen[0] | seen[1]) & HIGH == 0
}

/// Two words, of which the compiler makes one vector.
#[inline]
fn words(octets: &[u8; 16]) -> [u64; 2] {
    let octets = u128::from_ne_bytes(*octets);
    [octets as u64, (octets >> 64) as u64]
}

/// For at least [`LONG`] octets.
#[inline(never)]
fn is_valid_long(octets: &[u8]) -> bool {
    // Text that is not ASCII mostly shows it early, and then loses no time here.
    let ascii = if is_ascii_short(&octets[..16]) { ascii_prefix(octets) } else { 0 };
    if ascii == octets.len() {
        return true;
    }
    // The rest may begin anywhere within the ASCII before it: so it is never too short for simdutf8.
    let rest = ascii.min(octets.len() - BLOCK);
    simdutf8::basic::from_utf8(&octets[rest..]).is_ok()
}

/// How many octets at the beginning are ASCII, rounded down to a multiple of [`LONG`] if not all.
fn ascii_prefix(octets: &[u8]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 is there.
        return unsafe { ascii_prefix_avx2(octets) };
    }
    ascii_prefix_by(octets, is_ascii_block)
}

#[inline(always)]
fn ascii_prefix_by(octets: &[u8], is_ascii: impl Fn(&[u8; LONG]) -> bool) -> usize {
    let mut ascii = 0;
    while let Some(block) = octets[ascii..].first_chunk() {
        if !is_ascii(block) {
            return ascii;
        }
        ascii += LONG;
    }
    if octets.last_chunk().is_some_and(is_ascii) { octets.len() } else { ascii }
}

/// Written so that the compiler makes vectors of it.
fn is_ascii_block(block: &[u8; LONG]) -> bool {
    block.iter().fold(0, |seen, octet| seen | octet).is_ascii()
}

/// # Safety
/// The processor has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn ascii_prefix_avx2(octets: &[u8]) -> usize {
    use std::arch::x86_64::{_mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256};
    ascii_prefix_by(octets, |block| {
        let block = block.as_ptr();
        // SAFETY: the processor has AVX2, and a block is four vectors long.
        unsafe {
            let a = _mm256_loadu_si256(block.cast());
            let b = _mm256_loadu_si256(block.add(32).cast());
            let c = _mm256_loadu_si256(block.add(64).cast());
            let d = _mm256_loadu_si256(block.add(96).cast());
            let seen = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
            _mm256_movemask_epi8(seen) == 0
        }
    })
}

/// For text whose last octet is not ASCII.
#[inline(never)]
fn validate_cut_off(octets: &[u8]) -> Result<usize, Utf8Error> {
    let (complete, tail) = octets.split_at(octets.len() - incomplete_tail(octets));
    if is_valid(complete) && (tail.is_empty() || can_become_valid(tail)) {
        return Ok(complete.len());
    }
    prefix_or_error(octets)
}

/// The number of octets at the end (at most three) that begin a sequence longer than they are.
fn incomplete_tail(octets: &[u8]) -> usize {
    for (i, octet) in octets.iter().rev().take(3).enumerate() {
        let sequence = match octet {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            0x00..=0x7f => 1,
        };
        return if sequence > i + 1 { i + 1 } else { 0 };
    }
    0
}

/// True for the beginning of a valid sequence.
fn can_become_valid(tail: &[u8]) -> bool {
    std::str::from_utf8(tail).is_err_and(|e| e.valid_up_to() == 0 && e.error_len().is_none())
}

#[cold]
fn complete_or_error(octets: &[u8]) -> Result<&str, Utf8Error> {
    simdutf8::compat::from_utf8(octets).map_err(|e| Utf8Error { valid_up_to: e.valid_up_to() })
}

#[cold]
fn prefix_or_error(octets: &[u8]) -> Result<usize, Utf8Error> {
    match simdutf8::compat::from_utf8(octets) {
        Ok(_) => Ok(octets.len()),
        Err(e) if e.error_len().is_none() => Ok(e.valid_up_to()),
        Err(e) => Err(Utf8Error { valid_up_to: e.valid_up_to() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds_the_first_octet_that_is_not_ascii(prefix: impl Fn(&[u8]) -> usize) {
        for len in (LONG..LONG + 140).chain([3 * LONG, 4 * LONG + 1, 1000]) {
            let mut octets = vec![b'a'; len];
            assert_eq!(prefix(&octets), len);
            for odd in 0..len {
                octets[odd] = 0x80;
                assert_eq!(prefix(&octets), odd - odd % LONG, "octet {odd} of {len}");
                octets[odd] = b'a';
            }
        }
    }

    #[test]
    fn the_vector_loop_over_ascii_stops_in_the_right_block() {
        finds_the_first_octet_that_is_not_ascii(ascii_prefix);
    }

    #[test]
    fn the_portable_loop_over_ascii_stops_in_the_right_block() {
        finds_the_first_octet_that_is_not_ascii(|octets| ascii_prefix_by(octets, is_ascii_block));
    }

    #[test]
    fn the_short_test_for_ascii_sees_each_octet() {
        for len in 0..LONG {
            let mut octets = vec![0x7f; len];
            assert!(is_ascii_short(&octets));
            for odd in 0..len {
                octets[odd] = 0x80;
                assert!(!is_ascii_short(&octets), "octet {odd} of {len}");
                octets[odd] = 0x7f;
            }
        }
    }
}
