//! [`Compressor`]: the sending side of permessage-deflate (RFC 7692 §7.2.1).

use super::TAIL;
use super::context::{
    DeflateKey, DeflateState, History, Moment, put_deflate, take_deflate, with_scratch,
};
use super::params::{DeflateOptions, DeflateParams, WindowBits};
use crate::error::Error;
use crate::role::Role;
use std::sync::atomic::{AtomicU64, Ordering};
use zlib_rs::{Deflate, DeflateError, DeflateFlush};

/// zlib counts in 32 bits; what is larger goes in pieces.
const MAX_PIECE: usize = 1 << 30;

/// Compresses the messages of one connection, one after the other.
///
/// Between messages it holds the last bytes that were sent ([`DeflateOptions::history`]) and
/// nothing else. The peer is to see every message that is compressed, in this order; if one is not
/// sent after all, call [`drop_history`](Self::drop_history).
pub struct Compressor {
    key: DeflateKey,
    context: Context,
    threshold: usize,
}

/// What a message may refer back to.
enum Context {
    /// Each message stands alone.
    None,
    /// The last plain octets; and the thread's state itself, if nobody has used it since.
    History { history: History, now: Moment },
    /// A state of its own, made for the first message.
    Own(Option<Box<DeflateState>>),
}

impl Compressor {
    /// A compressor for what `role`, this side, sends.
    pub fn new(role: Role, params: &DeflateParams, options: &DeflateOptions) -> Self {
        let window_bits = params.max_window_bits(role);
        let key = DeflateKey::new(options, window_bits.get());
        let context = if params.no_context_takeover(role) {
            Context::None
        } else if options.full_state {
            Context::Own(None)
        } else if options.history == 0 {
            Context::None
        } else {
            static COMPRESSORS: AtomicU64 = AtomicU64::new(0);
            Context::History {
                // What is further back than a distance can say is of no use.
                history: History::new(options.history.min(key.max_distance())),
                now: Moment { compressor: COMPRESSORS.fetch_add(1, Ordering::Relaxed), turn: 0 },
            }
        };
        let threshold = if params.no_context_takeover(role) { options.threshold } else { 0 };
        Compressor { key, context, threshold }
    }

    /// Whether a message of this many bytes is to be compressed ([`DeflateOptions::threshold`]).
    pub fn should_compress(&self, bytes: usize) -> bool {
        bytes >= self.threshold
    }

    /// Appends the compressed payload of one message to `out`.
    ///
    /// # Errors
    /// [`Error::Limit`] if there is no memory for a zlib state. Nothing has been appended then, and
    /// the next message starts without context, so the connection can go on.
    pub fn compress(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        // RFC 7692 §7.2.3.6: an empty message is one octet. zlib would not say anything if it has
        // just been flushed.
        if payload.is_empty() {
            out.push(0x00);
            return Ok(());
        }
        let start = out.len();
        let result = self.compress_into(payload, out);
        if result.is_err() {
            out.truncate(start);
            self.drop_history();
        }
        result
    }

    fn compress_into(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        match &mut self.context {
            Context::None => {
                let mut state = take_deflate(self.key)?;
                prime(&mut state, [&[], &[]])?;
                message(&mut state.deflate, payload, out)?;
                put_deflate(state);
            }
            Context::History { history, now } => {
                let mut state = take_deflate(self.key)?;
                // The state of the thread may still be in this very context: then it knows more
                // than the history does, and costs nothing to prime.
                if state.left_by != Some(*now) {
                    prime(&mut state, history.parts())?;
                }
                message(&mut state.deflate, payload, out)?;
                history.push(payload)?;
                now.turn = now.turn.wrapping_add(1);
                state.left_by = Some(*now);
                put_deflate(state);
            }
            Context::Own(own) => {
                let state = match own {
                    Some(state) => state,
                    None => own.insert(Box::new(DeflateState::new(self.key)?)),
                };
                message(&mut state.deflate, payload, out)?;
            }
        }
        Ok(())
    }

    /// Forgets and frees the context; the peer never notices.
    ///
    /// The next message only does not refer back. Of use for idle connections, and before a message
    /// whose length must not depend on what was sent earlier.
    pub fn drop_history(&mut self) {
        match &mut self.context {
            Context::None => {}
            Context::History { history, now } => {
                history.clear();
                now.turn = now.turn.wrapping_add(1);
            }
            Context::Own(state) => *state = None,
        }
    }

    /// Takes note of a message that the peer is sent compressed by [`compress_once`](Self::compress_once).
    ///
    /// The peer's window then holds its plain text. A message that is sent uncompressed is in no
    /// window and is not to be noted.
    pub fn note_sent(&mut self, payload: &[u8]) {
        match &mut self.context {
            Context::None => {}
            Context::History { history, now } => {
                now.turn = now.turn.wrapping_add(1);
                if history.push(payload).is_err() {
                    history.clear();
                }
            }
            // A state that has not seen the message would count distances wrongly.
            Context::Own(own) => {
                let Some(state) = own else { return };
                if state.deflate.set_dictionary(payload).is_err() {
                    *own = None;
                }
            }
        }
    }

    /// Appends the payload compressed without any context: to be sent on many connections.
    ///
    /// Any peer whose agreed window is `window_bits` or more can read it. Tell the compressor of
    /// each connection that it goes to ([`note_sent`](Self::note_sent) or
    /// [`drop_history`](Self::drop_history)).
    ///
    /// # Errors
    /// As for [`compress`](Self::compress).
    pub fn compress_once(
        window_bits: WindowBits,
        options: &DeflateOptions,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let key = DeflateKey::new(options, window_bits.get());
        Compressor { key, context: Context::None, threshold: 0 }.compress(payload, out)
    }

    /// What another compressor must have in common to produce what this one's peer can read.
    pub(crate) fn key(&self) -> DeflateKey {
        self.key
    }

    /// A compressor whose messages refer to nothing before them.
    pub(crate) fn without_context(key: DeflateKey) -> Self {
        Compressor { key, context: Context::None, threshold: 0 }
    }

    /// How many bytes of the heap it holds now, to be watched or tested; a zlib state of its own
    /// counts as 380 KB.
    pub fn heap_size(&self) -> usize {
        match &self.context {
            Context::None | Context::Own(None) => 0,
            Context::History { history, .. } => history.heap_size(),
            Context::Own(Some(_)) => 380_000,
        }
    }
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What was sent is not for logs.
        f.debug_struct("Compressor").field("key", &self.key).finish_non_exhaustive()
    }
}

fn prime(state: &mut DeflateState, history: [&[u8]; 2]) -> Result<(), Error> {
    state.left_by = None;
    state.deflate.reset();
    for part in history {
        if !part.is_empty() {
            state.deflate.set_dictionary(part).map_err(failed)?;
        }
    }
    Ok(())
}

/// RFC 7692 §7.2.1: deflate, flush to an octet's end with an empty stored block, remove its tail.
fn message(deflate: &mut Deflate, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let start = out.len();
    let mut rest = payload;
    with_scratch(|scratch| {
        while rest.len() > MAX_PIECE {
            let (piece, later) = rest.split_at(MAX_PIECE);
            run(deflate, piece, DeflateFlush::NoFlush, scratch, out)?;
            rest = later;
        }
        run(deflate, rest, DeflateFlush::SyncFlush, scratch, out)
    })?;
    let end = out.len().saturating_sub(TAIL.len());
    // Longer than the tail: the header of the empty block is in the octet before it.
    if end <= start || out[end..] != TAIL {
        return Err(Error::usage("zlib-rs did not end a flush with an empty stored block"));
    }
    out.truncate(end);
    Ok(())
}

fn run(
    deflate: &mut Deflate,
    mut input: &[u8],
    flush: DeflateFlush,
    scratch: &mut [u8],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    loop {
        let (total_in, total_out) = (deflate.total_in(), deflate.total_out());
        deflate.compress(input, scratch, flush).map_err(failed)?;
        let read = (deflate.total_in() - total_in) as usize;
        let written = (deflate.total_out() - total_out) as usize;
        input = &input[read..];
        out.try_reserve(written).map_err(|_| super::context::out_of_memory())?;
        out.extend_from_slice(&scratch[..written]);
        // zlib.h: a flush is complete once it leaves room in the output.
        if input.is_empty() && written < scratch.len() {
            return Ok(());
        }
        if read == 0 && written == 0 {
            return Err(Error::usage("zlib-rs stopped before the end of a message"));
        }
    }
}

fn failed(error: DeflateError) -> Error {
    match error {
        DeflateError::MemError => super::context::out_of_memory(),
        DeflateError::StreamError | DeflateError::DataError => {
            Error::usage(format!("zlib-rs cannot compress the message: {}", error.as_str()))
        }
    }
}
