//! The XOR loops behind [`mask`](super): raw pointers, one routine for "in place" and "copying".
//!
//! What every routine here promises, and the reason why source and destination may be the same:
//! an octet is read before anything is written to its place, except by a write of its final value.
//! The first and the last vector overlap their neighbours instead of leaving octets for a loop
//! over single ones; both are read first and written last.

/// Up to this length the work is done inline: finding out what the processor can do costs more
/// than it gains (measured on Zen 3).
pub(crate) const SHORT: usize = 128;

/// The masking key, turned so that its lowest octet masks the octet that comes first.
#[derive(Clone, Copy)]
pub(crate) struct TurnedKey(u32);

impl TurnedKey {
    #[inline]
    pub(crate) fn new(key: [u8; 4], offset: usize) -> Self {
        TurnedKey(u32::from_le_bytes(key)).at(offset)
    }

    /// The key for the octets from `position` on.
    #[inline]
    fn at(self, position: usize) -> Self {
        TurnedKey(self.0.rotate_right(8 * (position % 4) as u32))
    }

    #[inline]
    fn octet(self) -> u8 {
        self.0 as u8
    }

    /// Four octets as they lie in memory.
    #[inline]
    fn u32(self) -> u32 {
        self.0.to_le()
    }

    /// Eight octets as they lie in memory.
    #[inline]
    fn u64(self) -> u64 {
        u64::from(self.u32()) << 32 | u64::from(self.u32())
    }
}

/// Writes the `len` octets at `src`, masked, to `dst`.
///
/// # Safety
/// `src` is readable and `dst` writable for `len` octets; they are the same or do not overlap.
#[inline]
pub(crate) unsafe fn xor(src: *const u8, dst: *mut u8, len: usize, key: TurnedKey) {
    if len < SHORT {
        // SAFETY: promised by the caller.
        unsafe { xor_short(src, dst, len, key) };
    } else {
        // SAFETY: promised by the caller; len >= SHORT.
        unsafe { xor_long(src, dst, len, key) };
    }
}

/// As [`xor()`], without asking what the processor can do; true if all octets written are ASCII.
///
/// # Safety
/// As [`xor()`].
#[inline]
pub(crate) unsafe fn xor_short(src: *const u8, dst: *mut u8, len: usize, key: TurnedKey) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // SAFETY: in each branch all accesses lie within 0..len, as the condition before it shows,
    // and both ends are read before either is written.
    unsafe {
        if len >= 16 {
            let turned = key.at(len);
            let first = load16(src, key);
            let last = load16(src.add(len - 16), turned);
            let mut seen = [first[0] | last[0], first[1] | last[1]];
            let mut i = 16;
            while i < len - 16 {
                let next = load16(src.add(i), key);
                store16(dst.add(i), next);
                seen = [seen[0] | next[0], seen[1] | next[1]];
                i += 16;
            }
            store16(dst, first);
            store16(dst.add(len - 16), last);
            (seen[0] | seen[1]) & HIGH == 0
        } else if len >= 8 {
            let first = src.cast::<u64>().read_unaligned() ^ key.u64();
            let last = src.add(len - 8).cast::<u64>().read_unaligned() ^ key.at(len).u64();
            dst.cast::<u64>().write_unaligned(first);
            dst.add(len - 8).cast::<u64>().write_unaligned(last);
            (first | last) & HIGH == 0
        } else if len >= 4 {
            let first = src.cast::<u32>().read_unaligned() ^ key.u32();
            let last = src.add(len - 4).cast::<u32>().read_unaligned() ^ key.at(len).u32();
            dst.cast::<u32>().write_unaligned(first);
            dst.add(len - 4).cast::<u32>().write_unaligned(last);
            (first | last) & HIGH as u32 == 0
        } else if len > 0 {
            // One to three octets: the first, the middle and the last are all there are.
            let first = *src ^ key.octet();
            let middle = *src.add(len / 2) ^ key.at(len / 2).octet();
            let last = *src.add(len - 1) ^ key.at(len - 1).octet();
            *dst = first;
            *dst.add(len / 2) = middle;
            *dst.add(len - 1) = last;
            (first | middle | last) & HIGH as u8 == 0
        } else {
            true
        }
    }
}

/// Sixteen octets, masked. Two words and not a `u128`, because the compiler makes one vector of
/// them, but two general registers of a `u128`.
///
/// # Safety
/// `src` is readable for 16 octets.
#[inline]
unsafe fn load16(src: *const u8, key: TurnedKey) -> [u64; 2] {
    // SAFETY: promised by the caller.
    let words = unsafe { src.cast::<[u64; 2]>().read_unaligned() };
    [words[0] ^ key.u64(), words[1] ^ key.u64()]
}

/// # Safety
/// `dst` is writable for 16 octets.
#[inline]
unsafe fn store16(dst: *mut u8, words: [u64; 2]) {
    // SAFETY: promised by the caller.
    unsafe { dst.cast::<[u64; 2]>().write_unaligned(words) };
}

/// # Safety
/// As [`xor()`], and `len` is at least [`SHORT`].
#[inline(never)]
unsafe fn xor_long(src: *const u8, dst: *mut u8, len: usize, key: TurnedKey) {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 is there; the rest is promised by the caller.
        return unsafe { avx2::xor_long(src, dst, len, key) };
    }
    // SAFETY: promised by the caller.
    unsafe { xor_long_portable(src, dst, len, key) }
}

/// For what every processor has: SSE2 on x86-64, NEON on aarch64, chosen by the compiler.
///
/// # Safety
/// As [`xor_long()`].
unsafe fn xor_long_portable(src: *const u8, dst: *mut u8, len: usize, key: TurnedKey) {
    // SAFETY: len >= SHORT >= 32, and i + 64 <= len and i + 16 <= len where they are used.
    unsafe {
        let first = load16(src, key);
        let last = load16(src.add(len - 16), key.at(len));
        // Writing to aligned places matters more than reading from them.
        let mut i = 16 - dst.addr() % 16;
        let turned = key.at(i);
        while i + 64 <= len {
            let a = load16(src.add(i), turned);
            let b = load16(src.add(i + 16), turned);
            let c = load16(src.add(i + 32), turned);
            let d = load16(src.add(i + 48), turned);
            store16(dst.add(i), a);
            store16(dst.add(i + 16), b);
            store16(dst.add(i + 32), c);
            store16(dst.add(i + 48), d);
            i += 64;
        }
        while i + 16 <= len {
            store16(dst.add(i), load16(src.add(i), turned));
            i += 16;
        }
        store16(dst, first);
        store16(dst.add(len - 16), last);
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::TurnedKey;
    use std::arch::x86_64::{
        __m256i, _mm256_loadu_si256, _mm256_set1_epi32, _mm256_storeu_si256, _mm256_xor_si256,
    };

    /// # Safety
    /// As [`super::xor_long()`], and the processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn xor_long(src: *const u8, dst: *mut u8, len: usize, key: TurnedKey) {
        // SAFETY: len >= SHORT >= 64, and i + 128 <= len and i + 32 <= len where they are used.
        unsafe {
            let first = load(src, splat(key));
            let last = load(src.add(len - 32), splat(key.at(len)));
            // A payload follows a header of 2 to 14 octets, so it is hardly ever aligned, and
            // every other unaligned write would touch two cache lines.
            let mut i = 32 - dst.addr() % 32;
            let turned = splat(key.at(i));
            while i + 128 <= len {
                let a = load(src.add(i), turned);
                let b = load(src.add(i + 32), turned);
                let c = load(src.add(i + 64), turned);
                let d = load(src.add(i + 96), turned);
                store(dst.add(i), a);
                store(dst.add(i + 32), b);
                store(dst.add(i + 64), c);
                store(dst.add(i + 96), d);
                i += 128;
            }
            while i + 32 <= len {
                store(dst.add(i), load(src.add(i), turned));
                i += 32;
            }
            store(dst, first);
            store(dst.add(len - 32), last);
        }
    }

    /// # Safety
    /// The processor has AVX2.
    #[inline]
    #[target_feature(enable = "avx2")]
    #[allow(unused_unsafe)] // the intrinsic became safe in Rust 1.87
    unsafe fn splat(key: TurnedKey) -> __m256i {
        // SAFETY: the processor has AVX2.
        unsafe { _mm256_set1_epi32(key.u32() as i32) }
    }

    /// # Safety
    /// The processor has AVX2, and `src` is readable for 32 octets.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load(src: *const u8, key: __m256i) -> __m256i {
        // SAFETY: promised by the caller.
        unsafe { _mm256_xor_si256(_mm256_loadu_si256(src.cast()), key) }
    }

    /// # Safety
    /// The processor has AVX2, and `dst` is writable for 32 octets.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn store(dst: *mut u8, vector: __m256i) {
        // SAFETY: promised by the caller.
        unsafe { _mm256_storeu_si256(dst.cast(), vector) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    type Kernel = unsafe fn(*const u8, *mut u8, usize, TurnedKey);

    unsafe fn short(src: *const u8, dst: *mut u8, len: usize, key: TurnedKey) {
        // SAFETY: promised by the caller.
        unsafe { xor_short(src, dst, len, key) };
    }

    fn naive(payload: &[u8], offset: usize) -> Vec<u8> {
        payload.iter().enumerate().map(|(i, octet)| octet ^ KEY[(i + offset) % 4]).collect()
    }

    /// Runs `kernel` in place and copying, and looks at the octets around the payload, too.
    fn equals_naive(kernel: Kernel, len: usize, from: usize, to: usize, offset: usize) {
        const AROUND: usize = 64;
        let source: Vec<u8> = (0..from + len + AROUND).map(|i| (i * 31 + i / 251) as u8).collect();
        let expected = naive(&source[from..from + len], offset);
        let key = TurnedKey::new(KEY, offset);

        let mut copy = vec![0xa5; to + len + AROUND];
        // SAFETY: both buffers have len octets from there on; they are different buffers.
        unsafe { kernel(source[from..].as_ptr(), copy[to..].as_mut_ptr(), len, key) };
        assert_eq!(&copy[to..to + len], expected, "copying {len} octets, {from} -> {to}, {offset}");
        assert!(copy[..to].iter().chain(&copy[to + len..]).all(|octet| *octet == 0xa5));

        let mut place = source.clone();
        let pointer = place[from..].as_mut_ptr();
        // SAFETY: the buffer has len octets from there on; source and destination are the same.
        unsafe { kernel(pointer, pointer, len, key) };
        assert_eq!(&place[from..from + len], expected, "{len} octets in place at {from}, {offset}");
        assert_eq!(place[..from], source[..from]);
        assert_eq!(place[from + len..], source[from + len..]);
    }

    fn equals_naive_everywhere(kernel: Kernel, lengths: impl Iterator<Item = usize> + Clone) {
        for alignment in 0..64 {
            for len in lengths.clone() {
                let offset = (alignment + len / 3) % 4;
                equals_naive(kernel, len, alignment, alignment, offset);
                equals_naive(kernel, len, 0, alignment, (offset + 1) % 4);
                equals_naive(kernel, len, alignment, 7, (offset + 2) % 4);
            }
        }
    }

    fn long_lengths() -> impl Iterator<Item = usize> + Clone {
        (SHORT..SHORT + 200).chain([1000, 1023, 4097])
    }

    #[test]
    fn the_short_kernel_equals_its_naive_twin() {
        equals_naive_everywhere(short, 0..SHORT);
    }

    #[test]
    fn the_portable_kernel_equals_its_naive_twin() {
        equals_naive_everywhere(xor_long_portable, long_lengths());
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_avx2_kernel_equals_its_naive_twin() {
        if std::is_x86_feature_detected!("avx2") {
            equals_naive_everywhere(avx2::xor_long, long_lengths());
        }
    }

    #[test]
    fn the_short_kernel_sees_each_octet_that_is_not_ascii() {
        for len in 0..SHORT {
            let ascii: Vec<u8> = naive(&vec![b'a'; len], 0);
            for odd in 0..=len {
                let mut payload = ascii.clone();
                if odd < len {
                    payload[odd] ^= 0x80;
                }
                let pointer = payload.as_mut_ptr();
                // SAFETY: the buffer has len octets; source and destination are the same.
                let is_ascii = unsafe { xor_short(pointer, pointer, len, TurnedKey::new(KEY, 0)) };
                assert_eq!(is_ascii, odd == len, "octet {odd} of {len}");
            }
        }
    }
}
