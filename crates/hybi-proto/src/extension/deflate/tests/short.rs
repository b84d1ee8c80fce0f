//! Short messages, which are not compressed by zlib: other decoders read them all the same.

use super::super::context::History;
use super::super::inflate::Decoder;
use super::*;
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Strategy as Search};

/// Letters of an alphabet that is as uneven as can be: the codes would be longer than is allowed.
fn uneven(len: usize, seed: u32) -> Vec<u8> {
    let letter = |octet: &u8| match octet.trailing_zeros() {
        zeros @ 0..8 => zeros as u8,
        _ => octet.leading_zeros() as u8 + 8,
    };
    noise(2 * len, seed).chunks(2).map(|two| letter(&two[0]) * 9 + letter(&two[1])).collect()
}

fn short() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => proptest::collection::vec(0_usize..300, 1..50)
            .prop_map(|ticks| ticks.into_iter().flat_map(tick).collect()),
        2 => (1_usize..4096, any::<u32>()).prop_map(|(len, seed)| noise(len, seed)),
        2 => (1_usize..4096, any::<u32>()).prop_map(|(len, seed)| uneven(len, seed)),
        1 => (1_usize..4096, any::<u8>()).prop_map(|(len, octet)| vec![octet; len]),
        1 => (0_usize..8, proptest::collection::vec(any::<u8>(), 1..8)).prop_map(|(times, part)| {
            part.repeat(1 << times)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_short_message_is_read_by_other_decoders_and_within_the_window(
        messages in proptest::collection::vec(short(), 1..20),
        others in proptest::collection::vec(any::<bool>(), 20),
        (level, bits) in (1_u8..=9, 8_u8..=15),
        history in prop_oneof![Just(0), 1_usize..600, Just(4096), Just(1 << 20)],
    ) {
        let header = format!("; client_max_window_bits={bits}");
        let options = OPTIONS.level(level).history(history);
        let mut sender = compressor(options, &header);
        let mut other = compressor(options, &header);
        let mut peer = OrdinaryPeer::new();
        let mut text = Vec::new();
        for (message, uses_other) in messages.iter().zip(others) {
            if uses_other {
                compress(&mut other, message);
            }
            let octets = compress(&mut sender, message);
            prop_assert!(octets.len() <= message.len() + 6, "{} of {}", octets.len(), message.len());
            prop_assert_eq!(&peer.receives(&octets), message);
            let start = text.len();
            let farthest = naive::inflate(&[&octets[..], &TAIL].concat(), &mut text);
            prop_assert!(farthest <= 1 << bits, "{}", farthest);
            prop_assert_eq!(&text[start..], &message[..]);
        }
    }
}

#[test]
fn what_cannot_become_smaller_is_stored() {
    let message = noise(1000, 9);
    let octets = compress(&mut compressor(OPTIONS, ""), &message);
    assert_eq!(octets[..5], hex!("00 e8 03 17 fc"));
    assert_eq!(octets[5..1005], message);
    assert_eq!(octets[1005..], hex!("00"));
}

#[test]
fn nothing_is_larger_than_what_zlib_makes_of_it_by_more_than_a_twentieth() {
    for level in 3..=9 {
        let mut whole = [0, 0];
        for (own, sum) in [false, true].into_iter().zip(&mut whole) {
            let mut sender = compressor(OPTIONS.level(level).full_state(own), "");
            for n in 0..60 {
                let message: Vec<u8> = (0..8).flat_map(|m| tick(n * m * 31 + n)).collect();
                *sum += compress(&mut sender, &message).len();
            }
        }
        assert!(whole[0] * 20 <= whole[1] * 21, "level {level}: {whole:?}");
    }
}

#[test]
fn a_connection_alone_refers_to_more_than_its_history() {
    let block = noise(3000, 1);
    let mut sender = compressor(OPTIONS, "");
    let mut peer = OrdinaryPeer::new();
    let mut sent = |message: &[u8]| {
        let octets = compress(&mut sender, message);
        assert_eq!(peer.receives(&octets), message);
        octets.len()
    };
    assert!(sent(&block) > 3000);
    sent(&noise(3000, 2));
    sent(&noise(3000, 3));
    assert!(sent(&block) < 100);
    // The text of the thread begins anew at times: the history is what is left then.
    for n in 4..40 {
        sent(&noise(3000, n));
    }
    let last = noise(3000, 39);
    assert!(sent(&last) < 100);
}

/// What an ordinary zlib makes of messages, with any level and strategy of search.
fn of_zlib(messages: &[Vec<u8>], level: i32, search: Search, window_bits: i32) -> Vec<Vec<u8>> {
    let config = DeflateConfig {
        level,
        strategy: search,
        window_bits: -window_bits,
        ..DeflateConfig::default()
    };
    let mut deflate = Deflate::new_with_config(config);
    let mut one = |message: &Vec<u8>| {
        let before = deflate.total_out();
        let mut out = vec![0; 2 * message.len() + 100];
        deflate.compress(message, &mut out, DeflateFlush::SyncFlush).unwrap();
        out.truncate((deflate.total_out() - before) as usize - TAIL.len());
        out
    };
    messages.iter().map(&mut one).collect()
}

/// The same message at once, where it may be read against the window as it lies, and in two pieces,
/// where it is zlib that reads.
fn receive_both(pair: &mut [Decompressor; 2], octets: &[u8], max: usize) -> Option<Vec<u8>> {
    let [once, twice] = pair;
    let texts = [receive(once, &[octets], max), receive(twice, &[octets, &[]], max)];
    match texts {
        [Ok(once), Ok(twice)] => {
            assert_eq!(once, twice);
            Some(once)
        }
        [Err(once), Err(twice)] => {
            assert_eq!(once.to_string(), twice.to_string());
            None
        }
        differ => panic!("{differ:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn short_messages_of_every_sender_are_read_without_zlib(
        messages in proptest::collection::vec(short(), 1..30),
        level in 0..10,
        search in prop_oneof![
            Just(Search::Default),
            Just(Search::Filtered),
            Just(Search::HuffmanOnly),
            Just(Search::Rle),
            Just(Search::Fixed),
        ],
        bits in 9..=15,
    ) {
        let mut window = History::new(1_usize << bits);
        let mut decoder = Decoder::new();
        for (message, octets) in messages.iter().zip(of_zlib(&messages, level, search, bits)) {
            let text = decoder.decode(&octets, window.parts(), message.len());
            prop_assert_eq!(text, Some(&message[..]));
            window.push(message).unwrap();
            if !message.is_empty() {
                let too_long = decoder.decode(&octets, window.parts(), message.len() - 1);
                prop_assert_eq!(too_long, None);
            }
        }
    }

    #[test]
    fn what_is_damaged_fails_or_is_read_as_zlib_reads_it(
        messages in proptest::collection::vec(short(), 1..12),
        damage in proptest::collection::vec((0_usize..6, any::<usize>(), any::<u8>()), 12),
        level in 0..10,
        bits in 9..=15,
        max in prop_oneof![Just(MAX), 0_usize..5000],
    ) {
        let header = format!("; client_max_window_bits={bits}");
        let mut pair = [decompressor(&header), decompressor(&header)];
        let compressed = of_zlib(&messages, level, Search::Default, bits);
        for (mut octets, (kind, place, with)) in compressed.into_iter().zip(damage) {
            let place = place % octets.len();
            let near_the_codes = place % 12;
            match kind {
                0 => octets[place] = with,
                1 => octets[place] ^= 1 << (with % 8),
                2 => octets[near_the_codes] ^= 1 << (with % 8),
                3 => octets.truncate(place),
                _ => {}
            }
            if receive_both(&mut pair, &octets, max).is_none() {
                break;
            }
        }
    }
}

#[test]
fn a_match_reaches_to_the_first_octet_of_the_window_and_not_beyond() {
    // A fixed block: the length 3, the distance 5 or 6, and its end.
    let [to_the_first, beyond] = [hex!("02 12 00 00"), hex!("02 92 00 00")];
    for (octets, text) in [(to_the_first, Some(&b"abc"[..])), (beyond, None)] {
        let mut pair = [decompressor(""), decompressor("")];
        assert_eq!(
            receive_both(&mut pair, &hex!("00 05 00 fa ff 61 62 63 64 65 00"), MAX),
            Some(b"abcde".to_vec())
        );
        assert_eq!(receive_both(&mut pair, &octets, MAX).as_deref(), text);
    }
}

#[test]
fn a_code_may_have_one_symbol_alone_but_no_other_gaps() {
    let mut pair = [decompressor(""), decompressor("")];
    for distance in [0, 1] {
        let octets = text_a(257, 1, &[Run::Length(distance)]);
        assert_eq!(receive_both(&mut pair, &octets, MAX).as_deref(), Some(&b"a"[..]));
        let mut decoder = Decoder::new();
        assert_eq!(decoder.decode(&octets, [&[], &[]], 1), Some(&b"a"[..]));
    }
    assert_eq!(receive_both(&mut pair, &text_a(257, 1, &[Run::Length(2)]), MAX), None);
}

#[test]
fn codes_for_symbols_that_do_not_exist_are_refused_even_if_they_are_not_used() {
    let good = [Run::Length(1), Run::Zeros(28), Run::Length(1)];
    for (literals, distances, lengths, is_good) in [
        (286, 30, &[&[Run::Zeros(29)], &good[..]].concat(), true),
        (287, 30, &[&[Run::Zeros(30)], &good[..]].concat(), false),
        (257, 31, &vec![Run::Length(1), Run::Zeros(30)], false),
        (257, 12, &vec![Run::Length(1), Run::Zeros(11)], true),
        // More lengths than there are symbols.
        (257, 11, &vec![Run::Length(1), Run::Zeros(11)], false),
    ] {
        let octets = text_a(literals, distances, lengths);
        let text = Decoder::new().decode(&octets, [&[], &[]], 1).is_some();
        assert_eq!(text, is_good, "{literals} {distances}");
        let mut pair = [decompressor(""), decompressor("")];
        assert_eq!(receive_both(&mut pair, &octets, MAX).is_some(), is_good);
    }
}

/// Lengths of codes in a block.
#[derive(Clone, Copy)]
enum Run {
    /// At most 2.
    Length(u32),
    /// 11 to 138 symbols without a code.
    Zeros(u32),
}

/// A dynamic block with the text "a"; `lengths` come after those of "a" and of the end of the block.
fn text_a(literals: u32, distances: u32, lengths: &[Run]) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    let mut put = |value: u32, count: u32| bits.extend((0..count).map(|n| value >> n & 1 == 1));
    put(0b100, 3);
    put(literals - 257, 5);
    put(distances - 1, 5);
    put(18 - 4, 4);
    // In this order the lengths of the codes for lengths come: 18 has one bit, 0 two, 1 and 2 three.
    for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1] {
        put([2, 3, 3].get(symbol).copied().unwrap_or(u32::from(symbol == 18)), 3);
    }
    let before = [Run::Zeros(97), Run::Length(1), Run::Zeros(138), Run::Zeros(20), Run::Length(1)];
    for run in before.iter().chain(lengths) {
        match *run {
            Run::Zeros(count) => {
                put(0, 1);
                put(count - 11, 7);
            }
            Run::Length(0) => put(0b01, 2),
            Run::Length(1) => put(0b011, 3),
            Run::Length(_) => put(0b111, 3),
        }
    }
    // "a", the end of the block, and the header of the empty one.
    put(0b00010, 5);
    let octet = |octet: &[bool]| octet.iter().rev().fold(0, |sum, bit| sum << 1 | u8::from(*bit));
    bits.chunks(8).map(octet).collect()
}
