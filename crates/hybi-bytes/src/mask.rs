//! The masking of RFC 6455 §5.3: `octet[i] ^= key[i % 4]`.
//!
//! Masking and unmasking are the same operation. What is copied is masked on the way: no memory
//! is written twice, and none is zeroed first.

mod kernel;
mod vector;

use bytes::{Bytes, BytesMut};
use kernel::TurnedKey;

/// Payloads below this size are copied without a call.
const INLINE_BELOW: usize = 128;

/// From this size on memcpy may take `rep movsb`, which some processors do at 3 GB/s if source and
/// target are a few octets off a multiple of 4 KiB, as what follows a header is.
const MEMCPY_BELOW: usize = 8 * 1024;

/// Masks or unmasks `payload` in place.
///
/// `offset` is the position of `payload[0]` within the whole payload, so that a payload may be
/// masked in pieces (only `offset % 4` matters).
///
/// ```
/// let mut payload = *b"Hello";
/// hybi_bytes::mask(&mut payload, [0x37, 0xfa, 0x21, 0x3d], 0);
/// assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]); // RFC 6455 §5.7
/// ```
#[inline]
pub fn mask(payload: &mut [u8], key: [u8; 4], offset: usize) {
    mask_and_look(payload, key, offset);
}

/// Appends `payload`, masked or unmasked, to `out`; `offset` as in [`mask()`].
///
/// ```
/// let mut out = Vec::new();
/// hybi_bytes::mask_append(&mut out, b"Hello", [0x37, 0xfa, 0x21, 0x3d], 0);
/// assert_eq!(out, [0x7f, 0x9f, 0x4d, 0x51, 0x58]); // RFC 6455 §5.7
/// ```
#[inline]
pub fn mask_append(out: &mut Vec<u8>, payload: &[u8], key: [u8; 4], offset: usize) {
    mask_append_and_look(out, payload, key, offset);
}

/// Appends the first `head_len` octets of `head`, and `payload` as it is: what two calls of
/// `extend_from_slice` do, in one step, for short frames.
///
/// ```
/// let mut out = Vec::new();
/// hybi_bytes::append_framed(&mut out, [0x82, 2, 0, 0], 2, b"Hi");
/// assert_eq!(out, *b"\x82\x02Hi"); // RFC 6455 §5.2
/// ```
///
/// # Panics
/// If `head_len` is more than 4.
#[inline]
pub fn append_framed(out: &mut Vec<u8>, head: [u8; 4], head_len: usize, payload: &[u8]) {
    assert!(head_len <= head.len(), "a head of {head_len} octets");
    out.reserve(head.len() + payload.len());
    // SAFETY: there is room for the whole of `head` and `payload`, which cannot overlap what `out`
    // owns. All that the length counts is written: `payload` from `head_len` on, over the octets of
    // `head` that do not belong to it.
    unsafe {
        let end = out.as_mut_ptr().add(out.len());
        end.cast::<[u8; 4]>().write_unaligned(head);
        // A payload that is masked with nothing is copied inline; a call of memcpy costs more.
        match payload.len() {
            0..INLINE_BELOW => {
                kernel::xor(payload.as_ptr(), end.add(head_len), payload.len(), TurnedKey::NONE)
            }
            len @ INLINE_BELOW..MEMCPY_BELOW => {
                end.add(head_len).copy_from_nonoverlapping(payload.as_ptr(), len);
                false
            }
            len => kernel::xor(payload.as_ptr(), end.add(head_len), len, TurnedKey::NONE),
        };
        out.set_len(out.len() + head_len + payload.len());
    }
}

/// As [`mask_append()`]; true if what has been appended is ASCII.
#[inline]
pub(crate) fn mask_append_and_look(
    out: &mut Vec<u8>,
    payload: &[u8],
    key: [u8; 4],
    offset: usize,
) -> bool {
    out.reserve(payload.len());
    // SAFETY: there is room for `payload`, which cannot overlap what `out` owns; all of it is
    // written before the length counts it.
    unsafe {
        let end = out.as_mut_ptr().add(out.len());
        let key = TurnedKey::new(key, offset);
        let is_ascii = kernel::xor(payload.as_ptr(), end, payload.len(), key);
        out.set_len(out.len() + payload.len());
        is_ascii
    }
}

/// As [`mask()`]; true if `payload` is ASCII now.
#[inline]
pub(crate) fn mask_and_look(payload: &mut [u8], key: [u8; 4], offset: usize) -> bool {
    let octets = payload.as_mut_ptr();
    // SAFETY: `payload` is readable and writable; source and destination are the same.
    unsafe { kernel::xor(octets, octets, payload.len(), TurnedKey::new(key, offset)) }
}

/// Appends `payload`, masked or unmasked, to `out`; `offset` as in [`mask()`].
///
/// ```
/// let mut out = bytes::BytesMut::new();
/// hybi_bytes::mask_append_bytes(&mut out, b"Hello", [0x37, 0xfa, 0x21, 0x3d], 0);
/// assert_eq!(out[..], [0x7f, 0x9f, 0x4d, 0x51, 0x58]); // RFC 6455 §5.7
/// ```
#[inline]
pub fn mask_append_bytes(out: &mut BytesMut, payload: &[u8], key: [u8; 4], offset: usize) {
    out.reserve(payload.len());
    // SAFETY: there is room for `payload`, which cannot overlap what `out` owns; all of it is
    // written before the length counts it.
    unsafe {
        let end = out.spare_capacity_mut().as_mut_ptr().cast();
        kernel::xor(payload.as_ptr(), end, payload.len(), TurnedKey::new(key, offset));
        out.set_len(out.len() + payload.len());
    }
}

/// A copy of a whole payload, masked or unmasked, in one allocation of exactly its length.
///
/// ```
/// let octets = hybi_bytes::copy_masked(b"\x7f\x9f\x4d\x51\x58", [0x37, 0xfa, 0x21, 0x3d]);
/// assert_eq!(octets, "Hello"); // RFC 6455 §5.7
/// ```
#[inline]
pub fn copy_masked(payload: &[u8], key: [u8; 4]) -> Bytes {
    copy_and_look(payload, key).0
}

/// As [`copy_masked()`]; true if the copy is ASCII.
#[inline(always)]
pub(crate) fn copy_and_look(payload: &[u8], key: [u8; 4]) -> (Bytes, bool) {
    // A boxed slice and not a vector: it becomes `Bytes` in fewer steps.
    let mut copy = Box::<[u8]>::new_uninit_slice(payload.len());
    // SAFETY: `copy` is as long as `payload` and cannot overlap it; all of it is written before it
    // counts as initialised.
    unsafe {
        let start = copy.as_mut_ptr().cast();
        let key = TurnedKey::new(key, 0);
        let is_ascii = kernel::xor(payload.as_ptr(), start, payload.len(), key);
        (Bytes::from(copy.assume_init()), is_ascii)
    }
}
