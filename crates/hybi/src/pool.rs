//! [`Chunk`]: a read buffer that belongs to the thread.
//!
//! A connection takes a chunk when octets are there to be read and gives it back when it has worked
//! them off, so that an idle connection owns none.

use std::cell::RefCell;

/// What one read can bring: a message of 64 KiB with its header, which would otherwise take a system
/// call more for its last octets.
pub(crate) const CHUNK: usize = 64 * 1024 + 16;

/// Chunks kept per thread.
const KEEP: usize = 4;

thread_local! {
    static SPARE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Octets that have been read and not yet worked off.
#[derive(Debug)]
pub(crate) struct Chunk {
    octets: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Chunk {
    /// An empty chunk from the thread's pool.
    pub(crate) fn take() -> Self {
        let spare = SPARE.with_borrow_mut(Vec::pop);
        Chunk { octets: spare.unwrap_or_else(|| vec![0; CHUNK].into()), start: 0, end: 0 }
    }

    /// A chunk of its own size, for octets that came with the handshake.
    pub(crate) fn from_octets(octets: &[u8]) -> Option<Self> {
        (!octets.is_empty()).then(|| Chunk { octets: octets.into(), start: 0, end: octets.len() })
    }

    /// The octets not yet worked off.
    pub(crate) fn filled(&self) -> &[u8] {
        &self.octets[self.start..self.end]
    }

    /// All that is left of the chunk after the octets in it.
    pub(crate) fn free(&mut self) -> &mut [u8] {
        &mut self.octets[self.end..]
    }

    /// `octets` have been written into [`free`](Self::free).
    pub(crate) fn fill(&mut self, octets: usize) {
        self.end += octets;
    }

    /// Only the last `left` octets have not been worked off.
    pub(crate) fn keep_last(&mut self, left: usize) {
        self.start = self.end - left;
    }

    /// Gives a large chunk back to the pool if it holds little: what is left is copied out.
    ///
    /// A handler that stops in the middle of what one read brought would otherwise keep 64 KiB for
    /// some octets.
    pub(crate) fn shrink(&mut self) {
        if self.octets.len() == CHUNK && self.filled().len() <= CHUNK / 4 {
            if let Some(small) = Chunk::from_octets(self.filled()) {
                *self = small;
            }
        }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if self.octets.len() != CHUNK {
            return;
        }
        let octets = std::mem::take(&mut self.octets);
        // A thread that is ending has no pool any more: the chunk is simply freed then.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < KEEP {
                spare.push(octets);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_that_is_given_back_is_taken_again() {
        let mut chunk = Chunk::take();
        let address = chunk.free().as_ptr();
        drop(chunk);
        assert_eq!(Chunk::take().free().as_ptr(), address);
    }

    #[test]
    fn one_read_can_bring_a_message_of_64_kib_with_its_header() {
        assert!(Chunk::take().free().len() >= 64 * 1024 + 14); // RFC 6455 §5.2: a header is at most 14
    }

    #[test]
    fn shrinking_keeps_what_is_left() {
        let mut chunk = Chunk::take();
        chunk.free()[..5].copy_from_slice(b"hello");
        chunk.fill(5);
        chunk.keep_last(2);
        chunk.shrink();
        assert_eq!(chunk.filled(), b"lo");
        assert_eq!(chunk.octets.len(), 2);
    }
}
