//! A message that is still arriving: in any pieces, in every way, always validated.

use bytes::{BufMut, BytesMut};
use hybi_bytes::{PayloadBuffer, mask};
use proptest::prelude::*;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn masked(octets: &[u8], offset: usize) -> Vec<u8> {
    let mut octets = octets.to_vec();
    mask(&mut octets, KEY, offset);
    octets
}

#[test]
fn text_may_arrive_one_octet_at_a_time() {
    let text = "größer, 日本語, 🎉";
    let mut buffer = PayloadBuffer::text();
    for (i, octet) in text.bytes().enumerate() {
        buffer.push_masked(&masked(&[octet], i), KEY, i).unwrap();
    }
    assert_eq!(buffer.finish_text().unwrap(), text);
}

#[test]
fn an_error_is_found_in_the_piece_that_makes_it_certain() {
    let mut buffer = PayloadBuffer::text();
    buffer.push(b"abc\xed").unwrap();
    // Surrogates begin with ed a0: nothing that follows makes this valid.
    assert_eq!(buffer.push(b"\xa0").unwrap_err().valid_up_to(), 3);
    assert_eq!(buffer.finish_text().unwrap_err().valid_up_to(), 3);
}

#[test]
fn text_that_ends_within_a_sequence_is_refused() {
    let mut buffer = PayloadBuffer::text();
    buffer.push("für".as_bytes().split_at(2).0).unwrap();
    assert_eq!(buffer.finish_text().unwrap_err().valid_up_to(), 1);
}

#[test]
fn an_error_is_not_forgotten() {
    let mut buffer = PayloadBuffer::text();
    buffer.push(b"ok\xff").unwrap_err();
    buffer.push(b"more").unwrap_err();
    buffer.push_masked(&[b'm'; 40_000], KEY, 0).unwrap_err();
    buffer.commit(Some((KEY, 0))).unwrap_err();
    assert_eq!(buffer.finish_text().unwrap_err().valid_up_to(), 2);
}

#[test]
fn ascii_does_not_complete_a_sequence_that_was_cut_off() {
    for len in [1, 20, 200, 40_000] {
        let mut buffer = PayloadBuffer::text();
        buffer.push(b"\xc3").unwrap();
        buffer.push_masked(&masked(&vec![b'a'; len], 1), KEY, 1).unwrap_err();

        let mut buffer = PayloadBuffer::text();
        buffer.push(b"\xc3").unwrap();
        buffer.reserve(len);
        buffer.spare(len).put_slice(&masked(&vec![b'a'; len], 1));
        buffer.commit(Some((KEY, 1))).unwrap_err();
    }
}

#[test]
fn a_commit_touches_only_what_came_since_the_last_one() {
    let mut buffer = PayloadBuffer::text();
    buffer.push("schön".as_bytes()).unwrap();
    buffer.commit(Some((KEY, 0))).unwrap();
    buffer.commit(Some(([0xff; 4], 0))).unwrap();
    buffer.spare(10).put_slice(&masked(b" and", 0));
    buffer.commit(Some((KEY, 0))).unwrap();
    buffer.commit(Some((KEY, 0))).unwrap();
    assert_eq!(buffer.finish_text().unwrap(), "schön and");
}

#[test]
fn what_was_not_committed_is_validated_all_the_same() {
    let mut buffer = PayloadBuffer::text();
    buffer.spare(1).put_slice(b"\xff");
    assert!(buffer.finish_text().is_err());

    let mut buffer = PayloadBuffer::text();
    buffer.spare(1).put_slice(b"\xff");
    buffer.push(b"abc").unwrap_err();
    assert!(buffer.finish_text().is_err());
}

#[test]
fn what_was_not_committed_before_a_push_is_not_unmasked_later() {
    let mut buffer = PayloadBuffer::binary();
    buffer.spare(2).put_slice(b"ab");
    buffer.push_masked(&masked(b"cd", 2), KEY, 2).unwrap();
    buffer.commit(Some((KEY, 0))).unwrap();
    assert_eq!(buffer.finish(), "abcd");
}

#[test]
fn a_binary_buffer_takes_anything_and_is_checked_if_it_ends_as_text() {
    let mut buffer = PayloadBuffer::binary();
    buffer.push(b"\xff\xfe").unwrap();
    assert!(!buffer.is_text());
    assert_eq!(buffer.as_bytes(), b"\xff\xfe");
    assert_eq!(buffer.finish_text().unwrap_err().valid_up_to(), 0);

    let mut buffer = PayloadBuffer::binary();
    buffer.push("ü".as_bytes()).unwrap();
    assert_eq!(buffer.finish_text().unwrap(), "ü");
}

#[test]
fn spare_offers_what_is_left_and_grows_only_when_nothing_is_left() {
    let mut buffer = PayloadBuffer::binary();
    assert_eq!(buffer.spare(0).remaining_mut(), 0);
    assert_eq!(buffer.capacity(), 0);
    assert_eq!(buffer.spare(1000).remaining_mut(), 1000);
    assert_eq!(buffer.capacity(), 1000);
    assert_eq!(buffer.spare(10).remaining_mut(), 10);
    assert_eq!(buffer.spare(10).chunk_mut().len(), 10);
    buffer.spare(990).put_bytes(1, 990);
    assert_eq!(buffer.spare(1000).remaining_mut(), 10);
    assert_eq!(buffer.capacity(), 1000);
    buffer.spare(10).put_bytes(1, 10);
    assert_eq!(buffer.spare(300).remaining_mut(), 300);
    assert_eq!(buffer.capacity(), 1300);
}

#[test]
fn a_full_spare_does_not_grow() {
    let mut buffer = PayloadBuffer::binary();
    let mut spare = buffer.spare(3);
    spare.put_slice(b"abc");
    assert!(!spare.has_remaining_mut());
    assert_eq!(spare.chunk_mut().len(), 0);
    drop(spare);
    assert_eq!((buffer.len(), buffer.capacity()), (3, 3));
}

#[test]
#[should_panic(expected = "room for 3")]
fn a_spare_cannot_be_advanced_beyond_its_limit() {
    let mut buffer = PayloadBuffer::binary();
    buffer.reserve(100);
    let mut spare = buffer.spare(3);
    // SAFETY: none; the check must come before the harm.
    unsafe { spare.advance_mut(4) };
}

#[test]
fn a_payload_of_known_length_is_allocated_once_and_exactly() {
    for len in [1, 7, 20, 125, 1000, 65_536, 1_000_000] {
        let mut buffer = PayloadBuffer::binary();
        buffer.reserve(len);
        let place = buffer.as_bytes().as_ptr();
        assert_eq!(buffer.capacity(), len);
        for piece in vec![7; len].chunks(1000) {
            buffer.push(piece).unwrap();
        }
        assert_eq!((buffer.len(), buffer.capacity()), (len, len));
        assert_eq!(buffer.finish().as_ptr(), place, "not moved at the end");
    }
}

#[test]
fn reading_into_spare_as_recommended_ends_with_an_exact_fit_and_few_allocations() {
    for total in [70_000, 600_000, 1_048_577] {
        let mut buffer = PayloadBuffer::binary();
        let mut grown = 0;
        while buffer.len() < total {
            let capacity = buffer.capacity();
            let limit = (total - buffer.len()).min(buffer.len().max(65_536));
            let mut spare = buffer.spare(limit);
            let read = spare.remaining_mut().min(1448); // a segment
            spare.put_bytes(7, read);
            drop(spare);
            grown += usize::from(buffer.capacity() != capacity);
            assert!(buffer.capacity() <= 2 * buffer.len() + 65_536);
        }
        assert_eq!(buffer.capacity(), total);
        assert!(grown <= 6, "{grown} allocations for {total} octets");
    }
}

#[test]
fn many_small_fragments_do_not_copy_the_message_many_times() {
    let mut buffer = PayloadBuffer::binary();
    let mut copied = 0;
    for _ in 0..100_000 {
        let (capacity, len) = (buffer.capacity(), buffer.len());
        buffer.reserve(3);
        buffer.push(b"abc").unwrap();
        copied += if buffer.capacity() == capacity { 0 } else { len };
    }
    assert!(copied < 4 * buffer.len(), "{copied} octets copied for {}", buffer.len());
    assert!(buffer.capacity() < 2 * buffer.len());
}

#[test]
fn a_finished_message_carries_little_unused_capacity() {
    let mut buffer = PayloadBuffer::text();
    buffer.reserve(100_000);
    buffer.push(b"short").unwrap();
    // A unique `Bytes` becomes `BytesMut` with its whole allocation.
    let bytes = buffer.finish_text().unwrap().into_bytes();
    assert!(BytesMut::from(bytes).capacity() < 16);
}

#[test]
fn validation_does_not_start_over_with_each_piece() {
    // Quadratic work on this would be 10^12 octets: the test would not end.
    let mut buffer = PayloadBuffer::text();
    for _ in 0..1_000_000 / 2 {
        buffer.push(b"\xc3").unwrap();
        buffer.push(b"\xbc").unwrap();
    }
    assert_eq!(buffer.finish_text().unwrap().len(), 1_000_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn pieces_in_any_way_give_the_text_or_the_error_of_the_whole(
        text in "(\\PC{0,60}|[ -~]{0,200})",
        copies in 1..400usize,
        broken in proptest::option::of((any::<proptest::sample::Index>(), any::<u8>())),
        ways in proptest::collection::vec((0..4u8, 1..30_000usize), 1..8),
    ) {
        let mut octets = text.repeat(copies).into_bytes();
        if let (Some((at, octet)), false) = (broken, octets.is_empty()) {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        let mut buffer = PayloadBuffer::text();
        let mut result = Ok(());
        let mut ways = ways.into_iter().cycle();
        while buffer.len() < octets.len() && result.is_ok() {
            let (way, len) = ways.next().unwrap();
            let at = buffer.len();
            let piece = &octets[at..octets.len().min(at + len)];
            result = match way {
                0 => buffer.push(piece),
                1 => buffer.push_masked(&masked(piece, at), KEY, at),
                _ => {
                    buffer.reserve(piece.len());
                    let given = if way == 2 { piece.to_vec() } else { masked(piece, at) };
                    buffer.spare(piece.len()).put_slice(&given);
                    buffer.commit((way == 3).then_some((KEY, at)))
                }
            };
        }
        let ours = result.and_then(|()| buffer.finish_text()).map_err(|e| e.valid_up_to());
        let std = std::str::from_utf8(&octets).map_err(|e| e.valid_up_to());
        match (ours, std) {
            (Ok(ours), Ok(std)) => prop_assert_eq!(ours, std),
            (ours, std) => prop_assert_eq!(ours.err(), std.err()),
        }
    }
}

#[test]
fn draining_takes_whole_characters_and_leaves_the_beginning_of_another() {
    for at_once in 1..8 {
        let text = "aü€😀z".repeat(20);
        let mut buffer = PayloadBuffer::text();
        let mut drained = String::new();
        for octets in text.as_bytes().chunks(at_once) {
            buffer.push(octets).unwrap();
            drained.push_str(&buffer.drain_text().unwrap());
            assert!(buffer.len() < 4);
        }
        assert_eq!(drained, text);
        let error = buffer.push(b"!\xff").unwrap_err();
        assert_eq!(error.valid_up_to(), text.len() + 1);
    }
    let mut buffer = PayloadBuffer::binary();
    buffer.push(b"\xff\xfe").unwrap();
    assert_eq!(buffer.drain_text(), None);
    assert_eq!(buffer.drain(), &b"\xff\xfe"[..]);
    assert!(buffer.is_empty());
}
