//! [`PayloadBuffer`]: a message that is still arriving.

use crate::utf8::{self, Utf8Error};
use crate::{Utf8Bytes, mask};
use bytes::{BufMut, Bytes, BytesMut};

/// The payload of a message that is still arriving: grows as octets come, and validates text
/// while it grows, each octet once.
///
/// ```
/// use hybi_bytes::PayloadBuffer;
/// let mut text = PayloadBuffer::text();
/// text.push(&[0xc3])?; // the first half of 'ü'
/// text.push(&[0xbc])?;
/// assert_eq!(text.finish_text()?, "ü");
/// # Ok::<(), hybi_bytes::Utf8Error>(())
/// ```
#[derive(Debug, Default)]
pub struct PayloadBuffer {
    octets: BytesMut,
    // INVARIANT: if `text`, then octets[..valid] are valid UTF-8, and octets[valid..] (at most
    // three, except between `spare` and `commit`) can still become so.
    valid: usize,
    text: bool,
}

impl PayloadBuffer {
    /// An empty buffer whose content must be UTF-8.
    pub fn text() -> Self {
        PayloadBuffer { text: true, ..PayloadBuffer::default() }
    }

    /// An empty buffer for any octets.
    pub fn binary() -> Self {
        PayloadBuffer::default()
    }

    /// True if the content must be UTF-8.
    pub fn is_text(&self) -> bool {
        self.text
    }

    /// The number of octets that have arrived.
    pub fn len(&self) -> usize {
        self.octets.len()
    }

    /// True if nothing has arrived yet.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Makes room for `additional` octets, exactly if the buffer has to grow that far at once.
    pub fn reserve(&mut self, additional: usize) {
        self.octets.reserve(additional);
    }

    /// Appends octets that are not masked.
    ///
    /// # Errors
    /// [`Utf8Error`] if the content must be UTF-8 and can no longer become so.
    pub fn push(&mut self, octets: &[u8]) -> Result<(), Utf8Error> {
        self.octets.extend_from_slice(octets);
        self.validate_tail()
    }

    /// Appends masked octets, unmasking them; `offset` as in [`mask()`](mask()).
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_masked(
        &mut self,
        octets: &[u8],
        key: [u8; 4],
        offset: usize,
    ) -> Result<(), Utf8Error> {
        let start = self.octets.len();
        self.octets.extend_from_slice(octets);
        mask(&mut self.octets[start..], key, offset);
        self.validate_tail()
    }

    /// Room for up to `limit` octets to be read into directly; follow with [`commit`](Self::commit).
    pub fn spare(&mut self, limit: usize) -> impl BufMut + '_ {
        (&mut self.octets).limit(limit)
    }

    /// Takes over the octets written into [`spare`](Self::spare) since the buffer had `from`
    /// octets: unmasks them if there is a `mask` (key and offset), and validates them.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn commit(&mut self, from: usize, mask: Option<([u8; 4], usize)>) -> Result<(), Utf8Error> {
        if let Some((key, offset)) = mask {
            crate::mask(&mut self.octets[from..], key, offset);
        }
        self.validate_tail()
    }

    /// The whole content.
    pub fn finish(self) -> Bytes {
        self.octets.freeze()
    }

    /// The whole content as text, without validating it again.
    ///
    /// # Errors
    /// [`Utf8Error`] if the last sequence is incomplete.
    pub fn finish_text(mut self) -> Result<Utf8Bytes, Utf8Error> {
        if !self.text {
            self.text = true;
            self.validate_tail()?;
        }
        if self.valid < self.octets.len() {
            return Err(Utf8Error { valid_up_to: self.valid });
        }
        // SAFETY: octets[..valid] is valid and valid == len.
        Ok(unsafe { Utf8Bytes::from_validated(self.octets.freeze()) })
    }

    fn validate_tail(&mut self) -> Result<(), Utf8Error> {
        if self.text {
            self.valid += utf8::validate_prefix(&self.octets[self.valid..])
                .map_err(|e| Utf8Error { valid_up_to: self.valid + e.valid_up_to })?;
        }
        Ok(())
    }
}
