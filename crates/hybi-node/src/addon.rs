//! What JavaScript can call: see `node/lib/codec/native.js`, the only caller.

use crate::decoder::{Decoder, Options};
use crate::deflate::{self, Compressing, Decompressing, Inflater, Output};
use crate::napi::{Call, Export, Module, Refused, Shared, Value};
use crate::records::{self, Records};
use crate::slab::Slab;
use crate::socket;
use hybi_proto::{Compressor, Role};

/// What one environment holds: the main thread, or a worker.
pub(crate) struct Addon {
    shared: Shared,
    decoders: Slab<Decoder>,
    pub(crate) compressors: Slab<Compressor>,
    pub(crate) decompressors: Slab<Inflater>,
    pub(crate) output: Output,
    /// The frame that is being sent.
    frame: Vec<u8>,
}

/// Sets the module up.
pub(crate) fn set_up(module: &mut Module) -> Result<(), Refused> {
    let shared = module.shared(c"shared", records::SHARED)?;
    let addon = module.keep(Addon {
        shared,
        decoders: Slab::new(),
        compressors: Slab::new(),
        decompressors: Slab::new(),
        output: Output::default(),
        frame: Vec::new(),
    })?;
    module.text(c"version", env!("CARGO_PKG_VERSION"))?;
    module.function(&addon, NewDecoder)?;
    module.function(&addon, FreeDecoder)?;
    module.function(&addon, Decode)?;
    module.function(&addon, Read)?;
    module.function(&addon, Mask)?;
    module.function(&addon, Send)?;
    module.function(&addon, SendFrame)?;
    module.function(&addon, NewCompressor)?;
    module.function(&addon, FreeCompressor)?;
    module.function(&addon, Compress)?;
    module.function(&addon, CompressLater)?;
    module.function(&addon, NewDecompressor)?;
    module.function(&addon, FreeDecompressor)?;
    module.function(&addon, Decompress)?;
    module.function(&addon, DecompressLater)?;
    module.function(&addon, Fetch)?;
    module.function(&addon, Take)?;
    module.function(&addon, Count)
}

/// Functions for JavaScript: a type, its name there, its arguments in a comment, and what it does.
macro_rules! exports {
    ($($(#[doc = $doc:literal])+ $type:ident $name:literal = |$call:ident, $addon:ident| $body:expr;)+) => {$(
        $(#[doc = $doc])+
        struct $type;

        impl Export<Addon> for $type {
            const NAME: &'static std::ffi::CStr = $name;

            #[inline]
            fn call($call: &mut Call<'_>, $addon: &mut Addon) -> Result<Value, Refused> {
                $body
            }
        }
    )+};
}

exports! {
    /// isServer, rsv1Allowed, maxPayload, maxFragments, maxBufferedChunks, validate → number
    NewDecoder c"newDecoder" = |call, addon| {
        let options = Options {
            role: if call.boolean(0)? { Role::Server } else { Role::Client },
            compression: call.boolean(1)?,
            max_payload: call.length(2)?,
            max_fragments: call.number(3)?,
            max_buffered_chunks: call.number(4)?,
            validate: call.boolean(5)?,
        };
        let number = addon.decoders.insert(Decoder::new(options))?;
        call.answer(number)
    };

    /// number
    FreeDecoder c"freeDecoder" = |call, addon| {
        addon.decoders.remove(call.number(0)?)?;
        Ok(call.nothing())
    };

    /// number, chunk, from, end → the number of records in `shared`
    Decode c"decode" = |call, addon| {
        let decoder = addon.decoders.get(call.number(0)?)?;
        let (from, end) = (call.number(2)? as usize, call.length(3)?);
        let chunk = call.octets(1)?;
        let end = end.min(chunk.len());
        let chunk = &mut chunk[..end];
        if chunk.len() > u32::MAX as usize {
            return Err(Refused(c"a chunk of 4 GiB or more cannot be decoded at once"));
        }
        let mut records = Records::new(addon.shared.words());
        let consumed = decoder.decode(chunk, from, &mut records);
        let count = records.end(consumed);
        call.answer(count)
    };

    /// number, chunk, end, target, offset in the target (both `ArrayBuffer`s) → as `decode`. If the
    /// chunk is one whole message, and the target has room for it, the message is copied there:
    /// then its length and kind, see `records::only`
    Read c"read" = |call, addon| {
        let decoder = addon.decoders.get(call.number(0)?)?;
        let (end, offset) = (call.number(2)? as usize, call.number(4)? as usize);
        let (chunk, target) = call.memories(1, 3)?;
        let end = end.min(chunk.len());
        let chunk = &mut chunk[..end];
        let mut records = Records::new(addon.shared.words());
        let consumed = decoder.decode(chunk, 0, &mut records);
        if let Some((kind, payload)) = records.only_message(chunk) {
            let len = payload.len();
            if let Some(place) = target.get_mut(offset..).and_then(|room| room.get_mut(..len)) {
                place.copy_from_slice(payload);
                return call.answer(records::only(kind, len));
            }
        }
        let count = records.end(consumed);
        call.answer(count)
    };

    /// source, target, offset in the target, length, key as a little-endian number
    Mask c"mask" = |call, _addon| {
        let (offset, len) = (call.length(2)?, call.length(3)?);
        let key = call.number(4)?.to_le_bytes();
        call.copy(0, 1, offset, len)?;
        hybi_bytes::mask(&mut call.octets(1)?[offset..offset + len], key, 0);
        Ok(call.nothing())
    };

    /// descriptor of a socket, buffer, from, to, [buffer] → how many octets the kernel took of the
    /// first one's range and of the second; fewer than all, also in case of an error
    Send c"send" = |call, _addon| {
        let (from, to) = (call.length(2)?, call.length(3)?);
        let Some(first) = call.octets_to_read(1)?.get(from..to) else {
            return Err(Refused(c"the range reaches beyond the end of a Buffer"));
        };
        let second = if call.passed(4) { call.octets_to_read(4)? } else { &[] };
        call.answer(socket::send(call.descriptor(0)?, first, second))
    };

    /// descriptor of a socket, first octet of a frame, payload → how many octets the kernel took of
    /// the frame, unmasked, as `send` tells
    SendFrame c"sendFrame" = |call, addon| {
        let first = call.number(1)? as u8;
        let payload = call.octets_to_read(2)?;
        let (head, head_len) = match payload.len() {
            len @ ..126 => ([first, len as u8, 0, 0], 2),
            len => match u16::try_from(len).map(u16::to_be_bytes) {
                Ok([high, low]) => ([first, 126, high, low], 4),
                Err(_) => return Err(Refused(c"the payload is too long for this")),
            },
        };
        addon.frame.clear();
        hybi_bytes::append_framed(&mut addon.frame, head, head_len, payload);
        call.answer(socket::send(call.descriptor(0)?, &addon.frame, &[]))
    };

    /// windowBits, noContextTakeover, level, memLevel → number
    NewCompressor c"newCompressor" = |call, addon| {
        let compressor =
            deflate::compressor(call.number(0)?, call.boolean(1)?, call.number(2)?, call.number(3)?);
        let number = addon.compressors.insert(compressor)?;
        call.answer(number)
    };

    /// number
    FreeCompressor c"freeCompressor" = |call, addon| {
        addon.compressors.remove(call.number(0)?)?;
        Ok(call.nothing())
    };

    /// number, message, fin → the length of the output, or a negative number
    Compress c"compress" = |call, addon| {
        let (number, fin) = (call.number(0)?, call.boolean(2)?);
        let result = addon.compress(number, call.octets(1)?, fin)?;
        call.answer_length(result)
    };

    /// number, message, fin, callback(as `compress` returns)
    CompressLater c"compressLater" = |call, addon| {
        let (number, fin) = (call.number(0)?, call.boolean(2)?);
        let message = call.octets(1)?.to_vec();
        let task = Compressing::begin(addon, number, message, fin)?;
        call.queue(3, task, addon)?;
        Ok(call.nothing())
    };

    /// windowBits, noContextTakeover → number
    NewDecompressor c"newDecompressor" = |call, addon| {
        let decompressor = deflate::decompressor(call.number(0)?, call.boolean(1)?);
        let number = addon.decompressors.insert(decompressor)?;
        call.answer(number)
    };

    /// number
    FreeDecompressor c"freeDecompressor" = |call, addon| {
        addon.decompressors.remove(call.number(0)?)?;
        Ok(call.nothing())
    };

    /// number, piece, fin, limit, stretch → the length of the output, or a negative number
    Decompress c"decompress" = |call, addon| {
        let (number, fin, limit) = (call.number(0)?, call.boolean(2)?, call.length(3)?);
        let stretch = call.length(4)?;
        let result = addon.decompress(number, call.octets(1)?, fin, limit, stretch)?;
        call.answer_length(result)
    };

    /// number, piece, fin, limit, callback(as `decompress` returns); `fetch` gets the output
    DecompressLater c"decompressLater" = |call, addon| {
        let (number, fin, limit) = (call.number(0)?, call.boolean(2)?, call.length(3)?);
        let piece = call.octets(1)?.to_vec();
        let task = Decompressing::begin(addon, number, piece, fin, limit)?;
        call.queue(4, task, addon)?;
        Ok(call.nothing())
    };

    /// number: has `take` take what `decompressLater` has made for this decompressor
    Fetch c"fetch" = |call, addon| {
        addon.fetch(call.number(0)?)?;
        Ok(call.nothing())
    };

    /// target, offset: writes the output of the last call there
    Take c"take" = |call, addon| {
        let offset = call.length(1)?;
        addon.output.take(call.octets(0)?, offset)?;
        Ok(call.nothing())
    };

    /// → how many decoders and contexts there are: for tests to see that they are freed
    Count c"count" = |call, addon| {
        let count = addon.decoders.len() + addon.compressors.len() + addon.decompressors.len();
        call.answer(count as u32)
    };
}
