//! [`Vector`]: the few things that masking does with a vector, whatever its size.

use super::kernel::TurnedKey;

/// Octets that are masked together.
///
/// All methods are inlined into functions compiled for the processor that has the vector.
pub(super) trait Vector: Copy {
    /// The key, repeated.
    ///
    /// # Safety
    /// The processor has the vector.
    unsafe fn splat(key: TurnedKey) -> Self;

    /// # Safety
    /// The processor has the vector, and `src` is readable for its size.
    unsafe fn load(src: *const u8) -> Self;

    /// # Safety
    /// The processor has the vector, and `dst` is writable for its size.
    unsafe fn store(self, dst: *mut u8);

    /// # Safety
    /// The processor has the vector.
    unsafe fn xor(self, other: Self) -> Self;

    /// # Safety
    /// The processor has the vector.
    unsafe fn or(self, other: Self) -> Self;

    /// True if no octet has its highest bit set.
    ///
    /// # Safety
    /// The processor has the vector.
    unsafe fn is_ascii(self) -> bool;
}

/// For every processor.
impl Vector for [u64; 2] {
    #[inline(always)]
    unsafe fn splat(key: TurnedKey) -> Self {
        [key.u64(); 2]
    }

    #[inline(always)]
    unsafe fn load(src: *const u8) -> Self {
        // SAFETY: promised by the caller.
        unsafe { src.cast::<Self>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, dst: *mut u8) {
        // SAFETY: promised by the caller.
        unsafe { dst.cast::<Self>().write_unaligned(self) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        [self[0] ^ other[0], self[1] ^ other[1]]
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        [self[0] | other[0], self[1] | other[1]]
    }

    #[inline(always)]
    unsafe fn is_ascii(self) -> bool {
        (self[0] | self[1]) & 0x8080_8080_8080_8080 == 0
    }
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use super::{TurnedKey, Vector};
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi32,
        _mm_storeu_si128, _mm_xor_si128, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256,
        _mm256_set1_epi32, _mm256_storeu_si256, _mm256_xor_si256,
    };

    macro_rules! vector {
        ($vector:ty: $splat:ident $load:ident $store:ident $xor:ident $or:ident $movemask:ident) => {
            // Most of these intrinsics became safe in Rust 1.87.
            #[allow(unused_unsafe)]
            impl Vector for $vector {
                #[inline(always)]
                unsafe fn splat(key: TurnedKey) -> Self {
                    // SAFETY: promised by the caller.
                    unsafe { $splat(key.u32() as i32) }
                }

                #[inline(always)]
                unsafe fn load(src: *const u8) -> Self {
                    // SAFETY: promised by the caller.
                    unsafe { $load(src.cast()) }
                }

                #[inline(always)]
                unsafe fn store(self, dst: *mut u8) {
                    // SAFETY: promised by the caller.
                    unsafe { $store(dst.cast(), self) }
                }

                #[inline(always)]
                unsafe fn xor(self, other: Self) -> Self {
                    // SAFETY: promised by the caller.
                    unsafe { $xor(self, other) }
                }

                #[inline(always)]
                unsafe fn or(self, other: Self) -> Self {
                    // SAFETY: promised by the caller.
                    unsafe { $or(self, other) }
                }

                #[inline(always)]
                unsafe fn is_ascii(self) -> bool {
                    // SAFETY: promised by the caller.
                    unsafe { $movemask(self) == 0 }
                }
            }
        };
    }

    vector!(__m128i: _mm_set1_epi32 _mm_loadu_si128 _mm_storeu_si128 _mm_xor_si128 _mm_or_si128
        _mm_movemask_epi8);
    vector!(__m256i: _mm256_set1_epi32 _mm256_loadu_si256 _mm256_storeu_si256 _mm256_xor_si256
        _mm256_or_si256 _mm256_movemask_epi8);
}
