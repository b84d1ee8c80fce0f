//! [`Decompressor`]: the receiving side of permessage-deflate (RFC 7692 §7.2.2).

use super::TAIL;
use super::context::{
    History, SCRATCH, out_of_memory, put_decoder, put_inflate, take_decoder, take_inflate,
    with_scratch,
};
use super::inflate;
use super::params::DeflateParams;
use crate::code::ErrorCode;
use crate::error::Error;
use crate::limits::message_too_large;
use crate::role::Role;
use zlib_rs::{Inflate, InflateError, InflateFlush, Status};

/// zlib counts in 32 bits; what is larger goes in pieces.
const MAX_PIECE: usize = 1 << 30;

/// A final empty block with fixed codes, fed after the tail. Only a state that stands between two
/// blocks, at the start of an octet, answers it with the end of the stream.
const FINAL_BLOCK: [u8; 2] = [0x03, 0x00];

/// Decompresses the messages of one connection, one after the other, in pieces as they arrive.
///
/// Between messages it holds the window that the peer may refer to: as much as was received, up to
/// the agreed size, and nothing without context takeover. A message that has arrived in part holds
/// a zlib state (46 KiB) until its end.
pub struct Decompressor {
    window: History,
    /// The state of a message that has begun.
    inflate: Option<Box<Inflate>>,
    /// How much of this message has been handed out.
    produced: usize,
    /// The octets read so far end with a final block (BFINAL=1).
    ended: bool,
    failed: bool,
    /// How many bytes may be worked on at a stretch, and how many of them are left.
    slice: u32,
    left: u32,
    /// The stretch has ended with work left to be done.
    paused: bool,
}

impl Decompressor {
    /// A decompressor for what the peer of `role`, this side, sends.
    pub fn new(role: Role, params: &DeflateParams) -> Self {
        Decompressor::in_slices(role, params, usize::MAX)
    }

    /// One whose [`decompress_slice`](Self::decompress_slice) pauses after so many bytes.
    pub(crate) fn in_slices(role: Role, params: &DeflateParams, slice: usize) -> Self {
        let peer = match role {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        };
        let window = match params.no_context_takeover(peer) {
            true => 0,
            false => params.max_window_bits(peer).size(),
        };
        let slice = u32::try_from(slice).unwrap_or(u32::MAX);
        Decompressor {
            window: History::new(window),
            inflate: None,
            produced: 0,
            ended: false,
            failed: false,
            slice,
            left: slice,
            paused: false,
        }
    }

    /// Decompresses the next piece of a message and hands its plain text to `sink`, in slices of at
    /// most 16 KiB.
    ///
    /// Pieces are of any size; `fin` comes with the last one, which may be empty. No more than
    /// `max_message_size` bytes of a message are ever handed out. What `sink` got of a message is
    /// good only once its last piece has been accepted.
    ///
    /// # Errors
    /// [`Error::Limit`] with `WS_ERR_UNSUPPORTED_MESSAGE_LENGTH` if the message is larger than
    /// `max_message_size`; [`Error::Protocol`] with `WS_ERR_INVALID_COMPRESSED_DATA` if it is not
    /// DEFLATE data, or not all of it; and what `sink` returns. The connection must fail then: the
    /// context is lost, and every further call fails.
    pub fn decompress(
        &mut self,
        mut input: &[u8],
        fin: bool,
        max_message_size: usize,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        while !self.decompress_slice(&mut input, fin, max_message_size, sink)? {}
        Ok(())
    }

    /// As [`decompress`](Self::decompress), but ends once about `stretch` bytes have been handed out
    /// (or read, if there is more of those): then it returns false, and the next call, of this or
    /// of `decompress`, must go on with what is left of `input`.
    ///
    /// # Errors
    /// As `decompress`.
    pub fn decompress_stretch(
        &mut self,
        input: &mut &[u8],
        fin: bool,
        max_message_size: usize,
        stretch: usize,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        self.paused = false;
        self.left = u32::try_from(stretch).unwrap_or(u32::MAX).max(1);
        let result = self.decompress_slice(input, fin, max_message_size, sink);
        self.left = self.slice;
        result
    }

    /// As [`decompress`](Self::decompress), but ends when the stretch does: then it is
    /// [paused](Self::is_paused), returns false, and goes on with what it has left of `input`
    /// when it is called again.
    pub(crate) fn decompress_slice(
        &mut self,
        input: &mut &[u8],
        fin: bool,
        max_message_size: usize,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        if self.failed {
            return Err(invalid("an earlier message of the connection could not be decompressed"));
        }
        if self.paused {
            self.left = self.slice;
        }
        // Messages share a stretch: many small ones take as long as a large one.
        self.paused = self.left == 0;
        if self.paused {
            return Ok(false);
        }
        let result = self.piece(input, fin, max_message_size, sink);
        if result.is_err() {
            self.failed = true;
            self.paused = false;
            self.inflate = None;
            self.window.clear();
        }
        result?;
        Ok(!self.paused)
    }

    /// True if the last stretch ended with work left to be done.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// True between the first octet of a message and its end: a zlib state is held.
    pub fn in_message(&self) -> bool {
        self.inflate.is_some()
    }

    /// How many bytes of the heap the window holds now, to be watched or tested.
    pub fn heap_size(&self) -> usize {
        self.window.heap_size()
    }

    fn piece(
        &mut self,
        input: &mut &[u8],
        fin: bool,
        max: usize,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.inflate.is_none() {
            // A message of no octets at all: RFC 7692 §7.2.3.6 has an octet 0x00 instead, but zlib
            // leads senders to this, and it cannot mean anything else than the empty message.
            if input.is_empty() {
                return Ok(());
            }
            if fin && self.short(input, max, sink)? {
                return Ok(());
            }
            self.inflate = Some(primed(&self.window)?);
        }
        with_scratch(|scratch| {
            self.feed(input, max, scratch, sink)?;
            if fin && !self.paused { self.finish(scratch) } else { Ok(()) }
        })
    }

    /// Decompresses a short message that has come whole, or leaves it as it is and returns false.
    fn short(
        &mut self,
        input: &mut &[u8],
        max: usize,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let left = self.left as usize;
        if input.len() > left.min(inflate::MAX_INPUT) {
            return Ok(false);
        }
        let mut decoder = take_decoder();
        let Some(plain) = decoder.decode(input, self.window.parts(), max.min(left)) else {
            put_decoder(decoder);
            return Ok(false);
        };
        self.left -= plain.len().max(input.len()) as u32;
        *input = &[];
        self.window.push(plain)?;
        plain.chunks(SCRATCH).try_for_each(sink)?;
        put_decoder(decoder);
        Ok(true)
    }

    fn feed(
        &mut self,
        input: &mut &[u8],
        max: usize,
        scratch: &mut [u8],
        sink: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(inflate) = &mut self.inflate else { return Ok(()) };
        loop {
            if self.ended && !input.is_empty() {
                // RFC 1951 §3.2.3: BFINAL ends the data set; what follows is another one, with
                // nothing to refer to. (RFC 7692 §7.2.3.4 has it followed by an octet 0x00.)
                inflate.reset(false);
                self.ended = false;
            }
            // One octet more than is allowed tells a message that is too large.
            let allowed = max.saturating_sub(self.produced);
            let room = scratch.len().min(allowed.saturating_add(1));
            let piece = input.len().min(MAX_PIECE).min(self.left as usize);
            let step = step(inflate, &input[..piece], &mut scratch[..room])?;
            *input = &input[step.read..];
            self.ended |= step.ended;
            // Blocks without content are work as well.
            self.left = self.left.saturating_sub(step.written.max(step.read) as u32);
            if step.written > allowed {
                return Err(message_too_large(max));
            }
            if step.written > 0 {
                self.produced += step.written;
                self.window.push(&scratch[..step.written])?;
                sink(&scratch[..step.written])?;
            }
            // Room left in the output: everything that the input holds has been handed out.
            if input.is_empty() && (step.written < room || self.ended) {
                return Ok(());
            }
            if step.read == 0 && step.written == 0 {
                return Err(invalid("the decoder does not get on with it"));
            }
            if self.left == 0 {
                self.paused = true;
                return Ok(());
            }
        }
    }

    /// RFC 7692 §7.2.2: the removed tail is put back, and must end the message.
    fn finish(&mut self, scratch: &mut [u8]) -> Result<(), Error> {
        let Some(mut inflate) = self.inflate.take() else { return Ok(()) };
        // A message may end with a final block itself; that the empty block is then missing, which
        // RFC 7692 §7.2.1 has follow it, loses nothing.
        if !self.ended {
            let [a, b, c, d] = TAIL;
            let [e, f] = FINAL_BLOCK;
            let step = step(&mut inflate, &[a, b, c, d, e, f], scratch)?;
            // Whatever else the tail is read as: it was in the middle of a block.
            if step.written > 0 || step.read < TAIL.len() + FINAL_BLOCK.len() || !step.ended {
                return Err(invalid("it ends within a block"));
            }
        }
        put_inflate(inflate);
        self.produced = 0;
        self.ended = false;
        Ok(())
    }
}

impl std::fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What was received is not for logs.
        f.debug_struct("Decompressor").field("failed", &self.failed).finish_non_exhaustive()
    }
}

fn primed(window: &History) -> Result<Box<Inflate>, Error> {
    let mut inflate = take_inflate()?;
    for part in window.parts() {
        if !part.is_empty() {
            inflate.set_dictionary(part).map_err(|error| failed(&inflate, error))?;
        }
    }
    Ok(inflate)
}

/// What one call of zlib did.
struct Step {
    read: usize,
    written: usize,
    ended: bool,
}

fn step(inflate: &mut Inflate, input: &[u8], output: &mut [u8]) -> Result<Step, Error> {
    let (total_in, total_out) = (inflate.total_in(), inflate.total_out());
    let status = inflate
        .decompress(input, output, InflateFlush::SyncFlush)
        .map_err(|error| failed(inflate, error))?;
    Ok(Step {
        read: (inflate.total_in() - total_in) as usize,
        written: (inflate.total_out() - total_out) as usize,
        ended: status == Status::StreamEnd,
    })
}

fn failed(inflate: &Inflate, error: InflateError) -> Error {
    match error {
        InflateError::MemError => out_of_memory(),
        // A raw stream has no dictionary to ask for.
        InflateError::DataError | InflateError::StreamError | InflateError::NeedDict { .. } => {
            invalid(inflate.error_message().unwrap_or(error.as_str()))
        }
    }
}

fn invalid(why: &str) -> Error {
    let text = format!("a compressed message is not valid DEFLATE data: {why} (RFC 7692 §7.2.2)");
    Error::protocol(ErrorCode::InvalidCompressedData, text)
}
