//! [`Outbox`] and [`Outgoing`]: octets that wait to be written.
//!
//! Small frames are copied one behind the other, so that they leave in one write; large payloads are
//! queued by reference. The buffers belong to the thread, not to the connection: an empty outbox
//! owns none.

use crate::header::{FrameHeader, MAX_HEADER_LEN};
use bytes::{Buf, Bytes};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::IoSlice;

/// Payloads from this size on are not copied but queued by reference (unmasked ones only), ...
pub(super) const SHARE_FROM: usize = 8 * 1024;

/// ... unless they are not larger than this, nobody else holds them and little is queued
/// ([`COPY_UNTIL`]): then a reference saves no memory, and a queue and a write in two pieces cost more than
/// the copy.
const COPY_UNSHARED: usize = 16 * 1024;

/// Frames of prepared messages below this size are copied ... (Larger ones cost more so: one batch
/// gathers for a thousand connections at once, which is more buffers than are kept.)
const COPY_BELOW: usize = 256;

/// ... while less than this is queued: it costs less than a reference, and one piece is written faster
/// than several. What a peer that does not read is owed beyond that is shared with the others.
const COPY_UNTIL: usize = 4 * 1024;

/// A buffer that has grown beyond this is not kept for the next connection.
const KEEP_CAPACITY: usize = 128 * 1024;

/// What the buffers that are kept per thread may hold together: enough for a thousand connections
/// that gather the same few small messages, which is dear if each takes and frees memory for it.
const KEEP_OCTETS: usize = 1024 * 1024;

/// What a new buffer holds.
const BUFFER: usize = 512;

/// Buffers that nobody needs now.
struct Spare {
    buffers: Vec<Vec<u8>>,
    /// The sum of their capacities.
    octets: usize,
}

thread_local! {
    static SPARE: RefCell<Spare> = const { RefCell::new(Spare { buffers: Vec::new(), octets: 0 }) };
}

fn spare_buffer() -> Vec<u8> {
    SPARE.with_borrow_mut(|spare| match spare.buffers.pop() {
        Some(buffer) => {
            spare.octets -= buffer.capacity();
            buffer
        }
        None => Vec::with_capacity(BUFFER),
    })
}

fn give_back(mut buffer: Vec<u8>) {
    let capacity = buffer.capacity();
    if capacity == 0 || capacity > KEEP_CAPACITY {
        return;
    }
    buffer.clear();
    // A thread that is ending has no spare buffers any more: the buffer is simply dropped then.
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.octets + capacity <= KEEP_OCTETS {
            spare.octets += capacity;
            spare.buffers.push(buffer);
        }
    });
}

/// Frames that have been accepted and not yet handed out for writing.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Boxed, because few connections need it.
    queue: Option<Box<Queue>>,
    /// All that is not queued by reference.
    small: Vec<u8>,
}

/// Payloads queued by reference.
#[derive(Debug)]
struct Queue {
    /// By itself, because mostly it is the only one: a large message, or one for many.
    first: Payload,
    more: VecDeque<Payload>,
    /// The sum of their lengths.
    len: usize,
}

/// A payload, and the octets of `small` that come before it.
type Payload = (usize, Bytes);

impl Queue {
    fn payloads(&self) -> impl Iterator<Item = &Payload> {
        std::iter::once(&self.first).chain(&self.more)
    }
}

impl Outbox {
    /// The octets queued.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.small.len() + self.queue.as_ref().map_or(0, |queue| queue.len)
    }

    /// Queues a frame; masks its payload if the header has a key.
    #[inline(always)]
    pub(super) fn push(&mut self, header: &FrameHeader, payload: &[u8]) {
        if self.small.capacity() == 0 {
            self.small = spare_buffer();
        }
        if let Some((head, len)) = header.encode_short() {
            hybi_bytes::append_framed(&mut self.small, head, len, payload);
            return;
        }
        self.push_long_header(header, payload.len());
        match header.mask {
            None => self.small.extend_from_slice(payload),
            Some(key) => hybi_bytes::mask_append(&mut self.small, payload, key, 0),
        }
    }

    /// As [`push`](Self::push), without copying a payload that is large.
    #[inline(always)]
    pub(super) fn push_shared(&mut self, header: &FrameHeader, payload: Bytes) {
        if payload.len() < SHARE_FROM {
            return self.push(header, &payload);
        }
        self.push_large(header, payload);
    }

    #[inline(never)]
    fn push_large(&mut self, header: &FrameHeader, payload: Bytes) {
        if payload.len() <= COPY_UNSHARED && self.len() < COPY_UNTIL && payload.is_unique() {
            return self.push(header, &payload);
        }
        let payload = match header.mask {
            None => payload,
            Some(key) => match payload.try_into_mut() {
                // Nobody else holds the payload: it is masked where it is.
                Ok(mut unique) => {
                    hybi_bytes::mask(&mut unique, key, 0);
                    unique.freeze()
                }
                Err(shared) => return self.push(header, &shared),
            },
        };
        self.push(header, &[]);
        self.push_encoded(payload);
    }

    /// Queues a whole frame that goes to others as well.
    #[inline]
    pub(super) fn push_frame(&mut self, frame: &Bytes) {
        if frame.len() >= COPY_BELOW || self.len() >= COPY_UNTIL {
            return self.push_encoded(frame.clone());
        }
        if self.small.capacity() == 0 {
            self.small = spare_buffer();
        }
        self.small.extend_from_slice(frame);
    }

    /// Queues octets that are whole frames, or the rest of one, by reference.
    #[inline]
    pub(super) fn push_encoded(&mut self, octets: Bytes) {
        let len = octets.len();
        let payload = (self.small.len(), octets);
        let Some(queue) = &mut self.queue else {
            self.queue = Some(Box::new(Queue { first: payload, more: VecDeque::new(), len }));
            return;
        };
        if queue.more.capacity() == 0 {
            queue.more.reserve(8);
        }
        queue.len += len;
        queue.more.push_back(payload);
    }

    #[inline(always)]
    fn push_long_header(&mut self, header: &FrameHeader, payload_here: usize) {
        self.small.reserve(MAX_HEADER_LEN + payload_here);
        let mut octets = [0; MAX_HEADER_LEN];
        let len = header.encode(&mut octets);
        self.small.extend_from_slice(&octets[..len]);
    }

    /// Hands out all that is queued.
    pub(super) fn take(&mut self) -> Outgoing {
        let remaining = self.len();
        let small = std::mem::take(&mut self.small);
        Outgoing { queue: self.queue.take(), small, written: 0, remaining }
    }

    /// Drops all that is queued.
    pub(super) fn clear(&mut self) {
        drop(self.take());
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        give_back(std::mem::take(&mut self.small));
    }
}

/// Octets on their way to the transport: a [`Buf`] for one vectored write.
///
/// Write from it, [`advance`](Buf::advance) it by what was written, and tell the connection with
/// [`Sender::written`](super::Sender::written).
#[derive(Debug, Default)]
pub struct Outgoing {
    queue: Option<Box<Queue>>,
    small: Vec<u8>,
    /// Octets of `small` that are written.
    written: usize,
    remaining: usize,
}

impl Outgoing {
    /// The slices still to be written, for a vectored write; returns how many were filled in.
    pub fn io_slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        let mut from = self.written;
        for (before, payload) in self.queue.iter().flat_map(|queue| queue.payloads()) {
            for octets in [&self.small[from..*before], payload] {
                if filled == slices.len() {
                    return filled;
                }
                if !octets.is_empty() {
                    slices[filled] = IoSlice::new(octets);
                    filled += 1;
                }
            }
            from = *before;
        }
        if filled < slices.len() && from < self.small.len() {
            slices[filled] = IoSlice::new(&self.small[from..]);
            filled += 1;
        }
        filled
    }

    /// The most slices that [`io_slices`](Self::io_slices) can fill in.
    #[inline]
    pub fn max_io_slices(&self) -> usize {
        1 + self.queue.as_ref().map_or(0, |queue| 2 * (1 + queue.more.len()))
    }

    /// The octets still to be written if they lie in one piece.
    #[inline]
    pub fn contiguous(&self) -> Option<&[u8]> {
        match &self.queue {
            None => Some(&self.small[self.written..]),
            Some(queue) if queue.more.is_empty() && self.small.is_empty() => Some(&queue.first.1),
            Some(_) => None,
        }
    }

    fn advance_queue(&mut self, mut octets: usize) {
        while let Some(queue) = &mut self.queue {
            let (before, payload) = &mut queue.first;
            let small = octets.min(*before - self.written);
            self.written += small;
            octets -= small;
            if octets < payload.len() {
                payload.advance(octets);
                return;
            }
            octets -= payload.len();
            match queue.more.pop_front() {
                Some(next) => queue.first = next,
                None => self.queue = None,
            }
        }
        self.written += octets;
    }
}

impl Buf for Outgoing {
    #[inline]
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        match self.queue.as_ref().map(|queue| &queue.first) {
            Some((before, payload)) if *before == self.written => payload,
            Some((before, _)) => &self.small[self.written..*before],
            None => &self.small[self.written..],
        }
    }

    #[inline]
    fn advance(&mut self, octets: usize) {
        assert!(octets <= self.remaining, "cannot advance past what is to be written");
        self.remaining -= octets;
        match self.queue {
            None => self.written += octets,
            Some(_) => self.advance_queue(octets),
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.io_slices(slices)
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        give_back(std::mem::take(&mut self.small));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opcode::Opcode;

    fn header(len: usize) -> FrameHeader {
        FrameHeader {
            fin: true,
            rsv1: false,
            opcode: Opcode::Binary,
            mask: None,
            payload_len: len as u64,
        }
    }

    fn drain(mut outgoing: Outgoing, step: usize) -> Vec<u8> {
        let mut octets = Vec::new();
        while outgoing.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 3];
            let filled = outgoing.io_slices(&mut slices);
            let mut left = step;
            for slice in &slices[..filled] {
                let n = left.min(slice.len());
                octets.extend_from_slice(&slice[..n]);
                left -= n;
            }
            outgoing.advance(step - left);
        }
        octets
    }

    #[test]
    fn small_frames_lie_in_one_piece_and_large_payloads_are_not_copied() {
        let mut outbox = Outbox::default();
        outbox.push_shared(&header(2), Bytes::from_static(b"ab"));
        outbox.push_shared(&header(2), Bytes::from_static(b"cd"));
        assert_eq!(outbox.take().contiguous(), Some(&b"\x82\x02ab\x82\x02cd"[..]));

        let large = Bytes::from(vec![7; SHARE_FROM]);
        outbox.push_shared(&header(SHARE_FROM), large.clone());
        outbox.push_shared(&header(2), Bytes::from_static(b"ef"));
        let outgoing = outbox.take();
        assert_eq!(outgoing.remaining(), 4 + SHARE_FROM + 4);
        let mut slices = [IoSlice::new(&[]); 4];
        assert_eq!((outgoing.io_slices(&mut slices), outgoing.max_io_slices()), (3, 3));
        assert_eq!(slices[1].as_ptr(), large.as_ptr());
    }

    #[test]
    fn a_payload_that_nobody_else_holds_is_copied_up_to_16_kib_if_little_is_queued() {
        let mut outbox = Outbox::default();
        outbox.push_shared(&header(COPY_UNSHARED), vec![7; COPY_UNSHARED].into());
        assert!(outbox.queue.is_none());
        outbox.push_shared(&header(COPY_UNSHARED), vec![7; COPY_UNSHARED].into());
        assert!(outbox.queue.is_some());

        drop(outbox.take());
        outbox.push_shared(&header(COPY_UNSHARED + 1), vec![7; COPY_UNSHARED + 1].into());
        assert!(outbox.queue.is_some());
    }

    #[test]
    fn any_step_of_writing_gives_the_same_octets() {
        for step in [1, 2, 3, 7, 4096, 100_000] {
            let mut outbox = Outbox::default();
            let mut expected = Vec::new();
            for len in [3, SHARE_FROM, 0, COPY_UNSHARED + 1, 5] {
                let payload = Bytes::from(vec![len as u8; len]);
                let mut head = [0; MAX_HEADER_LEN];
                let n = header(len).encode(&mut head);
                expected.extend_from_slice(&head[..n]);
                expected.extend_from_slice(&payload);
                outbox.push_shared(&header(len), payload);
            }
            assert_eq!(outbox.len(), expected.len());
            assert_eq!(drain(outbox.take(), step), expected);
        }
    }

    #[test]
    fn small_frames_for_many_are_copied_until_much_is_queued() {
        let mut outbox = Outbox::default();
        let frame = Bytes::from(vec![1; 128]);
        for _ in 0..32 {
            outbox.push_frame(&frame);
        }
        assert!(outbox.queue.is_none());
        outbox.push_frame(&frame);
        let outgoing = outbox.take();
        let mut slices = [IoSlice::new(&[]); 4];
        assert_eq!(outgoing.io_slices(&mut slices), 2);
        assert_eq!((slices[0].len(), slices[1].as_ptr()), (4 * 1024, frame.as_ptr()));
    }

    #[test]
    fn spare_buffers_are_kept_for_many_and_not_without_bound() {
        let hold = |count: usize, len: usize| {
            let hold = |_| {
                let mut outbox = Outbox::default();
                outbox.push(&header(len), &vec![0; len]);
                outbox
            };
            (0..count).map(hold).collect::<Vec<_>>()
        };
        let spare = || SPARE.with_borrow(|spare| (spare.buffers.len(), spare.octets));
        drop(hold(1000, 10));
        assert_eq!(spare(), (1000, 1000 * BUFFER));
        // They are taken again, ...
        let held = hold(999, 10);
        assert_eq!(spare(), (1, BUFFER));
        drop(held);
        // ... and what has grown in them counts.
        drop(hold(1000, 100_000));
        let (buffers, octets) = spare();
        assert!(octets <= KEEP_OCTETS && buffers < 1000, "{buffers} {octets}");
    }

    #[test]
    fn an_outbox_that_was_emptied_owns_no_buffer() {
        let mut outbox = Outbox::default();
        outbox.push(&header(1), b"a");
        drop(outbox.take());
        assert_eq!(outbox.small.capacity(), 0);
        assert!(outbox.queue.is_none());
    }
}
