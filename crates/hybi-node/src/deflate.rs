//! permessage-deflate for JavaScript: contexts by number, worked on in place or in the pool.
//!
//! What a call produces waits in [`Output`] until JavaScript, which allocates the Buffer it wants,
//! takes it. The messages of a connection are worked on one after the other: while one is in the
//! pool, its context is not here, and another call for it is refused.

use crate::addon::Addon;
use crate::napi::{Refused, Task};
use hybi_proto::{
    Compressor, Decompressor, DeflateOptions, DeflateParams, Error, ErrorCode, ErrorDetail, Role,
    WindowBits,
};

/// The end of a flush, which only the last fragment of a message loses (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// An output larger than this is not kept for the next one.
const KEPT: usize = 256 * 1024;

/// What the last call produced.
#[derive(Default)]
pub(crate) struct Output(Vec<u8>);

impl Output {
    /// Writes what was produced to the end of `target`, of which the front may be a header.
    pub(crate) fn take(&mut self, target: &mut [u8], from: usize) -> Result<(), Refused> {
        let place = target.get_mut(from..).and_then(|rest| rest.get_mut(..self.0.len()));
        let place = place.ok_or(Refused(c"the Buffer is too small for the output"))?;
        place.copy_from_slice(&self.0);
        if self.0.capacity() > KEPT {
            self.0 = Vec::new();
        }
        self.0.clear();
        Ok(())
    }
}

/// The message is larger than allowed, or than there is memory for.
const TOO_LARGE: i64 = -1;
/// The work was not done: a task that has not been run, or has panicked.
const NOT_DONE: i64 = -2;
/// There is more to inflate than was to be inflated at once: the pool goes on with the same piece.
const UNFINISHED: i64 = -3;
/// It is not DEFLATE data; so much less the length of the reason, which is put out instead.
const INVALID: i64 = -16;

/// The number that stands for a result: the length of the output, or one of the above.
fn number(result: Result<(), Error>, out: &mut Vec<u8>) -> i64 {
    match result {
        Ok(()) => out.len() as i64,
        Err(Error::Limit(_)) => TOO_LARGE,
        Err(error) => {
            let reason = reason(error.detail().text());
            out.clear();
            out.extend_from_slice(reason.as_bytes());
            INVALID - reason.len() as i64
        }
    }
}

/// What zlib says, without the sentence around it: `ws` hands on no more.
fn reason(text: &str) -> &str {
    let (_, rest) = text.split_once("DEFLATE data: ").unwrap_or(("", text));
    rest.rsplit_once(" (RFC").map_or(rest, |(reason, _)| reason)
}

fn window(bits: u32) -> WindowBits {
    // zlib has no raw deflate with 8 bits; what is compressed for 8 is read with 9, and what `compress`
    // makes with 9 never refers back further than 8 bits reach.
    let bits = u8::try_from(bits).unwrap_or(u8::MAX);
    WindowBits::new(bits).unwrap_or(if bits < 9 { WindowBits::MIN } else { WindowBits::MAX })
}

/// A compressor for what this side sends.
pub(crate) fn compressor(
    window_bits: u32,
    no_context_takeover: bool,
    level: u32,
    memory_level: u32,
) -> Compressor {
    let params =
        DeflateParams::default().with(Role::Server, no_context_takeover, window(window_bits));
    let options = DeflateOptions::new()
        .level(u8::try_from(level).unwrap_or(u8::MAX))
        .memory_level(u8::try_from(memory_level).unwrap_or(u8::MAX));
    // Which side this is makes no difference but for which of the parameters count.
    Compressor::new(Role::Server, &params, &options)
}

/// A decompressor, and how much of the message in progress it has handed out.
pub(crate) struct Inflater {
    decompressor: Decompressor,
    produced: usize,
    /// A piece that is not finished.
    begun: Option<Begun>,
    /// What the pool has made, until JavaScript wants it.
    done: Vec<u8>,
}

/// How far a piece has been read, and what has come of it.
struct Begun {
    read: usize,
    out: Vec<u8>,
}

/// A decompressor for what the peer sends.
pub(crate) fn decompressor(window_bits: u32, no_context_takeover: bool) -> Inflater {
    let params =
        DeflateParams::default().with(Role::Server, no_context_takeover, window(window_bits));
    Inflater {
        decompressor: Decompressor::new(Role::Client, &params),
        produced: 0,
        begun: None,
        done: Vec::new(),
    }
}

/// Compresses a message, or with `fin` false a fragment of one.
fn compress(compressor: &mut Compressor, message: &[u8], fin: bool, out: &mut Vec<u8>) -> i64 {
    out.clear();
    let result = compressor.compress(message, out);
    if !fin && result.is_ok() {
        out.extend_from_slice(&TAIL);
    }
    number(result, out)
}

/// Decompresses a piece of a message; it may come to `limit` bytes (0: to any number).
///
/// After about `stretch` bytes it stops, and tells [`UNFINISHED`]; then the next call has to be for
/// the same piece, and goes on.
fn decompress(
    inflater: &mut Inflater,
    piece: &[u8],
    fin: bool,
    limit: usize,
    stretch: usize,
    out: &mut Vec<u8>,
) -> i64 {
    let Inflater { decompressor, produced, begun, .. } = inflater;
    out.clear();
    let mut rest = piece;
    if let Some(Begun { read, out: before }) = begun.take() {
        rest = piece.get(read..).unwrap_or_default();
        *out = before;
    }
    let limit = if limit == 0 { usize::MAX } else { produced.saturating_add(limit) };
    let mut sink = |plain: &[u8]| {
        out.try_reserve(plain.len()).map_err(|_| no_memory())?;
        out.extend_from_slice(plain);
        Ok(())
    };
    let result = decompressor.decompress_stretch(&mut rest, fin, limit, stretch, &mut sink);
    if let Ok(false) = result {
        *begun = Some(Begun { read: piece.len() - rest.len(), out: std::mem::take(out) });
        return UNFINISHED;
    }
    *produced = if fin { 0 } else { produced.saturating_add(out.len()) };
    number(result.map(|_| ()), out)
}

#[cold]
fn no_memory() -> Error {
    let text = "there is no memory left to decompress a message";
    Error::Limit(ErrorDetail::new(ErrorCode::UnsupportedMessageLength, text))
}

impl Addon {
    pub(crate) fn compress(
        &mut self,
        number: u32,
        message: &[u8],
        fin: bool,
    ) -> Result<i64, Refused> {
        Ok(compress(self.compressors.get(number)?, message, fin, &mut self.output.0))
    }

    pub(crate) fn decompress(
        &mut self,
        number: u32,
        piece: &[u8],
        fin: bool,
        limit: usize,
        stretch: usize,
    ) -> Result<i64, Refused> {
        let inflater = self.decompressors.get(number)?;
        Ok(decompress(inflater, piece, fin, limit, stretch, &mut self.output.0))
    }

    /// Makes what the pool has inflated what the last call produced.
    pub(crate) fn fetch(&mut self, number: u32) -> Result<(), Refused> {
        self.output.0 = std::mem::take(&mut self.decompressors.get(number)?.done);
        Ok(())
    }
}

/// A message that is compressed in the pool.
pub(crate) struct Compressing {
    number: u32,
    context: Compressor,
    /// A copy: JavaScript may write to its Buffer meanwhile.
    message: Vec<u8>,
    fin: bool,
    out: Vec<u8>,
    result: i64,
}

impl Compressing {
    pub(crate) fn begin(
        addon: &mut Addon,
        number: u32,
        message: Vec<u8>,
        fin: bool,
    ) -> Result<Box<Self>, Refused> {
        let context = addon.compressors.lend(number)?;
        let (out, result) = (Vec::new(), NOT_DONE);
        Ok(Box::new(Compressing { number, context, message, fin, out, result }))
    }
}

impl Task<Addon> for Compressing {
    fn run(&mut self) {
        self.result = compress(&mut self.context, &self.message, self.fin, &mut self.out);
    }

    fn finish(self: Box<Self>, addon: &mut Addon) -> i64 {
        let Compressing { number, context, out, result, .. } = *self;
        addon.compressors.put_back(number, context);
        addon.output.0 = out;
        result
    }
}

/// A piece of a message that is decompressed in the pool.
pub(crate) struct Decompressing {
    number: u32,
    context: Inflater,
    /// A copy: see [`Compressing`].
    piece: Vec<u8>,
    fin: bool,
    limit: usize,
    out: Vec<u8>,
    result: i64,
}

impl Decompressing {
    pub(crate) fn begin(
        addon: &mut Addon,
        number: u32,
        piece: Vec<u8>,
        fin: bool,
        limit: usize,
    ) -> Result<Box<Self>, Refused> {
        let context = addon.decompressors.lend(number)?;
        let (out, result) = (Vec::new(), NOT_DONE);
        Ok(Box::new(Decompressing { number, context, piece, fin, limit, out, result }))
    }
}

impl Task<Addon> for Decompressing {
    fn run(&mut self) {
        let Decompressing { context, piece, fin, limit, out, .. } = self;
        self.result = UNFINISHED;
        while self.result == UNFINISHED {
            self.result = decompress(context, piece, *fin, *limit, usize::MAX, out);
        }
    }

    fn finish(self: Box<Self>, addon: &mut Addon) -> i64 {
        let Decompressing { number, mut context, out, result, .. } = *self;
        context.done = out;
        addon.decompressors.put_back(number, context);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: usize = usize::MAX;

    #[test]
    fn a_message_is_read_as_it_was_written_in_pieces_with_any_window() {
        let message = b"once upon a time ".repeat(100);
        for bits in 8..=15 {
            let mut sender = compressor(bits, false, 6, 8);
            let mut receiver = decompressor(bits, false);
            for _ in 0..3 {
                let (mut wire, mut plain, mut all) = (Vec::new(), Vec::new(), Vec::new());
                assert_eq!(compress(&mut sender, &message, true, &mut wire), wire.len() as i64);
                let (first, second) = wire.split_at(wire.len() / 2);
                for (piece, fin) in [(first, false), (second, true)] {
                    let len = decompress(&mut receiver, piece, fin, 10_000, ALL, &mut plain);
                    assert_eq!(len, plain.len() as i64);
                    all.extend_from_slice(&plain);
                }
                assert_eq!(all, message);
            }
        }
    }

    #[test]
    fn fragments_are_read_as_one_message_and_the_limit_counts_from_call_to_call() {
        let (mut sender, mut receiver) = (compressor(15, false, 6, 8), decompressor(15, false));
        let (mut wire, mut plain) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            for (fragment, fin) in [(&b"Hel"[..], false), (b"", false), (b"lo", true)] {
                compress(&mut sender, fragment, fin, &mut wire);
                let len = decompress(&mut receiver, &wire, fin, 3, ALL, &mut plain);
                assert_eq!((len, &plain[..]), (fragment.len() as i64, fragment));
            }
        }
    }

    #[test]
    fn a_stretch_ends_and_the_next_goes_on_as_if_it_had_not() {
        let long = b"once upon a time ".repeat(20_000);
        let (mut sender, mut receiver) = (compressor(15, false, 6, 8), decompressor(15, false));
        let (mut wire, mut plain) = (Vec::new(), Vec::new());
        for message in [&b"short"[..], &long, b"short", &long] {
            for (fragment, fin) in [(message, false), (b" and its end", true)] {
                compress(&mut sender, fragment, fin, &mut wire);
                let mut stretches = 1;
                while decompress(&mut receiver, &wire, fin, long.len(), 64 * 1024, &mut plain)
                    == UNFINISHED
                {
                    assert!(plain.is_empty());
                    stretches += 1;
                }
                assert_eq!(stretches, 1 + fragment.len() / (64 * 1024));
                assert!(plain == fragment);
            }
        }
    }

    #[test]
    fn a_limit_below_or_beyond_a_stretch_is_kept() {
        let (mut wire, mut plain) = (Vec::new(), Vec::new());
        compress(&mut compressor(15, false, 6, 8), &vec![0; 1_000_000], true, &mut wire);
        for limit in [1, 1000, 65_535, 65_536, 300_000, 999_999] {
            let mut receiver = decompressor(15, false);
            let mut result = UNFINISHED;
            let mut stretches = 0;
            while result == UNFINISHED {
                result = decompress(&mut receiver, &wire, true, limit, 64 * 1024, &mut plain);
                stretches += 1;
            }
            assert_eq!(result, TOO_LARGE, "{limit}");
            // A bomb is not inflated beyond its limit.
            assert_eq!(stretches, 1 + limit / (64 * 1024), "{limit}");
            assert!(plain.len() <= limit);
        }
    }

    #[test]
    fn an_error_is_a_negative_number() {
        let mut plain = Vec::new();
        let mut receiver = decompressor(15, false);
        let message = [0x4a, 0x4c, 0x04, 0x00];
        let too_large = decompress(&mut receiver, &message, true, 1, ALL, &mut plain);
        assert_eq!(too_large, TOO_LARGE);
        let mut receiver = decompressor(15, false);
        let invalid = decompress(&mut receiver, &[0xff; 9], true, 100, ALL, &mut plain);
        let reason = b"invalid block type";
        assert_eq!(invalid, INVALID - reason.len() as i64);
        assert_eq!(plain, reason);
    }

    #[test]
    fn output_is_taken_once_and_only_where_it_fits() {
        let mut output = Output(b"abc".to_vec());
        assert!(output.take(&mut [0; 4], 2).is_err() && output.take(&mut [0; 1], 2).is_err());
        let mut target = [0; 5];
        output.take(&mut target, 2).unwrap();
        assert_eq!(&target, b"\0\0abc");
        assert!(output.0.is_empty());
    }
}
