//! Masking as callers see it; the kernels have their own tests beside them.

use bytes::BytesMut;
use hybi_bytes::{append_framed, copy_masked, mask, mask_append, mask_append_bytes};
use proptest::prelude::*;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn naive(payload: &[u8], key: [u8; 4], offset: usize) -> Vec<u8> {
    payload.iter().enumerate().map(|(i, octet)| octet ^ key[(i + offset) % 4]).collect()
}

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 256) as u8).collect()
}

#[test]
fn every_length_alignment_and_offset_equals_the_naive_twin() {
    let source = payload(400);
    for len in 0..=300 {
        for alignment in [0, 1, 2, 6, 8, 14, 31, 32, 63] {
            for offset in 0..4 {
                let part = &source[alignment..alignment + len];
                let expected = naive(part, KEY, offset);

                let mut whole = source.clone();
                mask(&mut whole[alignment..alignment + len], KEY, offset);
                assert_eq!(whole[alignment..alignment + len], expected);
                assert_eq!(whole[..alignment], source[..alignment]);
                assert_eq!(whole[alignment + len..], source[alignment + len..]);

                let mut out = vec![0xee; alignment];
                mask_append(&mut out, part, KEY, offset);
                assert_eq!(out[alignment..], expected);
                assert!(out[..alignment].iter().all(|octet| *octet == 0xee));

                let mut out = BytesMut::from(&vec![0xee; alignment][..]);
                mask_append_bytes(&mut out, part, KEY, offset);
                assert_eq!(out[alignment..], expected);
                assert!(out[..alignment].iter().all(|octet| *octet == 0xee));
            }
        }
    }
}

#[test]
fn large_payloads_equal_the_naive_twin() {
    for len in [4096, 65_535, 65_536, 1_000_001] {
        let payload = payload(len);
        let expected = naive(&payload, KEY, 3);
        let mut place = payload.clone();
        mask(&mut place, KEY, 3);
        assert!(place == expected);
        let mut out = Vec::new();
        mask_append(&mut out, &payload, KEY, 3);
        assert!(out == expected);
        assert!(copy_masked(&payload, KEY) == naive(&payload, KEY, 0));
    }
}

#[test]
fn an_offset_beyond_four_counts_like_its_remainder() {
    for offset in [4, 5, 1 << 20, usize::MAX - 1, usize::MAX] {
        let mut octets = payload(200);
        mask(&mut octets, KEY, offset);
        assert_eq!(octets, naive(&payload(200), KEY, offset % 4));
    }
}

#[test]
fn masking_appends_within_the_capacity_without_moving() {
    let mut out = Vec::with_capacity(1000);
    let place = out.as_ptr();
    mask_append(&mut out, &payload(400), KEY, 0);
    mask_append(&mut out, &payload(600), KEY, 0);
    assert_eq!((out.as_ptr(), out.capacity()), (place, 1000));
}

proptest! {
    #[test]
    fn masking_twice_changes_nothing(octets: Vec<u8>, key: [u8; 4], offset: usize) {
        let mut place = octets.clone();
        mask(&mut place, key, offset);
        mask(&mut place, key, offset);
        prop_assert_eq!(place, octets);
    }

    #[test]
    fn a_payload_may_be_masked_in_pieces(
        octets in proptest::collection::vec(any::<u8>(), 0..2000),
        key: [u8; 4],
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..4),
    ) {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
        ends.push(octets.len());
        ends.sort_unstable();
        let mut out = Vec::new();
        for end in ends {
            let start = out.len();
            mask_append(&mut out, &octets[start..end], key, start);
        }
        prop_assert_eq!(out, naive(&octets, key, 0));
    }
}

#[test]
fn a_head_and_a_payload_are_appended_as_two_slices_would_be() {
    let head = [0x82, 0x7e, 0xab, 0xcd];
    for head_len in 0..=4 {
        for len in (0..300).chain([4096, 8191, 8192, 70_000]) {
            // Exactly as much room as there must be, and none: what is written beyond shows under memcheck.
            for room in [0, head.len() + len] {
                let mut out = b"before".to_vec();
                out.reserve_exact(room);
                append_framed(&mut out, head, head_len, &payload(len));
                let expected = [&b"before"[..], &head[..head_len], &payload(len)].concat();
                assert_eq!(out, expected, "{head_len} + {len}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "a head of 5 octets")]
fn a_head_is_at_most_four_octets() {
    append_framed(&mut Vec::new(), [0; 4], 5, b"");
}
