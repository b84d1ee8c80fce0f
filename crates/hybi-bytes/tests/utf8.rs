//! Validation against std: the same answer, and the same place of an error.

use hybi_bytes::Utf8Validator;
use hybi_bytes::utf8::{validate, validate_prefix};
use proptest::prelude::*;

/// Valid and invalid sequences, on both sides of every border of the table in RFC 3629 §4.
const SEQUENCES: [&[u8]; 38] = [
    b"\x00",
    b"\x7f",
    b"\x80",
    b"\xbf",
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xc2\x80",
    b"\xdf\xbf",
    b"\xe0\x80\x80",
    b"\xe0\x9f\xbf",
    b"\xe0\xa0\x80",
    b"\xe1\x80\x80",
    b"\xec\xbf\xbf",
    b"\xed\x80\x80",
    b"\xed\x9f\xbf",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xbf",
    b"\xf0\x80\x80\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xf0\x90\x80\x80",
    b"\xf1\x80\x80\x80",
    b"\xf3\xbf\xbf\xbf",
    b"\xf4\x80\x80\x80",
    b"\xf4\x8f\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xfe",
    b"\xff",
    b"\xc2\x41",
    b"\xe1\x80\x41",
    b"\xe1\x41\x80",
    b"\xf1\x80\x80\x41",
    b"\xf1\x80\x41\x80",
    b"\xe1\xc2\x80",
    b"\xf1\x80\xe1\x80",
];

fn agrees_with_std(octets: &[u8]) {
    let std = std::str::from_utf8(octets);
    match (validate(octets), std) {
        (Ok(ours), Ok(std)) => assert_eq!(ours, std),
        (Err(ours), Err(std)) => {
            assert_eq!(ours.valid_up_to(), std.valid_up_to(), "{octets:02x?}");
        }
        (ours, std) => panic!("{ours:?} but std says {std:?} of {octets:02x?}"),
    }
    let prefix = match std {
        Ok(text) => Ok(text.len()),
        Err(e) if e.error_len().is_none() => Ok(e.valid_up_to()),
        Err(e) => Err(e.valid_up_to()),
    };
    let ours = validate_prefix(octets).map_err(|e| e.valid_up_to());
    assert_eq!(ours, prefix, "{octets:02x?}");
}

#[test]
fn each_sequence_and_each_beginning_of_it_is_judged_as_by_std_wherever_it_stands() {
    let around = ["a", "\u{e9}", "\u{20ac}", "\u{1f389}"];
    for (i, sequence) in SEQUENCES.iter().enumerate() {
        for cut in 1..=sequence.len() {
            for before in (0..=70).chain([110, 125, 126, 127, 128, 129, 190, 255, 256, 500]) {
                let filler = around[(i + before) % 4];
                let mut octets = filler.repeat(before / filler.len() + 1).into_bytes();
                octets.extend_from_slice(&sequence[..cut]);
                agrees_with_std(&octets);
                let mut ascii = "x".repeat(before).into_bytes();
                ascii.extend_from_slice(&sequence[..cut]);
                agrees_with_std(&ascii);
                ascii.extend_from_slice(&b"y".repeat(before % 67));
                agrees_with_std(&ascii);
            }
        }
    }
}

#[test]
fn pairs_of_sequences_are_judged_as_by_std() {
    for first in SEQUENCES {
        for second in SEQUENCES {
            for before in [0, 13, 16, 61, 62, 126, 130] {
                let octets = [&b"x".repeat(before), first, second].concat();
                agrees_with_std(&octets);
            }
        }
    }
}

#[test]
fn every_character_survives_a_cut_at_every_position() {
    for character in ('\0'..=char::MAX).step_by(61).chain(['\u{7ff}', '\u{800}', '\u{ffff}']) {
        let text = format!("{character}{character}");
        for cut in 0..=text.len() {
            let complete = cut - cut % character.len_utf8();
            assert_eq!(validate_prefix(&text.as_bytes()[..cut]), Ok(complete));
        }
        assert_eq!(validate(text.as_bytes()), Ok(text.as_str()));
    }
}

#[test]
fn an_error_names_the_octet() {
    let error = validate(b"abc\xff").unwrap_err();
    assert_eq!(error.to_string(), "invalid UTF-8 at octet 3");
}

/// Sequences in a row: mostly valid, so that errors come late, too.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        10 => any::<char>().prop_map(|c| c.to_string().into_bytes()),
        10 => "[ -~]{0,40}".prop_map(String::into_bytes),
        1 => proptest::sample::select(&SEQUENCES[..]).prop_map(<[u8]>::to_vec),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn text_with_occasional_errors_is_judged_as_by_std(octets in texts(), cut: usize) {
        agrees_with_std(&octets);
        agrees_with_std(&octets[..cut % (octets.len() + 1)]);
    }

    #[test]
    fn valid_text_with_one_octet_changed_is_judged_as_by_std(
        text in "\\PC{0,300}",
        at: proptest::sample::Index,
        octet: u8,
    ) {
        let mut octets = text.into_bytes();
        agrees_with_std(&octets);
        if !octets.is_empty() {
            let at = at.index(octets.len());
            octets[at] = octet;
            agrees_with_std(&octets);
        }
    }

    #[test]
    fn any_octets_are_judged_as_by_std(octets: Vec<u8>) {
        agrees_with_std(&octets);
    }

    #[test]
    fn a_text_in_pieces_is_judged_as_whole_and_as_early_as_can_be(
        octets in texts(),
        lengths in proptest::collection::vec(0_usize..9, 1..40),
        key: [u8; 4],
    ) {
        let mut plain = Utf8Validator::new();
        let mut masked = Utf8Validator::new();
        let (mut rest, mut at) = (&octets[..], 0);
        for length in lengths.iter().cycle().take(octets.len() * 10 + 1) {
            let (piece, later) = rest.split_at(rest.len().min(*length));
            rest = later;
            let mut scrambled: Vec<u8> =
                piece.iter().enumerate().map(|(i, octet)| octet ^ key[(at + i) % 4]).collect();
            let result = plain.push(piece);
            prop_assert_eq!(result, masked.push_masked(&mut scrambled, key, at));
            prop_assert_eq!(&scrambled[..], piece);
            at += piece.len();
            let expected = match std::str::from_utf8(&octets[..at]) {
                Err(e) if e.error_len().is_some() => Err(e.valid_up_to()),
                _ => Ok(()),
            };
            prop_assert_eq!(result.map_err(|e| e.valid_up_to()), expected);
            if result.is_err() {
                return Ok(());
            }
        }
        prop_assume!(rest.is_empty());
        let whole = std::str::from_utf8(&octets);
        prop_assert_eq!(
            plain.finish().map_err(|e| e.valid_up_to()),
            whole.map(|_| ()).map_err(|e| e.valid_up_to())
        );
    }
}
