//! [`Decoder`]: octets become records that say where payloads lie.
//!
//! The rules are those of `hybi-proto`; unlike its receiver, this one moves nothing. A payload is
//! unmasked in the chunk that it came in, and a record tells its place. Fragments are put together
//! in JavaScript (`node/lib/receiver.js`), above this codec and the other one. The contract of both
//! is the head comment of `node/lib/codec/js.js`.

use crate::records::{self, Records, fault};
use hybi_bytes::Utf8Validator;
use hybi_proto::{
    CloseCode, CloseFrame, ErrorCode, FrameHeader, FrameRules, HeaderStart, Limits, MAX_HEADER_LEN,
    MaskingKey, Opcode, Role, Used,
};

/// The code of a Close frame without one (RFC 6455 §7.1.5).
const NO_STATUS: u32 = 1005;

/// Where nothing limits.
const UNLIMITED: u32 = u32::MAX;

/// What a decoder is made for; a limit of 0 is none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) role: Role,
    /// RSV1 may mark compressed messages.
    pub(crate) compression: bool,
    /// Octets of a message as they come.
    pub(crate) max_payload: usize,
    /// Data frames of a message.
    pub(crate) max_fragments: u32,
    /// Chunks that the payload of an unfinished frame may have come in when one more comes.
    pub(crate) max_buffered_chunks: u32,
    /// Text has to be UTF-8.
    pub(crate) validate: bool,
}

/// Decodes the frames of one connection.
pub(crate) struct Decoder {
    rules: FrameRules,
    limits: Limits,
    max_payload: usize,
    max_buffered_chunks: u32,
    validate: bool,
    state: State,
    /// The message in progress: of which not all frames have begun, or not all has come.
    message: Option<Box<Message>>,
    /// The payload of a control frame that comes in pieces.
    control: Option<Box<Control>>,
}

#[derive(Clone, Copy)]
enum State {
    /// Waiting for a header, of which these octets have come.
    Header { octets: [u8; MAX_HEADER_LEN], len: u8 },
    /// The header has come as a whole, and a part of the payload.
    Payload(Frame),
    /// A Close frame or an error has come: what follows is not read.
    Finished,
}

const BETWEEN_FRAMES: State = State::Header { octets: [0; MAX_HEADER_LEN], len: 0 };

/// A frame whose payload is arriving.
#[derive(Clone, Copy)]
struct Frame {
    header: FrameHeader,
    /// Octets of the payload that have come.
    come: u64,
    /// Chunks that they came in.
    chunks: u32,
}

/// A message that is not one record.
#[derive(Clone, Copy)]
struct Message {
    text: bool,
    compressed: bool,
    /// A piece has been recorded.
    begun: bool,
    /// The frame in progress, or the last one, has the FIN bit.
    fin: bool,
    used: Used,
    utf8: Utf8Validator,
}

struct Control {
    octets: [u8; records::SIDE],
    len: u8,
}

/// What ends the decoding: an index in the table of errors, and the number that its text mentions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fault {
    index: u32,
    parameter: u32,
}

impl Decoder {
    pub(crate) fn new(options: Options) -> Self {
        let Options { role, compression, max_payload, max_fragments, validate, .. } = options;
        let or_none = |limit: u32| if limit == 0 { UNLIMITED } else { limit };
        let max_payload = if max_payload == 0 { usize::MAX } else { max_payload };
        Decoder {
            rules: FrameRules { role, compression },
            limits: Limits::new()
                .max_message_size(max_payload)
                .max_fragments(or_none(max_fragments)),
            max_payload,
            max_buffered_chunks: or_none(options.max_buffered_chunks),
            validate,
            state: BETWEEN_FRAMES,
            message: None,
            control: None,
        }
    }

    /// Reads `chunk` from octet `from`, unmasks its payloads, and records them; tells where it
    /// stopped: at the end, or earlier because the table is full.
    #[inline]
    pub(crate) fn decode(
        &mut self,
        chunk: &mut [u8],
        from: usize,
        records: &mut Records<'_>,
    ) -> usize {
        let mut at = from.min(chunk.len());
        if from == 0 {
            if let State::Payload(frame) = self.state {
                if frame.chunks >= self.max_buffered_chunks {
                    self.fail(Fault::of(fault::TOO_MANY_BUFFERED_CHUNKS), records);
                }
            }
        }
        loop {
            // Nearly every frame is a whole message that has come whole; everything else, and
            // everything that is wrong, goes the general way.
            while let Some(next) = self.whole_message(chunk, at, records) {
                at = next;
            }
            if matches!(self.state, State::Finished) {
                return chunk.len();
            }
            if at == chunk.len() || records.is_full() {
                return at;
            }
            if let Err(fault) = self.frame(chunk, &mut at, records) {
                self.fail(fault, records);
            }
        }
    }

    /// Takes a frame, if a whole, valid, uncompressed message in one frame lies at `at`; tells where
    /// the next one begins.
    #[inline]
    fn whole_message(
        &mut self,
        chunk: &mut [u8],
        at: usize,
        records: &mut Records<'_>,
    ) -> Option<usize> {
        if !matches!(self.state, State::Header { len: 0, .. })
            || self.message.is_some()
            || records.is_full()
        {
            return None;
        }
        let octets = chunk.get_mut(at..)?;
        let [first, second, ..] = *octets else { return None };
        let start = HeaderStart(first, second);
        if !start.is_whole_message() || start.masked() != (self.rules.role == Role::Server) {
            return None;
        }
        let Ok(Some((header, header_len))) = FrameHeader::decode(octets) else { return None };
        let len = usize::try_from(header.payload_len).ok()?;
        let payload = octets[header_len..].get_mut(..len)?;
        if len > self.max_payload {
            return None;
        }
        let text = header.opcode == Opcode::Text;
        let mut utf8 = Utf8Validator::new();
        if !unmask(payload, header.mask, 0, (text && self.validate).then_some(&mut utf8))
            || utf8.finish().is_err()
        {
            self.fail(Fault::of(fault::INVALID_UTF8), records);
            return None;
        }
        let kind = if text { records::TEXT } else { records::BINARY };
        records.push(kind, at + header_len, len, 0);
        Some(at + header_len + len)
    }

    #[cold]
    fn fail(&mut self, Fault { index, parameter }: Fault, records: &mut Records<'_>) {
        if matches!(self.state, State::Finished) {
            return;
        }
        self.finish();
        records.push(records::ERROR, 0, parameter as usize, index);
    }

    fn finish(&mut self) {
        self.state = State::Finished;
        self.message = None;
        self.control = None;
    }

    /// Takes a header or what is left of it, and what there is of the payload after it.
    fn frame(
        &mut self,
        chunk: &mut [u8],
        at: &mut usize,
        records: &mut Records<'_>,
    ) -> Result<(), Fault> {
        let frame = match self.state {
            State::Finished => return Ok(()),
            State::Payload(frame) => frame,
            State::Header { .. } => {
                let Some(header) = self.header(chunk, at)? else { return Ok(()) };
                if !header.opcode.is_control() {
                    self.begin_data_frame(&header)?;
                }
                Frame { header, come: 0, chunks: 0 }
            }
        };
        self.state = State::Payload(frame);
        let rest = chunk.get_mut(*at..).unwrap_or_default();
        let remaining = frame.header.payload_len - frame.come;
        let len = usize::try_from(remaining).unwrap_or(usize::MAX).min(rest.len());
        if len == 0 && remaining > 0 {
            return Ok(());
        }
        let piece = &mut rest[..len];
        let offset = *at;
        *at += len;
        self.payload(frame, piece, offset, records)
    }

    /// Takes a header from the front of what is left of the chunk.
    #[inline]
    fn header(&mut self, chunk: &[u8], at: &mut usize) -> Result<Option<FrameHeader>, Fault> {
        let rest = &chunk[*at..];
        if let (State::Header { len: 0, .. }, [first, second, ..]) = (self.state, rest) {
            self.check(HeaderStart(*first, *second))?;
            if let Some((header, len)) = decoded(rest)? {
                *at += len;
                return Ok(Some(header));
            }
        }
        self.header_in_pieces(rest, at)
    }

    #[cold]
    fn header_in_pieces(
        &mut self,
        rest: &[u8],
        at: &mut usize,
    ) -> Result<Option<FrameHeader>, Fault> {
        for octet in rest {
            let State::Header { octets, len } = &mut self.state else { return Ok(None) };
            octets[usize::from(*len)] = *octet;
            *len += 1;
            *at += 1;
            let (octets, len) = (*octets, usize::from(*len));
            if len < 2 {
                continue;
            }
            let start = HeaderStart(octets[0], octets[1]);
            self.check(start)?;
            if len == start.header_len() {
                return Ok(decoded(&octets[..len])?.map(|(header, _)| header));
            }
        }
        Ok(None)
    }

    fn check(&self, start: HeaderStart) -> Result<(), Fault> {
        let in_message = self.message.as_ref().is_some_and(|message| !message.fin);
        self.rules.check(start, in_message).map_err(|error| {
            let parameter = match error.code() {
                ErrorCode::InvalidOpcode => start.opcode_bits(),
                ErrorCode::InvalidControlPayloadLength => start.short_len(),
                _ => 0,
            };
            Fault { index: fault::of(error.code()), parameter: parameter.into() }
        })
    }

    fn begin_data_frame(&mut self, header: &FrameHeader) -> Result<(), Fault> {
        let message = match &mut self.message {
            Some(message) => message,
            None => self.message.insert(Box::new(Message {
                text: header.opcode == Opcode::Text,
                compressed: header.rsv1,
                begun: false,
                fin: false,
                used: Used::default(),
                utf8: Utf8Validator::new(),
            })),
        };
        message.fin = header.fin;
        let counted = message.used.frame(header.payload_len, &self.limits);
        counted.map_err(|error| Fault::of(fault::of(error.code())))
    }

    /// Takes a piece of the payload of `frame`, which lies at `offset` of the chunk.
    fn payload(
        &mut self,
        mut frame: Frame,
        piece: &mut [u8],
        offset: usize,
        records: &mut Records<'_>,
    ) -> Result<(), Fault> {
        let before = frame.come;
        frame.come += piece.len() as u64;
        let ends = frame.come == frame.header.payload_len;
        frame.chunks = frame.chunks.saturating_add(1);
        self.state = if ends { BETWEEN_FRAMES } else { State::Payload(frame) };
        if frame.header.opcode.is_control() {
            unmask(piece, frame.header.mask, before, None);
            return self.control(frame, piece, offset, ends, records);
        }
        let Some(message) = &mut self.message else { return Ok(()) };
        let validate = message.text && !message.compressed && self.validate;
        let utf8 = validate.then_some(&mut message.utf8);
        let last = ends && frame.header.fin;
        if !unmask(piece, frame.header.mask, before, utf8)
            || (last && message.utf8.finish().is_err())
        {
            return Err(Fault::of(fault::INVALID_UTF8));
        }
        let whole = last && before == 0 && !message.begun && !message.compressed;
        if whole && frame.header.opcode != Opcode::Continuation {
            let kind = if message.text { records::TEXT } else { records::BINARY };
            records.push(kind, offset, piece.len(), 0);
        } else {
            let flag = |yes: bool, flag: u32| if yes { flag } else { 0 };
            let flags = flag(!message.begun, records::FIRST)
                | flag(message.text, records::OF_TEXT)
                | flag(message.compressed, records::COMPRESSED)
                | flag(ends, records::END_OF_FRAME)
                | flag(frame.header.fin, records::FIN);
            message.begun = true;
            let rest = u32::try_from(frame.header.payload_len - frame.come).unwrap_or(u32::MAX);
            records.push(records::PIECE | flags, offset, piece.len(), rest);
        }
        if last {
            self.message = None;
        }
        Ok(())
    }

    fn control(
        &mut self,
        frame: Frame,
        piece: &[u8],
        offset: usize,
        ends: bool,
        records: &mut Records<'_>,
    ) -> Result<(), Fault> {
        let whole = ends && piece.len() as u64 == frame.header.payload_len;
        if whole {
            return self.control_payload(frame.header.opcode, piece, offset, 0, records);
        }
        let mut control = self
            .control
            .take()
            .unwrap_or_else(|| Box::new(Control { octets: [0; records::SIDE], len: 0 }));
        // `FrameRules` has seen to it that all of it has room.
        let len = usize::from(control.len);
        control.octets[len..len + piece.len()].copy_from_slice(piece);
        control.len += piece.len() as u8;
        if !ends {
            self.control = Some(control);
            return Ok(());
        }
        let payload = &control.octets[..usize::from(control.len)];
        records.side(payload);
        self.control_payload(frame.header.opcode, payload, 0, records::IN_SIDE, records)
    }

    /// Records a control frame, a Close frame with the code apart from the reason (RFC 6455 §5.5.1).
    fn control_payload(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        offset: usize,
        flags: u32,
        records: &mut Records<'_>,
    ) -> Result<(), Fault> {
        let kind = opcode as u32 | flags;
        if opcode != Opcode::Close {
            records.push(kind, offset, payload.len(), 0);
            return Ok(());
        }
        match payload.split_first_chunk::<2>() {
            None => records.push(kind, offset, 0, NO_STATUS),
            Some((code, reason)) => {
                let number = u16::from_be_bytes(*code);
                let checked = match self.validate {
                    true => CloseFrame::decode(payload).map(drop).map_err(|error| error.code()),
                    false => {
                        CloseCode::new(number).map(drop).map_err(|_| ErrorCode::InvalidCloseCode)
                    }
                };
                checked.map_err(|code| Fault {
                    index: fault::of(code),
                    parameter: if code == ErrorCode::InvalidCloseCode { number.into() } else { 0 },
                })?;
                records.push(kind, offset + 2, reason.len(), number.into());
            }
        }
        self.finish();
        Ok(())
    }
}

impl Fault {
    fn of(index: u32) -> Self {
        Fault { index, parameter: 0 }
    }
}

fn decoded(octets: &[u8]) -> Result<Option<(FrameHeader, usize)>, Fault> {
    FrameHeader::decode(octets).map_err(|error| Fault::of(fault::of(error.code())))
}

/// Unmasks a piece whose payload has begun `before` octets earlier; false if it is not UTF-8 where
/// that is asked for.
#[inline]
fn unmask(
    piece: &mut [u8],
    mask: Option<MaskingKey>,
    before: u64,
    utf8: Option<&mut Utf8Validator>,
) -> bool {
    let offset = (before % 4) as usize;
    match (mask, utf8) {
        (Some(key), Some(utf8)) => utf8.push_masked(piece, key, offset).is_ok(),
        (None, Some(utf8)) => utf8.push(piece).is_ok(),
        (Some(key), None) => {
            hybi_bytes::mask(piece, key, offset);
            true
        }
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests;
