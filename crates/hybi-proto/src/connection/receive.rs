//! [`Receiver`]: octets become frames, and frames events.
//!
//! Which frame is allowed when is said in [`FrameRules`]; messages are put together in `assemble`. A receiver takes every octet it is given, so that nobody has to keep a partial
//! header for it, and it never answers: that is the sender's part.

use super::assemble::{Assembler, keep, whole};
use super::event::Event;
use crate::close::CloseFrame;
use crate::error::Error;
use crate::extension::Decompressor;
use crate::header::{FrameHeader, HeaderStart, MAX_HEADER_LEN, MaskingKey};
use crate::limits::Limits;
use crate::message::Message;
use crate::opcode::Opcode;
use crate::role::Role;
use crate::rules::FrameRules;
use bytes::{BufMut, Bytes};

/// The longest payload of a control frame (RFC 6455 §5.5).
const MAX_CONTROL_PAYLOAD: usize = 125;

/// The receiving half of a connection: octets in, events out.
#[derive(Debug)]
pub struct Receiver {
    rules: FrameRules,
    state: State,
    /// The first octets of a control payload that is still arriving.
    #[expect(clippy::box_collection, reason = "a connection at rest is small")]
    control: Option<Box<Vec<u8>>>,
    assembler: Assembler,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Waiting for a header, of which these octets have come.
    Header { octets: [u8; MAX_HEADER_LEN], len: u8 },
    /// The fields of a [`Frame`], laid out flat: a connection at rest is small.
    Payload { fin: bool, opcode: Opcode, offset: u8, key: MaskingKey, remaining: u64 },
    /// A Close frame or an error has come: what follows is not read.
    Finished,
}

const BETWEEN_FRAMES: State = State::Header { octets: [0; MAX_HEADER_LEN], len: 0 };

/// A frame whose payload is arriving.
#[derive(Debug, Clone, Copy)]
struct Frame {
    fin: bool,
    opcode: Opcode,
    /// Octets of the payload that have come, modulo 4.
    offset: u8,
    /// Meaningless for a client: what it receives is not masked.
    key: MaskingKey,
    remaining: u64,
}

impl Frame {
    #[inline]
    fn advance(&mut self, octets: usize) {
        self.remaining -= octets as u64;
        self.offset = (self.offset + (octets % 4) as u8) % 4;
    }

    /// The state of waiting for the rest of the payload.
    fn waiting(self) -> State {
        let Frame { fin, opcode, offset, key, remaining } = self;
        State::Payload { fin, opcode, offset, key, remaining }
    }
}

/// A piece of a payload, still masked.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) octets: &'a [u8],
    /// The masking key, and the place of `octets` in the payload, modulo 4.
    pub(super) mask: Option<(MaskingKey, usize)>,
}

impl Receiver {
    pub(crate) fn new(role: Role, limits: Limits, deflate: Option<Box<Decompressor>>) -> Self {
        Receiver {
            rules: FrameRules { role, compression: deflate.is_some() },
            state: BETWEEN_FRAMES,
            control: None,
            assembler: Assembler::new(limits, deflate),
        }
    }

    /// Takes octets from the front of `input` until an event is complete; `None` when all of them
    /// have been taken and more are needed.
    ///
    /// After an error or a Close event everything that comes is dropped.
    ///
    /// # Errors
    /// [`Error::Protocol`] if the peer broke the protocol, [`Error::Limit`] if it went over a
    /// limit; hand the error to [`Sender::fail`](super::Sender::fail), so that the peer is told.
    #[inline]
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Error> {
        loop {
            let result = self.receive_slice(input);
            if !matches!(result, Ok(None)) || !self.is_paused() {
                return result;
            }
        }
    }

    /// As [`receive`](Self::receive), but pauses when so much has been decompressed that other tasks
    /// should run ([`DeflateOptions::slice`]): then it returns `None`, [`is_paused`](Self::is_paused)
    /// is true, and it goes on when it is called again, with what is left of `input`, even if that is
    /// nothing.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    ///
    /// [`DeflateOptions::slice`]: crate::DeflateOptions::slice
    #[inline]
    pub fn receive_slice(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Error> {
        match self.receive_whole(input) {
            Some(message) => Ok(Some(Event::Message(message))),
            None => self.receive_any(input),
        }
    }

    /// Takes a message from the front of `input` that has come whole, in one valid frame that is not
    /// compressed, as nearly all do. `None` takes nothing and says nothing:
    /// [`receive`](Self::receive) does.
    // Inlined: the message is made where the caller wants it. To copy it is slow, because what has been
    // stored word by word cannot be loaded at once as something longer.
    #[inline(always)]
    pub fn receive_whole(&mut self, input: &mut &[u8]) -> Option<Message> {
        if !self.is_between_messages() {
            return None;
        }
        let frame = FrameHeader::decode_whole_message(input, self.rules.role == Role::Server)?;
        if frame.payload.len() > self.assembler.max_message_size() {
            return None;
        }
        let piece = Piece { octets: frame.payload, mask: frame.key.map(|key| (key, 0)) };
        let message = whole(piece, frame.text).ok()?;
        *input = frame.rest;
        Some(message)
    }

    /// As [`receive_whole`](Self::receive_whole), for a message that is all there is of `octets` from
    /// `start` on: it takes their memory over instead of copying them.
    #[inline(never)]
    pub fn receive_kept(&mut self, octets: &mut Vec<u8>, start: usize) -> Option<Message> {
        if !self.is_between_messages() {
            return None;
        }
        let input = octets.get(start..)?;
        let (header, header_len) = FrameHeader::decode(input).ok()??;
        let len = input.len() - header_len;
        if !HeaderStart(input[0], input[1]).is_whole_message()
            || header.mask.is_some() != (self.rules.role == Role::Server)
            || header.payload_len != len as u64
            || len > self.assembler.max_message_size()
        {
            return None;
        }
        keep(octets, start + header_len, header.mask, header.opcode == Opcode::Text)
    }

    #[inline]
    fn is_between_messages(&self) -> bool {
        matches!(self.state, State::Header { len: 0, .. }) && !self.assembler.in_progress()
    }

    #[inline(never)]
    fn receive_any(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Error> {
        let mut result = self.next_event(input);
        if let Ok(None) = result {
            result = Ok(self.assembler.piece_if_any());
        }
        if matches!(result, Err(_) | Ok(Some(Event::Close(_)))) {
            self.finish();
        }
        result
    }

    /// True if [`receive_slice`](Self::receive_slice) has more to do, whether octets come or not.
    #[inline]
    pub fn is_paused(&self) -> bool {
        self.assembler.is_paused()
    }

    /// Hands messages out in pieces from here on ([`Event::Piece`]; one that has come at once may
    /// still be an [`Event::Message`]), or whole again.
    ///
    /// What has come of a message so far is its first piece: call [`receive`](Self::receive), also
    /// without octets, before more is read. The [`Limits`] of messages do not apply to pieces, since
    /// none is kept. Switching back in the middle of a message of which a piece has been handed out
    /// drops the rest of it: it is still checked, and then forgotten.
    pub fn set_in_pieces(&mut self, on: bool) {
        self.assembler.set_in_pieces(on);
    }

    /// True if messages are handed out in pieces.
    #[inline]
    pub fn is_in_pieces(&self) -> bool {
        self.assembler.in_pieces
    }

    /// True if something may come of [`receive_slice`](Self::receive_slice) also without octets.
    #[inline]
    pub fn has_more(&self) -> bool {
        self.is_paused() || self.is_in_pieces()
    }

    /// True once a Close frame or an error has ended the stream of events.
    pub fn is_finished(&self) -> bool {
        matches!(self.state, State::Finished)
    }

    /// True in the middle of a frame or of a fragmented message.
    pub fn is_mid_message(&self) -> bool {
        self.assembler.in_progress()
            || matches!(self.state, State::Payload { .. } | State::Header { len: 1.., .. })
    }

    fn finish(&mut self) {
        self.state = State::Finished;
        self.control = None;
        self.assembler.clear();
    }

    fn next_event(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Error> {
        loop {
            let frame = match self.state {
                State::Payload { remaining: 1.., .. } if input.is_empty() && !self.is_paused() => {
                    return Ok(None);
                }
                State::Payload { fin, opcode, offset, key, remaining } => {
                    Frame { fin, opcode, offset, key, remaining }
                }
                State::Finished => {
                    *input = &[];
                    return Ok(None);
                }
                State::Header { len, .. } => {
                    if input.first().is_some_and(|octet| octet & 0x08 != 0) {
                        // A control frame does not overtake what came of a message before it.
                        if let Some(piece) = self.assembler.piece_if_any() {
                            return Ok(Some(piece));
                        }
                    }
                    let Some(header) = self.next_header(len, input)? else { return Ok(None) };
                    if !header.opcode.is_control() {
                        self.assembler.begin_frame(&header)?;
                    }
                    Frame {
                        fin: header.fin,
                        opcode: header.opcode,
                        offset: 0,
                        key: header.mask.unwrap_or_default(),
                        remaining: header.payload_len,
                    }
                }
            };
            if let Some(event) = self.payload(frame, input)? {
                return Ok(Some(event));
            }
            if self.is_paused() {
                return Ok(None);
            }
        }
    }

    /// Takes a header from `input`; `stashed` octets of it have come before.
    #[inline]
    fn next_header(
        &mut self,
        stashed: u8,
        input: &mut &[u8],
    ) -> Result<Option<FrameHeader>, Error> {
        if stashed == 0 {
            if let [first, second, ..] = **input {
                self.check(HeaderStart(first, second))?;
                if let Some((header, len)) = FrameHeader::decode(input)? {
                    *input = &input[len..];
                    return Ok(Some(header));
                }
            }
        }
        self.next_header_in_pieces(input)
    }

    #[cold]
    fn next_header_in_pieces(&mut self, input: &mut &[u8]) -> Result<Option<FrameHeader>, Error> {
        while let [octet, rest @ ..] = *input {
            let State::Header { octets, len } = &mut self.state else { return Ok(None) };
            octets[usize::from(*len)] = *octet;
            *len += 1;
            *input = rest;
            let (octets, len) = (*octets, usize::from(*len));
            if len < 2 {
                continue;
            }
            let start = HeaderStart(octets[0], octets[1]);
            self.check(start)?;
            if len == start.header_len() {
                return Ok(FrameHeader::decode(&octets[..len])?.map(|(header, _)| header));
            }
        }
        Ok(None)
    }

    fn check(&self, start: HeaderStart) -> Result<(), Error> {
        self.rules.check(start, self.assembler.in_progress())
    }

    /// Takes what there is of the payload of `frame`.
    #[inline]
    fn payload(&mut self, mut frame: Frame, input: &mut &[u8]) -> Result<Option<Event>, Error> {
        let here = usize::try_from(frame.remaining).unwrap_or(usize::MAX).min(input.len());
        if self.assembler.is_compressed() && !frame.opcode.is_control() {
            return self.compressed(frame, here, input);
        }
        let (octets, rest) = input.split_at(here);
        *input = rest;
        let piece = Piece { octets, mask: self.mask(&frame) };
        frame.advance(here);
        let frame_ends = frame.remaining == 0;
        self.state = if frame_ends { BETWEEN_FRAMES } else { frame.waiting() };

        if frame.opcode.is_control() {
            return self.control(frame.opcode, piece, frame_ends);
        }
        self.assembler.push(piece, frame.remaining, frame_ends && frame.fin)
    }

    /// Inflates the `here` octets that there are of the payload of `frame`, as far as a slice of work
    /// goes. A frame stays in progress until all that it holds has been inflated.
    fn compressed(
        &mut self,
        mut frame: Frame,
        here: usize,
        input: &mut &[u8],
    ) -> Result<Option<Event>, Error> {
        let here = here.min(self.assembler.at_once());
        let piece = Piece { octets: &input[..here], mask: self.mask(&frame) };
        let last = frame.fin && frame.remaining == here as u64;
        let (taken, event) = self.assembler.inflate(piece, last)?;
        *input = &input[taken..];
        frame.advance(taken);
        let ends = frame.remaining == 0 && !self.is_paused();
        self.state = if ends { BETWEEN_FRAMES } else { frame.waiting() };
        Ok(event)
    }

    #[inline]
    fn mask(&self, frame: &Frame) -> Option<(MaskingKey, usize)> {
        match self.rules.role {
            Role::Server => Some((frame.key, frame.offset.into())),
            Role::Client => None,
        }
    }

    fn control(
        &mut self,
        opcode: Opcode,
        piece: Piece<'_>,
        frame_ends: bool,
    ) -> Result<Option<Event>, Error> {
        // Control payloads are at most 125 octets: `check` has seen to it.
        let mut unmasked = [0; MAX_CONTROL_PAYLOAD];
        let unmasked = &mut unmasked[..piece.octets.len()];
        unmasked.copy_from_slice(piece.octets);
        if let Some((key, offset)) = piece.mask {
            hybi_bytes::mask(unmasked, key, offset);
        }
        if !frame_ends {
            self.control.get_or_insert_default().extend_from_slice(unmasked);
            return Ok(None);
        }
        let Some(mut stashed) = self.control.take() else {
            return control_event(opcode, unmasked).map(Some);
        };
        stashed.extend_from_slice(unmasked);
        control_event(opcode, &stashed).map(Some)
    }

    /// Room to read the rest of a large payload into, so that it need not be copied from a read
    /// buffer; `None` unless at least `at_least` octets of an uncompressed payload are missing.
    ///
    /// Follow what was written with [`commit`](Self::commit).
    pub fn spare(&mut self, at_least: usize) -> Option<impl BufMut + '_> {
        let State::Payload { opcode, remaining, .. } = self.state else { return None };
        if opcode.is_control() || remaining < at_least as u64 {
            return None;
        }
        self.assembler.spare(remaining)
    }

    /// Takes over the octets that were written into [`spare`](Self::spare).
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn commit(&mut self) -> Result<Option<Event>, Error> {
        let result = self.commit_payload();
        if result.is_err() {
            self.finish();
        }
        result
    }

    fn commit_payload(&mut self) -> Result<Option<Event>, Error> {
        let State::Payload { fin, opcode, offset, key, remaining } = self.state else {
            return Ok(None);
        };
        let mut frame = Frame { fin, opcode, offset, key, remaining };
        let mask = self.mask(&frame);
        frame.advance(self.assembler.commit(mask)?);
        if frame.remaining > 0 {
            self.state = frame.waiting();
            return Ok(self.assembler.piece_if_any());
        }
        self.state = BETWEEN_FRAMES;
        let nothing = Piece { octets: &[], mask: None };
        self.assembler.push(nothing, 0, frame.fin)
    }
}

fn control_event(opcode: Opcode, payload: &[u8]) -> Result<Event, Error> {
    Ok(match opcode {
        Opcode::Ping => Event::Ping(Bytes::copy_from_slice(payload)),
        Opcode::Pong => Event::Pong(Bytes::copy_from_slice(payload)),
        _ => Event::Close(CloseFrame::decode(payload)?),
    })
}
