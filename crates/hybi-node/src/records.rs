//! [`Records`]: the table in which a chunk is described, as `node/lib/codec/records.js` names it.

use hybi_proto::ErrorCode;

/// Words in a record: kind and flags, offset, length, extra.
pub(crate) const WORDS: usize = 4;
/// Records that the table holds.
pub(crate) const CAPACITY: usize = 256;
/// The longest payload of a control frame (RFC 6455 §5.5).
pub(crate) const SIDE: usize = 125;

/// Where decoding stopped.
const CONSUMED: usize = CAPACITY * WORDS;
/// The length of the control payload that follows; 0 if none of the records is about it.
const SIDE_LEN: usize = CONSUMED + 1;
const SIDE_OCTETS: usize = SIDE_LEN + 1;
/// Words that JavaScript shares with us.
pub(crate) const SHARED: usize = SIDE_OCTETS + SIDE.div_ceil(4);

pub(crate) const PIECE: u32 = 0x00;
pub(crate) const TEXT: u32 = 0x01;
pub(crate) const BINARY: u32 = 0x02;
pub(crate) const ERROR: u32 = 0x0f;

pub(crate) const FIRST: u32 = 0x10;
pub(crate) const OF_TEXT: u32 = 0x20;
pub(crate) const COMPRESSED: u32 = 0x40;
pub(crate) const END_OF_FRAME: u32 = 0x80;
pub(crate) const FIN: u32 = 0x100;
/// The payload of a control frame is not in the chunk but in [`Records::side`].
pub(crate) const IN_SIDE: u32 = 0x200;

/// How far the length is shifted in what is told of an only message (`LENGTH` of codec/native.js).
const LENGTH: u32 = 10;

/// What is told of a message that no record is needed for: more than any number of records.
#[inline]
pub(crate) fn only(kind: u32, len: usize) -> u32 {
    (len as u32) << LENGTH | kind
}

/// The indices of `node/lib/errors.js`.
pub(crate) mod fault {
    use super::ErrorCode;

    pub(crate) const TOO_MANY_BUFFERED_CHUNKS: u32 = 11;
    pub(crate) const INVALID_UTF8: u32 = 13;

    /// The index of an error of `hybi-proto`.
    pub(crate) fn of(code: ErrorCode) -> u32 {
        match code {
            ErrorCode::UnexpectedRsv23 => 0,
            ErrorCode::UnexpectedRsv1 => 1,
            ErrorCode::InvalidOpcode => 2,
            ErrorCode::ExpectedFin => 3,
            ErrorCode::InvalidControlPayloadLength => 4,
            ErrorCode::ExpectedMask => 5,
            ErrorCode::UnexpectedMask => 6,
            ErrorCode::UnsupportedDataPayloadLength => 7,
            ErrorCode::NonMinimalLength => 8,
            ErrorCode::UnsupportedMessageLength => 9,
            // Chunks are counted in another way here, and by the decoder itself.
            ErrorCode::TooManyBufferedParts => 10,
            ErrorCode::InvalidCloseCode => 12,
            // Nothing else can come of a frame.
            _ => INVALID_UTF8,
        }
    }
}

/// The table while a chunk is decoded.
pub(crate) struct Records<'a> {
    words: &'a mut [u32],
    len: usize,
}

impl<'a> Records<'a> {
    /// An empty table in these words, of which there are [`SHARED`].
    #[inline]
    pub(crate) fn new(words: &'a mut [u32]) -> Self {
        if let Some(side_len) = words.get_mut(SIDE_LEN) {
            *side_len = 0;
        }
        Records { words, len: 0 }
    }

    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.len == CAPACITY
    }

    /// Adds a record; one that has no room, which `is_full` would have told, is lost.
    #[inline]
    pub(crate) fn push(&mut self, kind: u32, offset: usize, len: usize, extra: u32) {
        // Chunks longer than a word can count are refused before.
        let record = [kind, offset as u32, len as u32, extra];
        if let Some(place) = self.words[..CONSUMED].chunks_exact_mut(WORDS).nth(self.len) {
            place.copy_from_slice(&record);
            self.len += 1;
        }
    }

    /// Lays down the payload of a control frame that came in pieces; one at most in a chunk.
    pub(crate) fn side(&mut self, payload: &[u8]) {
        self.words[SIDE_LEN] = payload.len() as u32;
        for (word, octets) in self.words[SIDE_OCTETS..].iter_mut().zip(payload.chunks(4)) {
            let mut padded = [0; 4];
            padded[..octets.len()].copy_from_slice(octets);
            *word = u32::from_ne_bytes(padded);
        }
    }

    /// The kind and payload of a message that is not empty, if there is one record, about it, and
    /// the chunk has nothing behind it.
    #[inline]
    pub(crate) fn only_message<'chunk>(&self, chunk: &'chunk [u8]) -> Option<(u32, &'chunk [u8])> {
        let [kind @ (TEXT | BINARY), offset, len, _] = *self.words.first_chunk::<WORDS>()? else {
            return None;
        };
        let payload = chunk.get(offset as usize..)?;
        (self.len == 1 && len > 0 && payload.len() == len as usize).then_some((kind, payload))
    }

    /// Notes where decoding stopped, and tells the number of records.
    #[inline]
    pub(crate) fn end(self, consumed: usize) -> u32 {
        self.words[CONSUMED] = consumed as u32;
        self.len as u32
    }
}
