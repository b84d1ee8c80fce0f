//! [`Utf8Validator`]: text that is validated in pieces and kept elsewhere.

use super::{Utf8Error, can_become_valid, is_valid, validate_prefix};

/// Validates a text that comes in pieces, each octet once, and keeps none of it but the sequence
/// that the last piece cut off.
///
/// ```
/// use hybi_bytes::Utf8Validator;
/// let mut text = Utf8Validator::new();
/// text.push(&[0xc3])?; // the first half of 'ü'
/// text.push(&[0xbc])?;
/// text.finish()?;
/// # Ok::<(), hybi_bytes::Utf8Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Utf8Validator {
    /// INVARIANT: `cut[..len]` is empty or the beginning of a valid sequence, and not all of one.
    cut: [u8; 4],
    len: u8,
    before: usize,
}

impl Utf8Validator {
    /// At the beginning of a text.
    pub const fn new() -> Self {
        Utf8Validator { cut: [0; 4], len: 0, before: 0 }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// [`Utf8Error`] as soon as nothing that follows can make the text valid, with the position in
    /// the whole text. The validator is of no use then.
    #[inline]
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Utf8Error> {
        let rest = if self.len == 0 { piece } else { self.complete(piece)? };
        let valid = validate_prefix(rest).map_err(|error| self.at(error.valid_up_to()))?;
        self.before += valid;
        let cut = &rest[valid..];
        if !cut.is_empty() {
            // `validate_prefix` leaves three octets at most. If `complete` has left the sequence
            // unfinished, nothing is left of the piece, and this is not reached.
            self.cut[..cut.len()].copy_from_slice(cut);
            self.len = cut.len() as u8;
        }
        Ok(())
    }

    /// Takes the next piece masked, unmasks it in place; `offset` as in [`mask()`](crate::mask()).
    ///
    /// # Errors
    /// As [`push`](Self::push); the whole piece has been unmasked all the same.
    #[inline]
    pub fn push_masked(
        &mut self,
        piece: &mut [u8],
        key: [u8; 4],
        offset: usize,
    ) -> Result<(), Utf8Error> {
        let is_ascii = crate::mask::mask_and_look(piece, key, offset);
        if is_ascii && self.len == 0 {
            self.before += piece.len();
            return Ok(());
        }
        self.push(piece)
    }

    /// Ends the text; the validator is at the beginning of the next one then.
    ///
    /// # Errors
    /// [`Utf8Error`] if the text ends within a sequence.
    #[inline]
    pub fn finish(&mut self) -> Result<(), Utf8Error> {
        if self.len > 0 {
            return Err(self.at(0));
        }
        self.before = 0;
        Ok(())
    }

    /// Completes the sequence that was cut off, and returns what follows it.
    fn complete<'a>(&mut self, piece: &'a [u8]) -> Result<&'a [u8], Utf8Error> {
        for (taken, octet) in piece.iter().enumerate() {
            self.cut[usize::from(self.len)] = *octet;
            self.len += 1;
            let sequence = &self.cut[..usize::from(self.len)];
            if is_valid(sequence) {
                self.before += sequence.len();
                self.len = 0;
                return Ok(&piece[taken + 1..]);
            }
            if !can_become_valid(sequence) {
                return Err(self.at(0));
            }
        }
        Ok(&[])
    }

    #[cold]
    fn at(&self, valid: usize) -> Utf8Error {
        Utf8Error { valid_up_to: self.before + valid }
    }
}
