//! [`Sender`]: messages become frames, and events answers.

use super::closing::Closing;
use super::event::Event;
use super::outbox::{Outbox, Outgoing, SHARE_FROM};
use super::prepared::PreparedMessage;
use super::waiting::{Item, Waiting};
use crate::close::{CloseCode, CloseFrame};
use crate::code::ErrorCode;
use crate::error::{Error, ErrorDetail};
use crate::extension::Compressor;
use crate::header::{FrameHeader, MAX_HEADER_LEN, MaskingKey};
use crate::message::Message;
use crate::opcode::Opcode;
use crate::role::Role;
use bytes::{Buf, Bytes};

/// Where a client gets its masking keys from: a cryptographically strong source (RFC 6455 §10.3).
pub type MaskingKeys = fn() -> MaskingKey;

/// Octets of pongs that may be queued one by one; beyond them only the latest ping is answered.
const MAX_QUEUED_PONGS: u16 = 4 * 1024;

/// The sending half of a connection: intent in, octets out.
#[derive(Debug)]
pub struct Sender {
    /// `Some` for a client.
    masking: Option<MaskingKeys>,
    closing: Closing,
    outbox: Outbox,
    /// What comes after the outbox.
    waiting: Option<Box<Waiting>>,
    /// Octets handed out by `take` and not yet reported as written.
    in_flight: usize,
    /// Octets of pongs queued since the last `take`.
    queued_pongs: u16,
    /// `u32::MAX`: no bound.
    max_frame_size: u32,
    max_buffered: u32,
    deflate: Option<Box<Compressor>>,
    /// Messages accepted so far (modulo 2^32), for the idle deadline.
    messages: u32,
    /// A message is being sent in pieces.
    pieces: Option<Opcode>,
}

impl Sender {
    pub(crate) fn new(
        masking: Option<MaskingKeys>,
        options: &super::Options,
        deflate: Option<Box<Compressor>>,
    ) -> Self {
        Sender {
            masking,
            closing: Closing::default(),
            outbox: Outbox::default(),
            waiting: None,
            in_flight: 0,
            queued_pongs: 0,
            // A frame of a fragmented message that carries nothing would never end it.
            max_frame_size: saturating_u32(options.max_frame_size.max(1)),
            max_buffered: saturating_u32(options.max_buffered),
            deflate,
            messages: 0,
            pieces: None,
        }
    }

    /// Which side this is.
    pub fn role(&self) -> Role {
        if self.masking.is_some() { Role::Client } else { Role::Server }
    }

    /// Queues a message.
    ///
    /// # Errors
    /// [`Error::Closed`] once a Close frame has been sent, received or made necessary by an error;
    /// [`Error::Usage`] while another message is being sent in pieces.
    #[inline]
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        self.send_with(message, true)
    }

    /// As [`send`](Self::send); `compress` is false for a message that is not to be compressed
    /// even though compression was negotiated. `ws`: `send(data, { compress })`.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    // Inlined, so that the message need not be moved: nearly all are short.
    #[inline(always)]
    pub fn send_with(&mut self, message: impl Into<Message>, compress: bool) -> Result<(), Error> {
        let message = message.into();
        if !self.copies(message.len()) {
            return self.send_any(message, compress);
        }
        let opcode = if message.is_text() { Opcode::Text } else { Opcode::Binary };
        self.messages = self.messages.wrapping_add(1);
        let header = self.header(opcode, true, false, message.len());
        self.outbox.push(&header, message.as_bytes());
        Ok(())
    }

    /// True if a message of `len` octets can be sent and needs nothing but a header and to be copied,
    /// masked or not: what [`send_any`](Self::send_any) does then is known.
    #[inline]
    fn copies(&self, len: usize) -> bool {
        self.is_open()
            && self.pieces.is_none()
            && self.deflate.is_none()
            // No bound is `u32::MAX`, which is above the other one.
            && len <= self.max_frame_size as usize
            && len < SHARE_FROM
    }

    #[inline(never)]
    fn send_any(&mut self, message: Message, compress: bool) -> Result<(), Error> {
        self.check_open()?;
        self.check_whole()?;
        let (opcode, payload) = parts(message);
        self.messages = self.messages.wrapping_add(1);
        if let Some(deflate) = &mut self.deflate {
            let compress = compress && deflate.should_compress(payload.len());
            let large = compress && payload.len() > deflate.slice();
            if large || self.waiting.as_ref().is_some_and(|waiting| waiting.has_items()) {
                self.wait(Item::Message { opcode, payload, compress, job: None });
                return Ok(());
            }
            if compress {
                let mut compressed = Vec::new();
                deflate.compress(&payload, &mut compressed)?;
                self.frames(opcode, true, compressed.into());
                return Ok(());
            }
        }
        if payload.len() > self.max_frame() {
            self.frames(opcode, false, payload);
            return Ok(());
        }
        let header = self.header(opcode, true, false, payload.len());
        self.outbox.push_shared(&header, payload);
        Ok(())
    }

    /// Queues a message that was encoded before, for many connections.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    pub fn send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), Error> {
        let whole = prepared.message().len() <= self.max_frame();
        if self.masking.is_some() || !whole {
            // Each client frame has a masking key of its own, and each connection its own bound on
            // frames.
            return self.send(prepared.message().clone());
        }
        self.check_open()?;
        self.check_whole()?;
        self.messages = self.messages.wrapping_add(1);
        let Some(deflate) = &self.deflate else {
            self.outbox.push_frame(prepared.plain());
            return Ok(());
        };
        let len = prepared.message().len();
        let large = len > deflate.slice()
            && deflate.should_compress(len)
            && !prepared.is_compressed(deflate);
        if large || self.has_waiting() {
            self.wait(Item::Prepared(prepared.clone()));
            return Ok(());
        }
        self.queue_prepared(prepared, usize::MAX).map(drop)
    }

    /// Queues a prepared message; false if compressing it takes more than `slice` bytes.
    fn queue_prepared(&mut self, prepared: &PreparedMessage, slice: usize) -> Result<bool, Error> {
        let max_frame = self.max_frame();
        let message = prepared.message();
        match &mut self.deflate {
            Some(deflate) if deflate.should_compress(message.len()) => {
                let Some(frame) = prepared.compressed(deflate, slice)? else { return Ok(false) };
                if frame.len() > max_frame.saturating_add(MAX_HEADER_LEN) {
                    let (opcode, payload) = parts(message.clone());
                    let item = Item::Message { opcode, payload, compress: true, job: None };
                    self.waiting.get_or_insert_default().unpop(item);
                    return Ok(true);
                }
                deflate.note_sent(message.as_bytes());
                self.outbox.push_frame(&frame);
            }
            _ => self.outbox.push_frame(prepared.plain()),
        }
        Ok(true)
    }

    /// Puts something behind what waits to be compressed.
    #[cold]
    fn wait(&mut self, item: Item) {
        self.waiting.get_or_insert_default().push(item);
    }

    /// True if a large message, or what comes after one, waits to be compressed.
    #[inline]
    pub fn has_waiting(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.has_items())
    }

    /// Compresses one slice ([`DeflateOptions::slice`]) of what waits for it; true if more is left.
    ///
    /// For a driver that lets other tasks run after each slice, and writes what is
    /// [ready](Self::take_ready) meanwhile; [`take`](Self::take) does all of it.
    ///
    /// [`DeflateOptions::slice`]: crate::DeflateOptions::slice
    pub fn compress_slice(&mut self) -> bool {
        let mut left = self.deflate.as_ref().map_or(usize::MAX, |deflate| deflate.slice());
        while let Some(item) = self.waiting.as_mut().and_then(|waiting| waiting.pop()) {
            if let Some(item) = self.queue_waiting(item, &mut left) {
                self.waiting.get_or_insert_default().unpop(item);
                return true;
            }
        }
        self.waiting = self.waiting.take().filter(|waiting| waiting.pong.is_some());
        false
    }

    /// Queues what has waited; gives it back if compressing it takes more than is `left` of a slice.
    fn queue_waiting(&mut self, item: Item, left: &mut usize) -> Option<Item> {
        let len = item.len();
        match item {
            Item::Frame { opcode, fin, payload } => {
                let header = self.header(opcode, fin, false, payload.len());
                self.outbox.push_shared(&header, payload);
                return None;
            }
            item if *left == 0 => return Some(item),
            Item::Message { opcode, payload, compress, mut job } => match &mut self.deflate {
                Some(deflate) if compress => match deflate.advance(&mut job, &payload, *left) {
                    Ok(Some(compressed)) => self.frames(opcode, true, compressed.into()),
                    Ok(None) => return Some(Item::Message { opcode, payload, compress, job }),
                    // It has been accepted: for want of memory it goes uncompressed.
                    Err(_) => self.frames(opcode, false, payload),
                },
                _ => self.frames(opcode, false, payload),
            },
            Item::Prepared(prepared) => match self.queue_prepared(&prepared, *left) {
                Ok(true) => {}
                Ok(false) => return Some(Item::Prepared(prepared)),
                Err(_) => self.outbox.push_frame(prepared.plain()),
            },
        }
        *left = left.saturating_sub(len);
        None
    }

    /// Queues a piece of a message of which not everything is known yet. The first piece decides
    /// whether it is text; the pieces of a text need not end between characters, but together they
    /// must be UTF-8, which is not checked here. Such a message is not compressed.
    ///
    /// Each piece becomes a frame, or several if it is larger than `max_frame_size`.
    ///
    /// # Errors
    /// [`Error::Closed`] as for [`send`](Self::send).
    pub fn send_piece(&mut self, text: bool, mut piece: Bytes, last: bool) -> Result<(), Error> {
        self.check_open()?;
        let first = if text { Opcode::Text } else { Opcode::Binary };
        let mut opcode = if self.pieces.is_some() { Opcode::Continuation } else { first };
        self.pieces = if last { None } else { Some(first) };
        if last {
            self.messages = self.messages.wrapping_add(1);
        }
        loop {
            let rest = piece.split_off(piece.len().min(self.max_frame()));
            let fin = last && rest.is_empty();
            if self.has_waiting() {
                self.wait(Item::Frame { opcode, fin, payload: piece });
            } else {
                let header = self.header(opcode, fin, false, piece.len());
                self.outbox.push_shared(&header, piece);
            }
            if rest.is_empty() {
                return Ok(());
            }
            piece = rest;
            opcode = Opcode::Continuation;
        }
    }

    /// True between the first and the last piece of a message: nothing else but control frames can
    /// be sent.
    pub fn is_in_pieces(&self) -> bool {
        self.pieces.is_some()
    }

    fn max_frame(&self) -> usize {
        if self.max_frame_size == u32::MAX { usize::MAX } else { self.max_frame_size as usize }
    }

    /// Queues a message as frames of at most `max_frame_size` octets.
    fn frames(&mut self, first: Opcode, rsv1: bool, mut payload: Bytes) {
        let max = self.max_frame();
        let mut opcode = first;
        loop {
            let rest = payload.split_off(payload.len().min(max));
            let fin = rest.is_empty();
            let compressed = rsv1 && opcode != Opcode::Continuation;
            let header = self.header(opcode, fin, compressed, payload.len());
            self.outbox.push_shared(&header, payload);
            if fin {
                return;
            }
            payload = rest;
            opcode = Opcode::Continuation;
        }
    }

    /// Queues a ping.
    ///
    /// # Errors
    /// [`Error::Usage`] if the payload is larger than 125 bytes; [`Error::Closed`] as for
    /// [`send`](Self::send).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.control(Opcode::Ping, payload)
    }

    /// Queues a pong that answers no ping (RFC 6455 §5.5.3 allows it).
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.control(Opcode::Pong, payload)
    }

    fn control(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), Error> {
        if payload.len() > 125 {
            return Err(Error::usage(format!(
                "control frame payload is {} bytes; at most 125 are allowed (RFC 6455 §5.5)",
                payload.len()
            )));
        }
        self.check_open()?;
        self.queue_control(opcode, payload);
        Ok(())
    }

    /// Begins the closing handshake: queues a Close frame, after which nothing more is sent.
    /// Messages of the peer may still come until its Close frame does. Does nothing if a Close
    /// frame has been queued before.
    ///
    /// `None` sends an empty Close frame, which tells the peer no code (it will see 1005).
    ///
    /// # Errors
    /// [`Error::Usage`] if the reason is longer than 123 bytes.
    pub fn close(&mut self, frame: Option<CloseFrame>) -> Result<(), Error> {
        if let Some(frame) = &frame {
            if frame.reason.len() > CloseFrame::MAX_REASON {
                return Err(Error::usage(format!(
                    "close reason is {} bytes; at most 123 are allowed (RFC 6455 §5.5)",
                    frame.reason.len()
                )));
            }
        }
        self.queue_close(frame.as_ref().map(|frame| (frame.code, &frame.reason[..])));
        Ok(())
    }

    fn queue_close(&mut self, body: Option<(CloseCode, &str)>) {
        if !self.is_open() {
            return;
        }
        self.queue_waiting_pong();
        self.closing = Closing::Sent;
        let mut payload = [0; 125];
        let mut len = 0;
        if let Some((code, reason)) = body {
            payload[..2].copy_from_slice(&code.get().to_be_bytes());
            payload[2..2 + reason.len()].copy_from_slice(reason.as_bytes());
            len = 2 + reason.len();
        }
        self.queue_control(Opcode::Close, &payload[..len]);
    }

    /// Queues a control frame behind what has been accepted before it.
    fn queue_control(&mut self, opcode: Opcode, payload: &[u8]) {
        if self.has_waiting() {
            let payload = Bytes::copy_from_slice(payload);
            return self.wait(Item::Frame { opcode, fin: true, payload });
        }
        let header = self.header(opcode, true, false, payload.len());
        self.outbox.push(&header, payload);
    }

    /// Answers what the receiver has received: a ping with a pong, a Close with a Close.
    #[inline]
    pub fn react(&mut self, event: &Event) {
        match event {
            Event::Message(_) | Event::Piece { .. } | Event::Pong(_) => {}
            Event::Ping(payload) => self.answer_ping(payload),
            Event::Close(frame) => {
                // RFC 6455 §5.5.1: the answer typically echoes the code.
                self.queue_close(frame.as_ref().map(|frame| (frame.code, "")));
                if self.closing == Closing::Sent {
                    self.closing = Closing::Done;
                }
            }
        }
    }

    fn answer_ping(&mut self, payload: &Bytes) {
        if !self.is_open() {
            return;
        }
        if self.queued_pongs > MAX_QUEUED_PONGS {
            // RFC 6455 §5.5.3: only the latest ping needs a pong, so one slot bounds a ping flood
            // of a peer that does not read.
            self.waiting.get_or_insert_default().pong = Some(payload.clone());
            return;
        }
        self.queue_pong(payload);
    }

    /// An answer to a ping need not wait for messages that are still being compressed.
    fn queue_pong(&mut self, payload: &[u8]) {
        let header = self.header(Opcode::Pong, true, false, payload.len());
        self.queued_pongs += (MAX_HEADER_LEN + payload.len()) as u16;
        self.outbox.push(&header, payload);
    }

    fn queue_waiting_pong(&mut self) {
        let Some(payload) = self.waiting.as_mut().and_then(|waiting| waiting.pong.take()) else {
            return;
        };
        if !self.has_waiting() {
            self.waiting = None;
        }
        self.queue_pong(&payload);
    }

    /// Fails the connection (RFC 6455 §7.1.7): queues the Close frame that belongs to `error`, and
    /// nothing after it.
    pub fn fail(&mut self, error: &Error) {
        if let Some(CloseFrame { code, reason }) = error.close_frame() {
            self.queue_close(Some((code, &reason)));
        }
        self.end();
    }

    /// Forgets what is queued: nothing of it can be written any more.
    pub fn abort(&mut self) {
        self.end();
        self.waiting = None;
        self.outbox.clear();
        self.in_flight = 0;
    }

    /// Ends the connection: what is queued may still be written, but nothing is added to it, not
    /// even the pong that was put off.
    fn end(&mut self) {
        self.closing = Closing::Failed;
        self.waiting = self.waiting.take().filter(|waiting| waiting.has_items());
        if let Some(waiting) = &mut self.waiting {
            waiting.pong = None;
        }
    }

    /// Tells that the peer has closed its side of the TCP connection.
    ///
    /// # Errors
    /// [`Error::Closed`] with `WS_ERR_ABNORMAL_CLOSURE` if its Close frame had not come before.
    pub fn receive_eof(&mut self) -> Result<(), Error> {
        if self.is_closed() {
            return Ok(());
        }
        self.end();
        Err(Error::Closed(ErrorDetail::new(
            ErrorCode::AbnormalClosure,
            "the connection ended without a Close frame (RFC 6455 §7.1.5, code 1006)",
        )))
    }

    /// True until a Close frame has been sent, received or made necessary by an error.
    pub fn is_open(&self) -> bool {
        self.closing == Closing::Open
    }

    /// True once the Close frames of both sides have been queued and received, or the connection
    /// has failed.
    pub fn is_closed(&self) -> bool {
        matches!(self.closing, Closing::Done | Closing::Failed)
    }

    /// True once this side should close TCP, as soon as everything has been written.
    pub fn wants_shutdown(&self) -> bool {
        self.closing.wants_shutdown(self.role())
    }

    /// The octets accepted and not yet written to the transport. `ws`: `bufferedAmount`.
    #[inline]
    pub fn buffered(&self) -> usize {
        let waiting = self.waiting.as_ref().map_or(0, |waiting| waiting.len());
        self.outbox.len() + waiting + self.in_flight
    }

    /// True if `len` more octets stay within `max_buffered`. A message that is larger than the
    /// bound itself has room when nothing else waits.
    #[inline]
    pub fn has_room(&self, len: usize) -> bool {
        let buffered = self.buffered();
        buffered == 0 || buffered.saturating_add(len) <= self.max_buffered as usize
    }

    /// True if there is something to [`take`](Self::take).
    #[inline]
    pub fn has_outgoing(&self) -> bool {
        self.outbox.len() > 0 || self.waiting.is_some()
    }

    /// Hands out all that is queued, to be written in this order before what is handed out later.
    /// `None` if there is nothing.
    #[inline]
    pub fn take(&mut self) -> Option<Outgoing> {
        while self.has_waiting() && self.compress_slice() {}
        self.take_ready()
    }

    /// As [`take`](Self::take), without what waits to be compressed.
    #[inline]
    pub fn take_ready(&mut self) -> Option<Outgoing> {
        if self.waiting.is_some() && self.is_open() {
            self.queue_waiting_pong();
        }
        self.queued_pongs = 0;
        if self.outbox.len() == 0 {
            return None;
        }
        let outgoing = self.outbox.take();
        self.in_flight += outgoing.remaining();
        Some(outgoing)
    }

    /// Tells that `octets` of what was handed out have been written.
    #[inline]
    pub fn written(&mut self, octets: usize) {
        self.in_flight = self.in_flight.saturating_sub(octets);
    }

    /// The number of messages accepted so far, modulo 2^32.
    pub fn messages(&self) -> u32 {
        self.messages
    }

    /// Drops the compression history: the next message is compressed as if it were the first,
    /// which the peer does not notice. For connections that have been idle.
    pub fn drop_history(&mut self) {
        if let Some(deflate) = &mut self.deflate {
            deflate.drop_history();
        }
    }

    #[inline]
    fn header(&self, opcode: Opcode, fin: bool, rsv1: bool, len: usize) -> FrameHeader {
        let mask = self.masking.map(|key| key());
        FrameHeader { fin, rsv1, opcode, mask, payload_len: len as u64 }
    }

    /// # Errors
    /// [`Error::Closed`] if nothing can be sent any more.
    #[inline]
    pub fn check_open(&self) -> Result<(), Error> {
        if self.is_open() { Ok(()) } else { Err(Error::closed()) }
    }

    #[inline]
    fn check_whole(&self) -> Result<(), Error> {
        if self.pieces.is_none() {
            return Ok(());
        }
        Err(Error::usage("a message is being sent in pieces; finish it before sending another"))
    }
}

#[inline(always)]
fn parts(message: Message) -> (Opcode, Bytes) {
    match message {
        Message::Text(text) => (Opcode::Text, text.into_bytes()),
        Message::Binary(octets) => (Opcode::Binary, octets),
    }
}

fn saturating_u32(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Connection, Options};
    use crate::extension::{DeflateOptions, DeflateParams, Extensions};

    /// A sender, and what it has come to.
    fn sender(state: usize) -> Sender {
        let none = Extensions::none();
        let piece = Bytes::from_static(b"piece");
        let mut server = Connection::server(&none, &Options::new()).split().1;
        match state {
            0 => {}
            1 => server.send_piece(false, piece, false).unwrap(),
            2 => server.close(None).unwrap(),
            3 => return Connection::server(&none, &Options::new().max_frame_size(11)).split().1,
            4 => return Connection::client(|| [1, 2, 3, 4], &none, &Options::new()).split().1,
            _ => {
                let options = Options::new().compression(DeflateOptions::new());
                let deflate = Some(DeflateParams::default());
                return Connection::server(&Extensions { deflate }, &options).split().1;
            }
        }
        server
    }

    #[test]
    fn a_message_that_is_copied_is_queued_as_any_other() {
        for state in 0..6 {
            for len in [0, 1, 11, 12, 125, 126, SHARE_FROM - 1, SHARE_FROM, 20_000] {
                for message in [Message::from(vec![b'a'; len]), Message::text("a".repeat(len))] {
                    let (mut quick, mut slow) = (sender(state), sender(state));
                    for _ in 0..2 {
                        let result = quick.send_with(message.clone(), true);
                        assert_eq!(result.is_ok(), slow.send_any(message.clone(), true).is_ok());
                        assert_eq!(quick.messages(), slow.messages());
                        assert_eq!(quick.buffered(), slow.buffered());
                    }
                    let mut taken = [quick.take(), slow.take()].map(Option::unwrap_or_default);
                    assert_eq!(taken[0].max_io_slices(), taken[1].max_io_slices());
                    let octets =
                        taken.each_mut().map(|taken| taken.copy_to_bytes(taken.remaining()));
                    assert!(octets[0] == octets[1], "{len} octets in the state {state}");
                }
            }
        }
    }
}
