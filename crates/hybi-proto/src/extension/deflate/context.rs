//! What is kept: [`History`] per connection, zlib states and a scratch buffer per thread.
//!
//! A zlib state per connection would cost 372 KiB for sending and 46 KiB for receiving, and most
//! of the time would go into cache misses. What a state knows that matters for the next message is
//! the plain text it has seen; so only that is kept, and a state of the thread is primed with it.

use super::inflate::Decoder;
use super::lz77::Encoder;
use super::params::DeflateOptions;
use crate::code::ErrorCode;
use crate::error::Error;
use std::cell::{Cell, RefCell};
use zlib_rs::{Deflate, DeflateConfig, Inflate};

/// Output passes through a buffer of this size, so that nothing is reserved for what may not come.
pub(super) const SCRATCH: usize = 16 * 1024;

/// One state per window size of one level and memory level; a rare mix of options makes room.
const MAX_DEFLATES: usize = 8;
/// More are used at a time only by messages that arrive in pieces; these are then freed.
const MAX_INFLATES: usize = 4;
/// What zlib-rs allocates for a state at most, rounded up.
const DEFLATE_STATE_SIZE: usize = 400 * 1024;
const INFLATE_STATE_SIZE: usize = 64 * 1024;

/// The last octets of a direction's plain text: a ring that grows up to its limit.
///
/// INVARIANT: `oldest` is 0 until `octets.len()` has reached `limit`.
#[derive(Debug, Default)]
pub(super) struct History {
    octets: Vec<u8>,
    oldest: u32,
    limit: u32,
}

impl History {
    /// At most the 32 KiB that any window can reach back.
    pub(super) fn new(limit: usize) -> Self {
        History { octets: Vec::new(), oldest: 0, limit: limit.min(32 * 1024) as u32 }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit as usize
    }

    pub(super) fn heap_size(&self) -> usize {
        self.octets.capacity()
    }

    /// The octets kept, the oldest first, in two parts.
    pub(super) fn parts(&self) -> [&[u8]; 2] {
        let (newest, oldest) = self.octets.split_at(self.oldest as usize);
        [oldest, newest]
    }

    /// Forgets and frees everything.
    pub(super) fn clear(&mut self) {
        self.octets = Vec::new();
        self.oldest = 0;
    }

    /// Appends; what goes beyond the limit is forgotten from the oldest end.
    pub(super) fn push(&mut self, octets: &[u8]) -> Result<(), Error> {
        let limit = self.limit();
        let octets = &octets[octets.len().saturating_sub(limit)..];
        let (grow, wrap) = octets.split_at(octets.len().min(limit - self.octets.len()));
        if !grow.is_empty() {
            self.reserve(grow.len())?;
            self.octets.extend_from_slice(grow);
        }
        if !wrap.is_empty() {
            let at = self.oldest as usize;
            let (to_end, from_start) = wrap.split_at(wrap.len().min(limit - at));
            self.octets[at..at + to_end.len()].copy_from_slice(to_end);
            self.octets[..from_start.len()].copy_from_slice(from_start);
            self.oldest = ((at + wrap.len()) % limit) as u32;
        }
        Ok(())
    }

    /// Doubles up to half of the limit, then takes the limit: `Vec` would go beyond it, and the
    /// last step would copy from one large block to another.
    fn reserve(&mut self, more: usize) -> Result<(), Error> {
        let needed = self.octets.len() + more;
        if needed <= self.octets.capacity() {
            return Ok(());
        }
        let doubled = needed.max(self.octets.capacity() * 2).max(256);
        let capacity = if doubled > self.limit() / 2 { self.limit() } else { doubled };
        let additional = capacity - self.octets.len();
        self.octets.try_reserve_exact(additional).map_err(|_| out_of_memory())
    }
}

/// What a deflate state was made for; only states of the same key can stand in for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeflateKey {
    level: u8,
    memory_level: u8,
    window_bits: u8,
}

impl DeflateKey {
    pub(super) fn new(options: &DeflateOptions, window_bits: u8) -> Self {
        // With 9 bits, zlib's largest distance is 512 − 262 = 250 bytes: an 8-bit window has them.
        DeflateKey {
            level: options.level,
            memory_level: options.memory_level,
            window_bits: window_bits.max(9),
        }
    }

    /// zlib alone knows level 0, which stores.
    pub(super) fn level(self) -> u8 {
        self.level
    }

    /// The largest distance that zlib uses: the window less its look-ahead of 262 bytes.
    pub(super) fn max_distance(self) -> usize {
        (1 << self.window_bits) - 262
    }
}

/// A context at one point in time: the number of a `Compressor`, and how many turns it has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) compressor: u64,
    pub(super) turn: u32,
}

/// A deflate state and the context that it was left in.
pub(super) struct DeflateState {
    key: DeflateKey,
    /// The compressor that may go on with the state as it is; for all others it must be reset.
    pub(super) left_by: Option<Moment>,
    pub(super) deflate: Deflate,
}

impl DeflateState {
    pub(super) fn new(key: DeflateKey) -> Result<Box<Self>, Error> {
        // `Deflate::new_with_config` panics if it gets no memory.
        check_memory(DEFLATE_STATE_SIZE)?;
        // The values are in range (it panics otherwise): the setters of the options clamp them.
        let deflate = Deflate::new_with_config(DeflateConfig {
            level: i32::from(key.level),
            window_bits: -i32::from(key.window_bits),
            mem_level: i32::from(key.memory_level),
            ..DeflateConfig::default()
        });
        Ok(Box::new(DeflateState { key, left_by: None, deflate }))
    }
}

thread_local! {
    #[expect(clippy::vec_box, reason = "a state moves between threads and connections")]
    static DEFLATES: RefCell<Vec<Box<DeflateState>>> = const { RefCell::new(Vec::new()) };
    #[expect(clippy::vec_box, reason = "a box is what a decompressor has room for")]
    static INFLATES: RefCell<Vec<Box<Inflate>>> = const { RefCell::new(Vec::new()) };
    static ENCODER: Cell<Option<Box<Encoder>>> = const { Cell::new(None) };
    static DECODER: Cell<Option<Box<Decoder>>> = const { Cell::new(None) };
    static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

// Everything is taken out while it is used and put back after it, so nothing is borrowed while
// foreign code (a sink) runs, and what fails half-way is dropped. `try_with` because a thread may
// use a connection while its thread-locals are being destroyed.

pub(super) fn take_deflate(key: DeflateKey) -> Result<Box<DeflateState>, Error> {
    let kept = DEFLATES.try_with(|states| {
        let mut states = states.borrow_mut();
        let found = states.iter().position(|state| state.key == key)?;
        Some(states.remove(found))
    });
    match kept {
        Ok(Some(state)) => Ok(state),
        _ => DeflateState::new(key),
    }
}

pub(super) fn put_deflate(state: Box<DeflateState>) {
    let _ = DEFLATES.try_with(|states| {
        let mut states = states.borrow_mut();
        if states.len() == MAX_DEFLATES {
            // The least recently used one is first.
            states.remove(0);
        }
        states.push(state);
    });
}

pub(super) fn take_encoder() -> Box<Encoder> {
    let kept = ENCODER.try_with(Cell::take).ok().flatten();
    kept.unwrap_or_else(|| Box::new(Encoder::new()))
}

pub(super) fn put_encoder(encoder: Box<Encoder>) {
    let _ = ENCODER.try_with(|kept| kept.set(Some(encoder)));
}

pub(super) fn take_decoder() -> Box<Decoder> {
    let kept = DECODER.try_with(Cell::take).ok().flatten();
    kept.unwrap_or_else(|| Box::new(Decoder::new()))
}

pub(super) fn put_decoder(decoder: Box<Decoder>) {
    let _ = DECODER.try_with(|kept| kept.set(Some(decoder)));
}

/// A state for raw deflate data without any context.
pub(super) fn take_inflate() -> Result<Box<Inflate>, Error> {
    let kept = INFLATES.try_with(|states| states.borrow_mut().pop());
    if let Ok(Some(mut inflate)) = kept {
        // It comes back with 15 bits, whatever it had before: what is always used here.
        inflate.reset(false);
        return Ok(inflate);
    }
    // `Inflate::new` panics if it gets no memory.
    check_memory(INFLATE_STATE_SIZE)?;
    Ok(Box::new(Inflate::new(false, 15)))
}

pub(super) fn put_inflate(inflate: Box<Inflate>) {
    let _ = INFLATES.try_with(|states| {
        let mut states = states.borrow_mut();
        if states.len() < MAX_INFLATES {
            states.push(inflate);
        }
    });
}

/// Lends the thread's buffer of [`SCRATCH`] octets.
pub(super) fn with_scratch<T>(
    work: impl FnOnce(&mut [u8]) -> Result<T, Error>,
) -> Result<T, Error> {
    let kept = BUFFER.try_with(Cell::take).ok().flatten();
    let mut buffer = match kept {
        Some(buffer) => buffer,
        None => {
            check_memory(SCRATCH)?;
            vec![0; SCRATCH].into_boxed_slice()
        }
    };
    let done = work(&mut buffer);
    let _ = BUFFER.try_with(|kept| kept.set(Some(buffer)));
    done
}

/// Asks the allocator first where what follows would panic or abort.
fn check_memory(bytes: usize) -> Result<(), Error> {
    Vec::<u8>::new().try_reserve_exact(bytes).map_err(|_| out_of_memory())
}

pub(super) fn out_of_memory() -> Error {
    Error::limit(
        ErrorCode::UnsupportedMessageLength,
        "there is no memory left to compress or decompress a message",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(history: &History) -> Vec<u8> {
        history.parts().concat()
    }

    #[test]
    fn a_history_allocates_nothing_before_it_is_used_and_never_more_than_its_limit() {
        let mut history = History::new(4096);
        assert_eq!(history.heap_size(), 0);
        history.push(&[1; 10]).unwrap();
        assert_eq!(history.heap_size(), 256);
        for _ in 0..100 {
            history.push(&[2; 1000]).unwrap();
        }
        assert_eq!(history.heap_size(), 4096);
        history.clear();
        assert_eq!(history.heap_size(), 0);
    }

    #[test]
    fn a_history_without_room_keeps_nothing() {
        let mut history = History::new(0);
        history.push(b"secret").unwrap();
        assert_eq!(kept(&history), b"");
    }

    proptest! {
        #[test]
        fn a_history_is_the_end_of_what_was_pushed(
            limit in 0_usize..40,
            pushes in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..12),
        ) {
            let mut history = History::new(limit);
            let mut all = Vec::new();
            for push in pushes {
                history.push(&push).unwrap();
                all.extend_from_slice(&push);
                prop_assert_eq!(kept(&history), &all[all.len().saturating_sub(limit)..]);
            }
        }
    }

    #[test]
    fn a_thread_keeps_a_bounded_number_of_states() {
        for level in 0..10 {
            for memory_level in 1..3 {
                let options = DeflateOptions::new().level(level).memory_level(memory_level);
                put_deflate(take_deflate(DeflateKey::new(&options, 9)).unwrap());
            }
        }
        assert_eq!(DEFLATES.with_borrow(Vec::len), MAX_DEFLATES);
        let states: Vec<_> = (0..10).map(|_| take_inflate().unwrap()).collect();
        states.into_iter().for_each(put_inflate);
        assert_eq!(INFLATES.with_borrow(Vec::len), MAX_INFLATES);
    }
}
