//! Short messages, which are not compressed by zlib: other decoders read them all the same.

use super::*;

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
