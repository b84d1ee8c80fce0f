//! [`Compressor`]: the sending side of permessage-deflate (RFC 7692 §7.2.1).

use super::TAIL;
use super::context::{
    DeflateKey, DeflateState, History, Moment, put_deflate, put_encoder, take_deflate,
    take_encoder, with_scratch,
};
use super::lz77;
use super::params::{DeflateOptions, DeflateParams, WindowBits};
use crate::error::Error;
use crate::role::Role;
use std::sync::atomic::{AtomicU64, Ordering};
use zlib_rs::{Deflate, DeflateError, DeflateFlush};

/// zlib counts in 32 bits; what is larger goes in pieces.
const MAX_PIECE: usize = 1 << 30;

/// RFC 7692 §7.2.3.6: an empty message is one octet. zlib would not say anything if it has just been
/// flushed.
const EMPTY: &[u8] = &[0x00];

/// Compresses the messages of one connection, one after the other.
///
/// Between messages it holds the last bytes that were sent ([`DeflateOptions::history`]) and
/// nothing else. The peer is to see every message that is compressed, in this order; if one is not
/// sent after all, call [`drop_history`](Self::drop_history).
pub struct Compressor {
    key: DeflateKey,
    context: Context,
    threshold: u32,
    slice: u32,
}

/// A message that is being compressed, in slices.
///
/// It holds a zlib state; the context of its compressor changes when it is finished.
pub(crate) struct Job {
    state: Box<DeflateState>,
    /// Bytes of the payload that have been compressed.
    done: usize,
    out: Vec<u8>,
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
        let saturating = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let (threshold, slice) = (saturating(threshold), saturating(options.slice));
        Compressor { key, context, threshold, slice }
    }

    /// Whether a message of this many bytes is to be compressed ([`DeflateOptions::threshold`]).
    pub fn should_compress(&self, bytes: usize) -> bool {
        bytes >= self.threshold as usize
    }

    /// How many bytes are compressed at a stretch ([`DeflateOptions::slice`]).
    pub(crate) fn slice(&self) -> usize {
        self.slice as usize
    }

    /// Appends the compressed payload of one message to `out`.
    ///
    /// # Errors
    /// [`Error::Limit`] if there is no memory for a zlib state. Nothing has been appended then, and
    /// the next message starts without context, so the connection can go on.
    pub fn compress(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        if payload.is_empty() {
            out.extend_from_slice(EMPTY);
            return Ok(());
        }
        let start = out.len();
        let own = matches!(self.context, Context::Own(_));
        let short = payload.len() <= lz77::MAX_MESSAGE && self.key.level() > 0 && !own;
        let result = match short {
            true => self.encode(payload, out),
            false => self.compress_into(payload, out),
        };
        if result.is_err() {
            out.truncate(start);
            self.drop_history();
        }
        result
    }

    /// Compresses a short message, for which a state of zlib is too large.
    fn encode(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let (level, max_distance) = (self.key.level(), self.key.max_distance());
        let mut encoder = take_encoder();
        match &mut self.context {
            Context::History { history, now } => {
                // As with a state of zlib: what is in its context goes on as it is.
                if !encoder.continues(*now, payload.len()) {
                    encoder.prime(history.parts())?;
                }
                encoder.encode(payload, level, max_distance, out)?;
                if history.push(payload).is_err() {
                    history.clear();
                }
                now.turn = now.turn.wrapping_add(1);
                encoder.leave(*now);
            }
            Context::None | Context::Own(_) => {
                encoder.prime([&[], &[]])?;
                encoder.encode(payload, level, max_distance, out)?;
            }
        }
        put_encoder(encoder);
        Ok(())
    }

    fn compress_into(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut state = self.begin()?;
        let (start, mut done) = (out.len(), 0);
        while !slice(&mut state.deflate, payload, &mut done, MAX_PIECE, out)? {}
        finish(start, out)?;
        self.end(state, payload);
        Ok(())
    }

    /// Compresses the next `bytes` of a message that `job` keeps the state of (`None` at first);
    /// the compressed payload once it is whole.
    ///
    /// # Errors
    /// As for [`compress`](Self::compress). The peer has seen nothing of the message, so the
    /// context is what it was.
    pub(crate) fn advance(
        &mut self,
        job: &mut Option<Job>,
        payload: &[u8],
        bytes: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        if payload.is_empty() {
            return Ok(Some(EMPTY.to_vec()));
        }
        let mut this = match job.take() {
            Some(job) => job,
            None => Job { state: self.begin()?, done: 0, out: Vec::new() },
        };
        let bytes = bytes.min(MAX_PIECE);
        if !slice(&mut this.state.deflate, payload, &mut this.done, bytes, &mut this.out)? {
            *job = Some(this);
            return Ok(None);
        }
        finish(0, &mut this.out)?;
        self.end(this.state, payload);
        Ok(Some(this.out))
    }

    /// The zlib state for the next message, in the context that the message may refer to.
    fn begin(&mut self) -> Result<Box<DeflateState>, Error> {
        match &mut self.context {
            Context::None => {
                let mut state = take_deflate(self.key)?;
                prime(&mut state, [&[], &[]])?;
                Ok(state)
            }
            Context::History { history, now } => {
                let mut state = take_deflate(self.key)?;
                // The state of the thread may still be in this very context: then it knows more
                // than the history does, and costs nothing to prime.
                if state.left_by != Some(*now) {
                    prime(&mut state, history.parts())?;
                }
                Ok(state)
            }
            Context::Own(own) => match own.take() {
                Some(state) => Ok(state),
                None => DeflateState::new(self.key),
            },
        }
    }

    /// Takes note of a message that `state` has compressed.
    fn end(&mut self, mut state: Box<DeflateState>, payload: &[u8]) {
        match &mut self.context {
            Context::None => put_deflate(state),
            Context::History { history, now } => {
                if history.push(payload).is_err() {
                    history.clear();
                }
                now.turn = now.turn.wrapping_add(1);
                state.left_by = Some(*now);
                put_deflate(state);
            }
            Context::Own(own) => *own = Some(state),
        }
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
        Compressor::without_context(key).compress(payload, out)
    }

    /// What another compressor must have in common to produce what this one's peer can read.
    pub(crate) fn key(&self) -> DeflateKey {
        self.key
    }

    /// A compressor whose messages refer to nothing before them.
    pub(crate) fn without_context(key: DeflateKey) -> Self {
        Compressor { key, context: Context::None, threshold: 0, slice: u32::MAX }
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

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("done", &self.done).finish_non_exhaustive()
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

/// Deflates the next `bytes` of `payload`, of which `done` have been; true once that was all.
fn slice(
    deflate: &mut Deflate,
    payload: &[u8],
    done: &mut usize,
    bytes: usize,
    out: &mut Vec<u8>,
) -> Result<bool, Error> {
    let rest = &payload[*done..];
    let piece = &rest[..rest.len().min(bytes)];
    *done += piece.len();
    let last = piece.len() == rest.len();
    // RFC 7692 §7.2.1: a flush to an octet's end, which zlib makes with an empty stored block.
    let flush = if last { DeflateFlush::SyncFlush } else { DeflateFlush::NoFlush };
    with_scratch(|scratch| run(deflate, piece, flush, scratch, out))?;
    Ok(last)
}

/// RFC 7692 §7.2.1: removes the tail of the message that begins at `start`.
fn finish(start: usize, out: &mut Vec<u8>) -> Result<(), Error> {
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
