//! The XOR loops behind [`mask`](super): raw pointers, one routine for "in place" and "copying".
//!
//! What every routine here promises, and the reason why source and destination may be the same:
//! an octet is read before anything is written to its place, except by a write of its final value.
//! The first and the last vector overlap their neighbours instead of leaving octets for a loop
//! over single ones; both are read first and written last.

use super::vector::Vector;

/// Up to this length the work is done inline: finding out what the processor can do costs more
/// than it gains (measured on Zen 3).
const SHORT: usize = 128;

/// The vector of 16 octets that every processor of this kind has.
#[cfg(target_arch = "x86_64")]
type Baseline = std::arch::x86_64::__m128i;
#[cfg(not(target_arch = "x86_64"))]
type Baseline = [u64; 2];

/// The masking key, turned so that its lowest octet masks the octet that comes first.
#[derive(Clone, Copy)]
pub(crate) struct TurnedKey(u32);

impl TurnedKey {
    /// Changes nothing.
    pub(crate) const NONE: Self = TurnedKey(0);

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
    pub(super) fn u32(self) -> u32 {
        self.0.to_le()
    }

    /// Eight octets as they lie in memory.
    #[inline]
    pub(super) fn u64(self) -> u64 {
        u64::from(self.u32()) << 32 | u64::from(self.u32())
    }
}

/// Writes the `len` octets at `src`, masked, to `dst`; true if all octets written are ASCII.
///
/// To find that out on the way costs nothing: writing takes longer than one more OR.
///
/// # Safety
/// `src` is readable and `dst` writable for `len` octets; they are the same or do not overlap.
#[inline]
pub(crate) unsafe fn xor(src: *const u8, dst: *mut u8, len: usize, key: TurnedKey) -> bool {
    if len < SHORT {
        // SAFETY: promised by the caller; every processor has `Baseline`.
        unsafe { xor_short::<Baseline>(src, dst, len, key) }
    } else {
        // SAFETY: promised by the caller; len >= SHORT.
        unsafe { xor_long(src, dst, len, key) }
    }
}

/// # Safety
/// As [`xor()`], and `len` is at least [`SHORT`].
#[inline(never)]
unsafe fn xor_long(src: *const u8, dst: *mut u8, len: usize, key: TurnedKey) -> bool {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 is there; the rest is promised by the caller.
        return unsafe { xor_long_avx2(src, dst, len, key) };
    }
    // SAFETY: promised by the caller; every processor has `Baseline`.
    unsafe { xor_vectors::<Baseline>(src, dst, len, key) }
}

/// # Safety
/// As [`xor_long()`], and the processor has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn xor_long_avx2(src: *const u8, dst: *mut u8, len: usize, key: TurnedKey) -> bool {
    // SAFETY: promised by the caller.
    unsafe { xor_vectors::<std::arch::x86_64::__m256i>(src, dst, len, key) }
}

/// As [`xor()`], for `V` of 16 octets, without asking what the processor can do.
///
/// # Safety
/// As [`xor()`], and the processor has `V`.
#[inline(always)]
unsafe fn xor_short<V: Vector>(src: *const u8, dst: *mut u8, len: usize, key: TurnedKey) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // SAFETY: in each branch all accesses lie within 0..len, as the condition before it shows,
    // and both ends are read before either is written.
    unsafe {
        if len >= 16 {
            let turned = V::splat(key);
            let first = V::load(src).xor(turned);
            let last = V::load(src.add(len - 16)).xor(V::splat(key.at(len)));
            let mut seen = first.or(last);
            let mut i = 16;
            while i < len - 16 {
                let next = V::load(src.add(i)).xor(turned);
                next.store(dst.add(i));
                seen = seen.or(next);
                i += 16;
            }
            first.store(dst);
            last.store(dst.add(len - 16));
            seen.is_ascii()
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

/// As [`xor_long()`], with vectors of the size of `V`.
///
/// # Safety
/// As [`xor_long()`], and the processor has `V`.
#[inline(always)]
unsafe fn xor_vectors<V: Vector>(src: *const u8, dst: *mut u8, len: usize, key: TurnedKey) -> bool {
    const { assert!(SHORT >= 2 * size_of::<V>()) };
    let size = size_of::<V>();
    // SAFETY: len is at least two vectors, so the first read and the last are within it, and the
    // first position in the loops, at most `size`, too; the loops check what they use.
    unsafe {
        let first = V::load(src).xor(V::splat(key));
        let last = V::load(src.add(len - size)).xor(V::splat(key.at(len - size)));
        let mut seen = first.or(last);
        // A payload follows a header of 2 to 14 octets, so it is hardly ever aligned, and every
        // other unaligned write would touch two cache lines.
        let mut i = size - dst.addr() % size;
        let turned = V::splat(key.at(i));
        while i + 4 * size <= len {
            let a = V::load(src.add(i)).xor(turned);
            let b = V::load(src.add(i + size)).xor(turned);
            let c = V::load(src.add(i + 2 * size)).xor(turned);
            let d = V::load(src.add(i + 3 * size)).xor(turned);
            a.store(dst.add(i));
            b.store(dst.add(i + size));
            c.store(dst.add(i + 2 * size));
            d.store(dst.add(i + 3 * size));
            seen = seen.or(a.or(b).or(c.or(d)));
            i += 4 * size;
        }
        while i + size <= len {
            let next = V::load(src.add(i)).xor(turned);
            next.store(dst.add(i));
            seen = seen.or(next);
            i += size;
        }
        first.store(dst);
        last.store(dst.add(len - size));
        seen.is_ascii()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    type Kernel = unsafe fn(*const u8, *mut u8, usize, TurnedKey) -> bool;

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
        equals_naive_everywhere(xor_short::<Baseline>, 0..SHORT);
        equals_naive_everywhere(xor_short::<[u64; 2]>, 0..SHORT);
    }

    #[test]
    fn the_baseline_kernel_equals_its_naive_twin() {
        equals_naive_everywhere(xor_vectors::<Baseline>, long_lengths());
        equals_naive_everywhere(xor_vectors::<[u64; 2]>, long_lengths());
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_avx2_kernel_equals_its_naive_twin() {
        if std::is_x86_feature_detected!("avx2") {
            equals_naive_everywhere(xor_long_avx2, long_lengths());
        }
    }

    /// Each octet once; the lengths make it fall into every part of a kernel.
    fn sees_each_octet_that_is_not_ascii(kernel: Kernel, lengths: impl Iterator<Item = usize>) {
        for len in lengths {
            let mut payload = naive(&vec![b'a'; len + 16], 0);
            for odd in 0..len + 16 {
                payload[odd] ^= 0x80;
                let mut copy = vec![0; len];
                // SAFETY: both buffers have len octets; they are different buffers.
                let is_ascii = unsafe {
                    kernel(payload.as_ptr(), copy.as_mut_ptr(), len, TurnedKey::new(KEY, 0))
                };
                assert_eq!(is_ascii, odd >= len, "octet {odd} of {len}");
                payload[odd] ^= 0x80;
            }
        }
    }

    #[test]
    fn the_short_kernel_sees_each_octet_that_is_not_ascii() {
        sees_each_octet_that_is_not_ascii(xor_short::<Baseline>, 0..SHORT);
        sees_each_octet_that_is_not_ascii(xor_short::<[u64; 2]>, 0..SHORT);
    }

    #[test]
    fn the_baseline_kernel_sees_each_octet_that_is_not_ascii() {
        sees_each_octet_that_is_not_ascii(xor_vectors::<Baseline>, SHORT..SHORT + 200);
        sees_each_octet_that_is_not_ascii(xor_vectors::<[u64; 2]>, SHORT..SHORT + 70);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_avx2_kernel_sees_each_octet_that_is_not_ascii() {
        if std::is_x86_feature_detected!("avx2") {
            sees_each_octet_that_is_not_ascii(xor_long_avx2, SHORT..SHORT + 200);
        }
    }
}
