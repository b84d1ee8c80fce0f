//! The masking of RFC 6455 §5.3: `octet[i] ^= key[i % 4]`.
//!
//! Masking and unmasking are the same operation.

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
pub fn mask(payload: &mut [u8], key: [u8; 4], offset: usize) {
    for (i, octet) in payload.iter_mut().enumerate() {
        *octet ^= key[(i + offset) % 4];
    }
}

/// Appends `payload`, masked or unmasked, to `out`; `offset` as in [`mask()`].
///
/// ```
/// let mut out = Vec::new();
/// hybi_bytes::mask_append(&mut out, b"Hello", [0x37, 0xfa, 0x21, 0x3d], 0);
/// assert_eq!(out, [0x7f, 0x9f, 0x4d, 0x51, 0x58]); // RFC 6455 §5.7
/// ```
pub fn mask_append(out: &mut Vec<u8>, payload: &[u8], key: [u8; 4], offset: usize) {
    let start = out.len();
    out.extend_from_slice(payload);
    mask(&mut out[start..], key, offset);
}

/// Copies a masked payload into a new buffer, unmasking it.
pub fn copy_masked(octets: &[u8], key: [u8; 4]) -> bytes::Bytes {
    let mut out = Vec::with_capacity(octets.len());
    mask_append(&mut out, octets, key, 0);
    out.into()
}
