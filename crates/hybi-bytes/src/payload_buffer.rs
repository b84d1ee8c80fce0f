//! [`PayloadBuffer`]: a message that is still arriving.

use crate::Utf8Bytes;
use crate::mask::{mask_and_look, mask_append_and_look};
use crate::utf8::{self, Utf8Error};
use bytes::buf::UninitSlice;
use bytes::{BufMut, Bytes};

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
    // INVARIANT: valid <= taken <= octets.len(), and if `text`, octets[..valid] are valid UTF-8.
    octets: Vec<u8>,
    /// Text up to here has been validated and is never written to again.
    valid: usize,
    /// Octets from here on were written into [`spare`](PayloadBuffer::spare) and not yet committed.
    taken: usize,
    text: bool,
    /// How often the buffer grew by less than half.
    small_growths: u8,
    /// Octets that have been drained before, so that errors tell the place in the whole.
    drained: usize,
}

/// Unmasking and validating take turns at this many octets (a multiple of the key's length), so
/// that what one has written is still in the first cache when the other reads it.
const TURN: usize = 16 << 10;

/// How often a buffer may grow to exactly the length asked for though that is less than half more.
/// It is what the last piece of a large payload needs. Were it allowed to each of a million small
/// fragments, the message would be copied a million times.
const SMALL_GROWTHS: u8 = 4;

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

    /// The octets that have arrived; text may be cut off in the middle of a sequence.
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets
    }

    /// The number of octets that fit without another allocation.
    pub fn capacity(&self) -> usize {
        self.octets.capacity()
    }

    /// Makes room for `additional` octets, and for no more unless the buffer keeps growing in
    /// small steps.
    ///
    /// Memory is taken at once: do not ask for what a frame header merely claims.
    pub fn reserve(&mut self, additional: usize) {
        let len = self.octets.len();
        if self.octets.capacity() - len >= additional {
            return;
        }
        let step = (len / 2).max(64);
        if len == 0 || additional >= step {
            self.octets.reserve_exact(additional);
        } else if self.small_growths < SMALL_GROWTHS {
            self.small_growths += 1;
            self.octets.reserve_exact(additional);
        } else {
            self.octets.reserve_exact(step);
        }
    }

    /// Appends octets that are not masked.
    ///
    /// # Errors
    /// [`Utf8Error`] if the content must be UTF-8 and can no longer become so. The buffer is then
    /// of no use as text.
    pub fn push(&mut self, octets: &[u8]) -> Result<(), Utf8Error> {
        // Masked with nothing: copied by vectors, wherever both lie. memcpy takes `rep movsb` for what
        // is long, which some processors do at 3 GB/s if source and target are a few octets off a
        // multiple of 4 KiB: a header's length, for what was read into one buffer and goes to another.
        self.push_masked(octets, [0; 4], 0)
    }

    /// Appends masked octets, unmasking them; `offset` as in [`mask()`](crate::mask()).
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_masked(
        &mut self,
        octets: &[u8],
        key: [u8; 4],
        offset: usize,
    ) -> Result<(), Utf8Error> {
        self.commit_forgotten()?;
        self.reserve(octets.len());
        let turn = if self.text { TURN } else { octets.len().max(1) };
        for part in octets.chunks(turn) {
            // TURN is a multiple of the key's length, so the offset serves each turn.
            let is_ascii = mask_append_and_look(&mut self.octets, part, key, offset);
            self.take(self.octets.len(), is_ascii)?;
        }
        Ok(())
    }

    /// Room for octets to be read into directly: at most `limit`, at least one unless `limit` is
    /// zero; follow with [`commit`](Self::commit).
    ///
    /// What is left of an earlier allocation is offered first. Only when nothing is left does the
    /// buffer grow, by `limit`. So with `limit` set to what is missing, but at most to
    /// [`len`](Self::len) or the size of one read, whichever is more, memory follows what has
    /// really arrived, few octets are copied, and the last allocation fits exactly.
    pub fn spare(&mut self, limit: usize) -> impl BufMut + '_ {
        if self.octets.capacity() == self.octets.len() {
            self.reserve(limit);
        }
        let room = limit.min(self.octets.capacity() - self.octets.len());
        Spare { octets: &mut self.octets, room }
    }

    /// Takes over the octets written into [`spare`](Self::spare) since the last commit: unmasks
    /// them if there is a `mask` (key and offset), and validates them.
    ///
    /// What is not committed before the next push, or before the end, counts as not masked.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn commit(&mut self, mask: Option<([u8; 4], usize)>) -> Result<(), Utf8Error> {
        let len = self.octets.len();
        let Some((key, offset)) = mask else {
            return self.take(len, false);
        };
        let turn = if self.text { TURN } else { usize::MAX };
        loop {
            let end = len.min(self.taken.saturating_add(turn));
            let is_ascii = mask_and_look(&mut self.octets[self.taken..end], key, offset);
            self.take(end, is_ascii)?;
            if end == len {
                return Ok(());
            }
        }
    }

    /// Takes out what has arrived so far, for a payload that is worked off in pieces; of text only
    /// whole characters: the beginning of another stays.
    pub fn drain(&mut self) -> Bytes {
        let end = if self.text { self.valid } else { self.octets.len() };
        let rest = self.octets[end..].to_vec();
        let mut front = std::mem::replace(&mut self.octets, rest);
        front.truncate(end);
        self.valid = 0;
        self.taken = self.octets.len();
        self.drained = self.drained.saturating_add(end);
        Bytes::from(front)
    }

    /// As [`drain`](Self::drain), as text, without validating it again; `None` if the content need
    /// not be text.
    pub fn drain_text(&mut self) -> Option<Utf8Bytes> {
        if !self.text {
            return None;
        }
        let text = self.drain();
        // SAFETY: the buffer is one of text, so this was octets[..valid], which is valid.
        Some(unsafe { Utf8Bytes::from_validated(text) })
    }

    /// The whole content.
    pub fn finish(mut self) -> Bytes {
        self.shrink();
        Bytes::from(self.octets)
    }

    /// The whole content as text, without validating it again.
    ///
    /// # Errors
    /// [`Utf8Error`] if the last sequence is incomplete, or if something else was wrong before.
    pub fn finish_text(mut self) -> Result<Utf8Bytes, Utf8Error> {
        self.text = true;
        self.commit(None)?;
        if self.valid < self.octets.len() {
            return Err(Utf8Error { valid_up_to: self.drained + self.valid });
        }
        self.shrink();
        // SAFETY: octets[..valid] is valid and valid == len.
        Ok(unsafe { Utf8Bytes::from_validated(Bytes::from(self.octets)) })
    }

    fn commit_forgotten(&mut self) -> Result<(), Utf8Error> {
        if self.taken < self.octets.len() { self.commit(None) } else { Ok(()) }
    }

    /// Validates text up to `end`; `is_ascii`: what has not been taken before is known to be ASCII.
    fn take(&mut self, end: usize, is_ascii: bool) -> Result<(), Utf8Error> {
        let carried = self.valid < self.taken;
        self.taken = end;
        if self.text {
            self.valid += match is_ascii && !carried {
                true => end - self.valid,
                false => utf8::validate_prefix(&self.octets[self.valid..end]).map_err(|e| {
                    Utf8Error { valid_up_to: self.drained + self.valid + e.valid_up_to }
                })?,
            };
        }
        Ok(())
    }

    /// A message may be kept for long: what it does not use should not be kept with it. Below an
    /// eighth that is not worth the copy that some allocators make.
    fn shrink(&mut self) {
        if self.octets.capacity() - self.octets.len() > self.octets.len() / 8 {
            self.octets.shrink_to_fit();
        }
    }
}

/// Part of the unused capacity of a vector. It never grows: `Vec` as a [`BufMut`] would.
struct Spare<'a> {
    octets: &'a mut Vec<u8>,
    // INVARIANT: at most the unused capacity of `octets`.
    room: usize,
}

// SAFETY: `chunk_mut` returns the same unused capacity until `advance_mut` counts it as used.
unsafe impl BufMut for Spare<'_> {
    fn remaining_mut(&self) -> usize {
        self.room
    }

    unsafe fn advance_mut(&mut self, count: usize) {
        assert!(count <= self.room, "cannot advance by {count}: there is room for {}", self.room);
        self.room -= count;
        // SAFETY: `room` was within the capacity; the caller has written `count` octets.
        unsafe { self.octets.set_len(self.octets.len() + count) };
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        UninitSlice::uninit(&mut self.octets.spare_capacity_mut()[..self.room])
    }
}
