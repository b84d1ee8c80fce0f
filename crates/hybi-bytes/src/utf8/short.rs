//! Whether a short text is UTF-8.
//!
//! simdutf8 takes 64 octets at a time and copies what is left over into such a block, which for a
//! chat message in any language but English costs more than the validation. Here 16 octets are
//! taken at a time, and the last 16 overlap the ones before them. (AVX2 is asked for because its
//! encoding of the same instructions needs fewer of them.)
//!
//! The method is that of J. Keiser and D. Lemire, "Validating UTF-8 In Less Than One Instruction
//! Per Byte" (2020): whatever can be wrong with two neighbouring octets shows in three of their
//! half octets, so three table look-ups and two ANDs find it.

/// True if `octets` are complete, valid UTF-8.
#[inline(never)]
pub(super) fn is_valid(octets: &[u8]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 is there.
        return unsafe { avx2::is_valid(octets) };
    }
    simdutf8::basic::from_utf8(octets).is_ok()
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m128i, _mm_alignr_epi8, _mm_and_si128, _mm_cmpeq_epi8, _mm_loadu_si128,
        _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8, _mm_setzero_si128,
        _mm_shuffle_epi8, _mm_srli_epi16, _mm_subs_epu8, _mm_xor_si128,
    };

    /// What can be wrong with two neighbouring octets, an error a row: the sets (bit n for value
    /// n) of the high half of the first, the low half of the first, and the high half of the
    /// second octet. A pair that is in all three sets of a row is wrong.
    const ERRORS: [[u16; 3]; 8] = [
        [set(0xc, 0xf), set(0x0, 0xf), set(0x0, 0x7) | set(0xc, 0xf)], // no continuation
        [set(0x0, 0x7), set(0x0, 0xf), set(0x8, 0xb)],                 // continues ASCII
        [set(0xc, 0xc), set(0x0, 0x1), set(0x8, 0xb)],                 // below U+0080 in two
        [set(0xe, 0xe), set(0x0, 0x0), set(0x8, 0x9)],                 // below U+0800 in three
        [set(0xe, 0xe), set(0xd, 0xd), set(0xa, 0xb)],                 // U+D800 to U+DFFF
        [set(0xf, 0xf), set(0x4, 0xf), set(0x9, 0xb)],                 // above U+10FFFF
        // Below U+10000 in four, or above U+13FFFF: they differ only in the middle set.
        [set(0xf, 0xf), set(0x0, 0x0) | set(0x5, 0xf), set(0x8, 0x8)],
        // Two continuations in a row: right if the octet before them asks for that many. It is
        // the last row because its bit is compared with the highest bit in `errors`.
        [set(0x8, 0xb), set(0x0, 0xf), set(0x8, 0xb)],
    ];

    const fn set(from: u32, to: u32) -> u16 {
        (((1u32 << (to + 1)) - 1) & !((1u32 << from) - 1)) as u16
    }

    /// For each value of a half octet, the rows of [`ERRORS`] whose set in `column` it is in.
    const fn table(column: usize) -> [u8; 16] {
        let mut table = [0; 16];
        let mut row = 0;
        while row < 8 {
            let mut half = 0;
            while half < 16 {
                table[half] |= ((ERRORS[row][column] >> half & 1) as u8) << row;
                half += 1;
            }
            row += 1;
        }
        table
    }

    const FIRST_HIGH: [u8; 16] = table(0);
    const FIRST_LOW: [u8; 16] = table(1);
    const SECOND_HIGH: [u8; 16] = table(2);

    /// What the last 16 octets may be at most: a greater one begins a sequence that is cut off.
    const COMPLETE: [u8; 16] = {
        let mut most = [0xff; 16];
        most[13] = 0xef;
        most[14] = 0xdf;
        most[15] = 0xbf;
        most
    };

    /// # Safety
    /// The processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn is_valid(octets: &[u8]) -> bool {
        // SAFETY: the processor has AVX2. Where at least 16 octets are known to be there, they
        // are read from the start; the loop reads from i - 3 >= 13 to i + 16 <= len.
        unsafe {
            let nothing = _mm_setzero_si128();
            let first = if octets.len() < 16 { padded(octets) } else { load(octets.as_ptr()) };
            let mut wrong = errors_after(nothing, first);
            if octets.len() < 16 {
                // The zeros it is filled up with show a sequence that is cut off.
            } else if octets.len() < 32 {
                wrong = _mm_or_si128(wrong, errors_after(first, padded(&octets[16..])));
            } else {
                let end = octets.len() - 16;
                let mut i = 0;
                while i < end {
                    // What is wrong with two octets does not depend on where a vector begins.
                    i = end.min(i + 16);
                    let at = octets.as_ptr().add(i);
                    let found = errors(load(at), load(at.sub(1)), load(at.sub(2)), load(at.sub(3)));
                    wrong = _mm_or_si128(wrong, found);
                }
                let cut_off = _mm_subs_epu8(load(octets.as_ptr().add(end)), constant(COMPLETE));
                wrong = _mm_or_si128(wrong, cut_off);
            }
            _mm_movemask_epi8(_mm_cmpeq_epi8(wrong, nothing)) == 0xffff
        }
    }

    /// Not zero where a sequence is wrong: the octets of `vector` and those one, two and three
    /// places before them.
    ///
    /// # Safety
    /// The processor has AVX2.
    #[inline]
    #[target_feature(enable = "avx2")]
    #[allow(unused_unsafe)] // the intrinsics became safe in Rust 1.87
    unsafe fn errors(
        vector: __m128i,
        before1: __m128i,
        before2: __m128i,
        before3: __m128i,
    ) -> __m128i {
        // SAFETY: the processor has AVX2.
        unsafe {
            let half = _mm_set1_epi8(0x0f);
            let first_high = _mm_and_si128(_mm_srli_epi16::<4>(before1), half);
            let first_low = _mm_and_si128(before1, half);
            let second_high = _mm_and_si128(_mm_srli_epi16::<4>(vector), half);
            let pairs = _mm_and_si128(
                _mm_and_si128(
                    _mm_shuffle_epi8(constant(FIRST_HIGH), first_high),
                    _mm_shuffle_epi8(constant(FIRST_LOW), first_low),
                ),
                _mm_shuffle_epi8(constant(SECOND_HIGH), second_high),
            );
            // The highest bit is set behind the first octet of a sequence of three or four.
            let third = _mm_subs_epu8(before2, _mm_set1_epi8((0xe0 - 0x80) as i8));
            let fourth = _mm_subs_epu8(before3, _mm_set1_epi8((0xf0 - 0x80) as i8));
            let asked_for = _mm_and_si128(_mm_or_si128(third, fourth), _mm_set1_epi8(-0x80));
            _mm_xor_si128(pairs, asked_for)
        }
    }

    /// As [`errors()`], for a vector that follows another.
    ///
    /// # Safety
    /// The processor has AVX2.
    #[inline]
    #[target_feature(enable = "avx2")]
    #[allow(unused_unsafe)] // the intrinsics became safe in Rust 1.87
    unsafe fn errors_after(before: __m128i, vector: __m128i) -> __m128i {
        // SAFETY: the processor has AVX2.
        unsafe {
            errors(
                vector,
                _mm_alignr_epi8::<15>(vector, before),
                _mm_alignr_epi8::<14>(vector, before),
                _mm_alignr_epi8::<13>(vector, before),
            )
        }
    }

    /// Fewer than 16 octets, filled up with zeros; without a buffer, because a vector that is read
    /// right after it was written piece by piece has to wait.
    #[inline]
    fn padded(octets: &[u8]) -> __m128i {
        let len = octets.len();
        let word = if let (Some(first), Some(last)) = (octets.first_chunk(), octets.last_chunk()) {
            let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
            u128::from(first) | u128::from(last) << (8 * (len - 8))
        } else if let (Some(first), Some(last)) = (octets.first_chunk(), octets.last_chunk()) {
            let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
            u128::from(first) | u128::from(last) << (8 * (len - 4))
        } else {
            octets.iter().rev().fold(0, |word, octet| word << 8 | u128::from(*octet))
        };
        // SAFETY: every x86-64 processor has SSE2.
        unsafe { _mm_set_epi64x((word >> 64) as i64, word as i64) }
    }

    /// # Safety
    /// `octets` is readable for 16 octets.
    #[inline]
    unsafe fn load(octets: *const u8) -> __m128i {
        // SAFETY: promised by the caller; every x86-64 processor has SSE2.
        unsafe { _mm_loadu_si128(octets.cast()) }
    }

    #[inline]
    fn constant(octets: [u8; 16]) -> __m128i {
        // SAFETY: an array of 16 octets is readable for 16 octets.
        unsafe { load(octets.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    /// Every octet that borders on another case: ASCII, continuations, and what begins sequences.
    const BORDERS: [u8; 22] = [
        0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec,
        0xed, 0xee, 0xef, 0xf0, 0xf4, 0xf5, 0xff,
    ];

    fn agrees_with_std(octets: &[u8]) {
        let expected = std::str::from_utf8(octets).is_ok();
        assert_eq!(super::is_valid(octets), expected, "{octets:02x?}");
    }

    #[test]
    fn every_pair_of_octets_is_judged_as_by_std() {
        for pair in 0..=u16::MAX {
            agrees_with_std(&pair.to_be_bytes());
        }
    }

    #[test]
    fn every_sequence_of_border_octets_is_judged_as_by_std_at_the_end_of_any_length() {
        for len in [4, 15, 16, 17, 19, 32, 50] {
            let mut octets = vec![b'a'; len];
            for i in 0..BORDERS.len().pow(4) {
                let mut digits = i;
                for octet in &mut octets[len - 4..] {
                    *octet = BORDERS[digits % BORDERS.len()];
                    digits /= BORDERS.len();
                }
                agrees_with_std(&octets);
            }
        }
    }

    #[test]
    fn sequences_are_judged_as_by_std_at_every_position() {
        let sequences: [&[u8]; 20] = [
            b"\xc2\x80",
            b"\xdf\xbf",
            b"\xe0\xa0\x80",
            b"\xed\x9f\xbf",
            b"\xee\x80\x80",
            b"\xef\xbf\xbf",
            b"\xf0\x90\x80\x80",
            b"\xf4\x8f\xbf\xbf", // the valid borders
            b"\xc1\xbf",
            b"\xe0\x9f\xbf",
            b"\xf0\x8f\xbf\xbf", // overlong
            b"\xed\xa0\x80",
            b"\xed\xbf\xbf", // surrogates
            b"\xf4\x90\x80\x80",
            b"\xf5\x80\x80\x80", // above U+10FFFF
            b"\x80",
            b"\xc2",
            b"\xe1\x80",
            b"\xf1\x80\x80",
            b"\xff", // alone or cut off
        ];
        for len in (0..=52).chain([64, 95, 127]) {
            for sequence in sequences.iter().filter(|sequence| sequence.len() <= len) {
                for at in 0..=len - sequence.len() {
                    for around in [b"a".as_slice(), "\u{e9}".as_bytes(), "\u{20ac}".as_bytes()] {
                        let mut octets: Vec<u8> =
                            around.iter().copied().cycle().take(len).collect();
                        octets[at..at + sequence.len()].copy_from_slice(sequence);
                        agrees_with_std(&octets);
                    }
                }
            }
        }
    }
}
