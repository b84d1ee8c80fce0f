//! `Utf8Bytes`: text as `str` has it, shared as `Bytes` are.

use bytes::{Bytes, BytesMut};
use hybi_bytes::{Utf8Bytes, copy_masked, mask};
use proptest::prelude::*;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn masked(octets: &[u8]) -> Vec<u8> {
    let mut octets = octets.to_vec();
    mask(&mut octets, KEY, 0);
    octets
}

#[test]
fn a_map_is_searched_with_a_str() {
    let hash = HashMap::from([(Utf8Bytes::from("topic"), 1), (Utf8Bytes::from(""), 2)]);
    assert_eq!(hash.get("topic"), Some(&1));
    assert_eq!(hash.get(""), Some(&2));
    let tree = BTreeMap::from([(Utf8Bytes::from("b"), 1), (Utf8Bytes::from("ä"), 2)]);
    assert_eq!(tree.get("ä"), Some(&2));
}

#[test]
fn it_is_made_of_whatever_is_text() {
    let expected = Utf8Bytes::from_static("text");
    let string = String::from("text");
    assert_eq!(Utf8Bytes::from("text"), expected);
    assert_eq!(Utf8Bytes::from(&string), expected);
    assert_eq!(Utf8Bytes::from(string.clone()), expected);
    assert_eq!(Utf8Bytes::from(string.into_boxed_str()), expected);
    assert_eq!(Utf8Bytes::from(Cow::Borrowed("text")), expected);
    assert_eq!(Utf8Bytes::from(Cow::<str>::Owned("text".into())), expected);
    assert_eq!("text".parse::<Utf8Bytes>().unwrap(), expected);
    assert_eq!("text".chars().collect::<Utf8Bytes>(), expected);
    assert_eq!(Utf8Bytes::from('ü'), "ü");
    assert_eq!(Utf8Bytes::new(), Utf8Bytes::default());
}

#[test]
fn octets_are_checked() {
    let octets = b"ok\xff".as_slice();
    assert_eq!(Utf8Bytes::try_from(octets).unwrap_err().valid_up_to(), 2);
    assert!(Utf8Bytes::try_from(octets.to_vec()).is_err());
    assert!(Utf8Bytes::try_from(Bytes::from_static(octets)).is_err());
    assert!(Utf8Bytes::try_from(BytesMut::from(octets)).is_err());
    assert!(Utf8Bytes::copy_from_slice(octets).is_err());
    assert_eq!(Utf8Bytes::try_from(&octets[..2]).unwrap(), "ok");
    assert_eq!(Utf8Bytes::try_from(BytesMut::from(&octets[..2])).unwrap(), "ok");
}

fn compares<T>(text: &Utf8Bytes, other: &T, expected: Ordering)
where
    T: PartialOrd<Utf8Bytes> + ?Sized,
    Utf8Bytes: PartialOrd<T>,
{
    assert_eq!(text.partial_cmp(other), Some(expected));
    assert_eq!(other.partial_cmp(text), Some(expected.reverse()));
    assert_eq!(text == other, expected.is_eq());
    assert_eq!(other == text, expected.is_eq());
}

#[test]
fn it_compares_with_other_kinds_of_text_both_ways() {
    for (other, expected) in
        [("a", Ordering::Greater), ("b", Ordering::Equal), ("ba", Ordering::Less)]
    {
        let text = Utf8Bytes::from("b");
        compares(&text, other, expected);
        compares(&text, &other, expected);
        compares(&text, &String::from(other), expected);
        compares(&text, &Box::<str>::from(other), expected);
        compares(&text, &Cow::from(other), expected);
        compares(&text, &Utf8Bytes::from(other), expected);
    }
}

#[test]
fn slices_share_the_octets() {
    let text = Utf8Bytes::from("größe");
    let slice = text.slice(2..6);
    assert_eq!(slice, "öß");
    assert_eq!(slice.as_ptr(), text[2..].as_ptr());
    assert_eq!(text.slice(..), text);
    assert_eq!(text.slice(..=1), "gr");
    assert_eq!(text.slice(7..), "");
    assert_eq!(text.slice_ref(text.trim_end_matches('e')), "größ");
    assert_eq!(text.try_slice(2..4).unwrap(), "ö");
    assert_eq!(text.try_slice(..3), None, "within a character");
    assert_eq!(text.try_slice(..8), None, "out of bounds");
}

#[test]
#[should_panic(expected = "boundary")]
fn a_slice_does_not_cut_a_character() {
    let _ = Utf8Bytes::from("ö").slice(1..);
}

#[test]
#[should_panic(expected = "boundary")]
fn a_split_to_does_not_cut_a_character() {
    let _ = Utf8Bytes::from("ö").split_to(1);
}

#[test]
#[should_panic(expected = "boundary")]
fn a_split_off_does_not_cut_a_character() {
    let _ = Utf8Bytes::from("ö").split_off(1);
}

#[test]
fn splits_share_the_octets() {
    let mut text = Utf8Bytes::from("größe");
    let whole = text.clone();
    let before = text.split_to(2);
    assert_eq!((before.as_str(), text.as_str()), ("gr", "öße"));
    let after = text.split_off(4);
    assert_eq!((text.as_str(), after.as_str()), ("öß", "e"));
    assert_eq!(after.as_ptr(), whole[6..].as_ptr());
}

#[test]
fn a_string_that_nobody_shares_is_not_copied() {
    let string = String::from("a text of some length");
    let place = string.as_ptr();
    let text = Utf8Bytes::from(string);
    assert_eq!(text.as_ptr(), place);
    let string = String::from(text);
    assert_eq!(string.as_ptr(), place);
    let octets = Vec::from(Utf8Bytes::from(string));
    assert_eq!(octets.as_ptr(), place);
}

#[test]
fn it_shows_itself_as_str_does() {
    let text = Utf8Bytes::from("ü\n");
    assert_eq!(format!("{text}|{text:?}|{:>4}", text.slice(..2)), "ü\n|\"ü\\n\"|   ü");
}

#[test]
fn masked_text_of_every_length_is_unmasked_and_checked() {
    for character in ["x", "ü", "語", "🎉"] {
        for len in (0..300).chain([16_383, 16_384, 16_385, 50_001]) {
            let mut text = character.repeat(len / character.len());
            text.extend(std::iter::repeat_n('.', len - text.len()));
            assert!(Utf8Bytes::copy_masked(&masked(text.as_bytes()), KEY).unwrap() == text);
            assert!(copy_masked(&masked(text.as_bytes()), KEY) == text);
            if len > 0 {
                let mut octets = text.clone().into_bytes();
                octets[len - 1] = 0xff;
                let error = Utf8Bytes::copy_masked(&masked(&octets), KEY).unwrap_err();
                let expected = std::str::from_utf8(&octets).unwrap_err();
                assert_eq!(error.valid_up_to(), expected.valid_up_to());
            }
        }
    }
}

#[test]
fn a_copy_takes_exactly_the_memory_it_needs() {
    for len in [1, 100, 1000, 100_000] {
        let text = Utf8Bytes::copy_masked(&masked(&vec![b'a'; len]), KEY).unwrap();
        assert_eq!(BytesMut::from(text.into_bytes()).capacity(), len);
        assert_eq!(BytesMut::from(copy_masked(&vec![b'a'; len], KEY)).capacity(), len);
    }
}

proptest! {
    #[test]
    fn it_orders_and_equals_as_str_does(a in "\\PC{0,4}", b in "\\PC{0,4}") {
        let (x, y) = (Utf8Bytes::from(&a), Utf8Bytes::from(&b));
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        prop_assert_eq!(x.partial_cmp(&b), a.partial_cmp(&b));
        prop_assert_eq!(x == y, a == b);
    }

    #[test]
    fn a_slice_is_what_it_is_of_str(text in "\\PC{0,12}", from in 0..20usize, to in 0..20usize) {
        let shared = Utf8Bytes::from(&text);
        let slice = shared.try_slice(from..to);
        prop_assert_eq!(slice.as_deref(), text.get(from..to));
    }
}
