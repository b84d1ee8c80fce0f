//! The engine as a whole: the octets of RFC 7692, other implementations, and any mix of options.

mod naive;
mod short;

use super::*;
use crate::close::CloseFrame;
use crate::code::ErrorCode;
use crate::error::Error;
use crate::role::Role;
use hex_literal::hex;
use proptest::prelude::*;
use zlib_rs::{Inflate, InflateFlush};

const MAX: usize = usize::MAX;
const OPTIONS: DeflateOptions = DeflateOptions::new();

fn compressor(options: DeflateOptions, header: &str) -> Compressor {
    Compressor::new(Role::Client, &agreed(header), &options)
}

fn decompressor(header: &str) -> Decompressor {
    Decompressor::new(Role::Server, &agreed(header))
}

fn agreed(parameters: &str) -> DeflateParams {
    OPTIONS.confirm(&format!("permessage-deflate{parameters}")).unwrap()
}

fn compress(compressor: &mut Compressor, payload: &[u8]) -> Vec<u8> {
    let mut out = b"header".to_vec();
    compressor.compress(payload, &mut out).unwrap();
    assert_eq!(out[..6], *b"header", "what was there stays");
    out.split_off(6)
}

fn receive(
    decompressor: &mut Decompressor,
    pieces: &[&[u8]],
    max: usize,
) -> Result<Vec<u8>, Error> {
    let mut plain = Vec::new();
    for (n, piece) in pieces.iter().enumerate() {
        decompressor.decompress(piece, n + 1 == pieces.len(), max, &mut |slice| {
            assert!(!slice.is_empty() && slice.len() <= 16 * 1024);
            plain.extend_from_slice(slice);
            Ok(())
        })?;
    }
    assert!(!decompressor.in_message());
    Ok(plain)
}

fn inflate(decompressor: &mut Decompressor, octets: &[u8]) -> Result<Vec<u8>, Error> {
    receive(decompressor, &[octets], MAX)
}

/// A peer with an ordinary context: zlib's own state for the whole connection.
struct OrdinaryPeer(Inflate);

impl OrdinaryPeer {
    fn new() -> Self {
        OrdinaryPeer(Inflate::new(false, 15))
    }

    fn receives(&mut self, octets: &[u8]) -> Vec<u8> {
        let input = [octets, &TAIL].concat();
        let mut plain = vec![0; 1 << 20];
        let (total_in, total_out) = (self.0.total_in(), self.0.total_out());
        self.0.decompress(&input, &mut plain, InflateFlush::SyncFlush).unwrap();
        assert_eq!(self.0.total_in() - total_in, input.len() as u64);
        plain.truncate((self.0.total_out() - total_out) as usize);
        plain
    }
}

/// Texts that resemble each other, as messages do.
fn tick(n: usize) -> Vec<u8> {
    let price = n * 7919 % 10_000;
    format!(
        r#"{{"type":"tick","symbol":"HYBI","price":{}.{:02},"sequence":{n},"venue":"{}"}}"#,
        price / 100,
        price % 100,
        ["XETR", "XNAS", "XLON"][n % 3]
    )
    .into_bytes()
}

fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 24) as u8
        })
        .collect()
}

#[test]
fn the_octets_of_rfc_7692_are_sent() {
    let mut with_context = compressor(OPTIONS, "");
    assert_eq!(compress(&mut with_context, b"Hello"), hex!("f2 48 cd c9 c9 07 00")); // §7.2.3.1
    assert_eq!(compress(&mut with_context, b"Hello"), hex!("f2 00 11 00 00")); // §7.2.3.2
    assert_eq!(compress(&mut with_context, b""), hex!("00")); // §7.2.3.6
    assert_eq!(compress(&mut with_context, b""), hex!("00"));
    let mut without = compressor(OPTIONS, "; client_no_context_takeover");
    assert_eq!(compress(&mut without, b"Hello"), hex!("f2 48 cd c9 c9 07 00"));
    assert_eq!(compress(&mut without, b"Hello"), hex!("f2 48 cd c9 c9 07 00"));
    let mut stored = compressor(OPTIONS.level(0), "");
    assert_eq!(compress(&mut stored, b"Hello"), hex!("00 05 00 fa ff 48 65 6c 6c 6f 00")); // §7.2.3.3
}

#[test]
fn the_octets_of_rfc_7692_are_understood() {
    let mut peer = decompressor("");
    assert_eq!(inflate(&mut peer, &hex!("f2 48 cd c9 c9 07 00")).unwrap(), b"Hello"); // §7.2.3.1
    assert_eq!(inflate(&mut peer, &hex!("f2 00 11 00 00")).unwrap(), b"Hello"); // §7.2.3.2
    let fragments: [&[u8]; 2] = [&hex!("f2 48 cd"), &hex!("c9 c9 07 00")];
    assert_eq!(receive(&mut peer, &fragments, MAX).unwrap(), b"Hello");
    let stored = hex!("00 05 00 fa ff 48 65 6c 6c 6f 00");
    assert_eq!(inflate(&mut peer, &stored).unwrap(), b"Hello"); // §7.2.3.3
    let with_final_block = hex!("f3 48 cd c9 c9 07 00 00");
    assert_eq!(inflate(&mut peer, &with_final_block).unwrap(), b"Hello"); // §7.2.3.4
    let two_blocks = hex!("f2 48 05 00 00 00 ff ff ca c9 c9 07 00");
    assert_eq!(inflate(&mut peer, &two_blocks).unwrap(), b"Hello"); // §7.2.3.5
    assert_eq!(inflate(&mut peer, &hex!("00")).unwrap(), b""); // §7.2.3.6
    assert_eq!(inflate(&mut peer, &hex!("f2 00 11 00 00")).unwrap(), b"Hello");
}

#[test]
fn a_final_block_ends_a_stream_and_not_the_message() {
    let mut peer = decompressor("");
    let twice = hex!("f3 48 cd c9 c9 07 00  f3 48 cd c9 c9 07 00  00");
    for split in 0..twice.len() {
        let pieces = [&twice[..split], &twice[split..], &[]];
        assert_eq!(receive(&mut peer, &pieces, MAX).unwrap(), b"HelloHello", "{split}");
    }
    // The window is kept for the next message, and the empty block at the end can be missing.
    assert_eq!(inflate(&mut peer, &hex!("f2 00 11 00 00")).unwrap(), b"Hello");
    assert_eq!(inflate(&mut peer, &hex!("f3 48 cd c9 c9 07 00")).unwrap(), b"Hello");
    assert_eq!(inflate(&mut peer, &hex!("f2 00 11 00 00")).unwrap(), b"Hello");
}

#[test]
fn a_message_of_no_octets_is_empty() {
    let mut peer = decompressor("");
    assert_eq!(inflate(&mut peer, b"").unwrap(), b"");
    assert_eq!(receive(&mut peer, &[b"", b"", b""], MAX).unwrap(), b"");
    assert_eq!(inflate(&mut peer, &hex!("f2 48 cd c9 c9 07 00")).unwrap(), b"Hello");
}

#[test]
fn what_zlib_of_python_sends_is_understood() {
    // zlib.compressobj(6, zlib.DEFLATED, -15), Z_SYNC_FLUSH after each message.
    let mut peer = decompressor("");
    for (octets, text) in [
        (
            &hex!(
                "aa562aa92c4855b2522ac94cce56d2512aaecc4dcacf01f23d229d3c81fc82a2cc64a0b4a181a19e91692d00"
            )[..],
            r#"{"type":"tick","symbol":"HYBI","price":101.25}"#,
        ),
        (&hex!("2241b5a9412d00"), r#"{"type":"tick","symbol":"HYBI","price":101.50}"#),
    ] {
        assert_eq!(inflate(&mut peer, octets).unwrap(), text.as_bytes());
    }
}

#[test]
fn corrupt_truncated_and_trailing_data_fail_with_1007() {
    let hello = hex!("f2 48 cd c9 c9 07 00");
    let dynamic =
        compress(&mut compressor(OPTIONS, ""), &(0..40).flat_map(tick).collect::<Vec<_>>());
    let stored = compress(&mut compressor(OPTIONS.level(0), ""), &noise(100, 3));
    let mut wrong = vec![
        hex!("ff").to_vec(),                      // block type 3
        hex!("f2 00 11 00 00").to_vec(),          // refers back to nothing
        hex!("00 05 00 fa fe").to_vec(),          // the lengths of a stored block differ
        [&hello[..], &TAIL].concat(),             // the tail was not removed
        [&hello[..], &[0xff]].concat(),           // trailing
        [&hello[..], b"garbage"].concat(),        // trailing
        hex!("f3 48 cd c9 c9 07 00 ff").to_vec(), // trailing after a final block
        hex!("f3 48 cd c9 c9 07").to_vec(),       // a final block without its end
    ];
    for message in [&hello[..], &dynamic, &stored] {
        // The first octet of the stored one alone is a whole message: the empty one.
        wrong.extend(
            (1 + usize::from(message[0] == 0)..message.len()).map(|end| message[..end].to_vec()),
        );
    }
    for octets in wrong {
        let mut peer = decompressor("");
        let error = inflate(&mut peer, &octets).expect_err(&format!("{octets:02x?}"));
        assert!(matches!(error, Error::Protocol(_)));
        assert_eq!(error.code(), ErrorCode::InvalidCompressedData);
        assert_eq!(error.close_code().unwrap().get(), 1007);
        assert!(!peer.in_message() && peer.heap_size() == 0, "it holds nothing any more");
        assert!(inflate(&mut peer, &hello).is_err(), "and cannot go on");
    }
}

#[test]
fn a_bomb_ends_at_the_limit() {
    let bomb = compress(&mut compressor(OPTIONS, ""), &vec![0; 20 << 20]);
    assert!(bomb.len() < 21_000);
    for limit in [0, 1, 1000, 16 * 1024, 1 << 20, (20 << 20) - 1] {
        for piece in [1, 100, bomb.len()] {
            let mut handed_out = 0;
            let mut peer = decompressor("");
            let result = bomb.chunks(piece).try_for_each(|piece| {
                peer.decompress(piece, false, limit, &mut |slice| {
                    handed_out += slice.len();
                    Ok(())
                })
            });
            let error = result.unwrap_err();
            assert!(handed_out <= limit);
            let CloseFrame { code, reason } = error.close_frame().unwrap();
            assert_eq!(code.get(), 1009);
            assert_eq!(&reason[..], format!("message is larger than {limit} bytes"));
            assert_eq!(
                error.to_string(),
                format!(
                    "message is larger than {limit} bytes (raise Limits::max_message_size to allow it)"
                )
            );
        }
    }
    let mut peer = decompressor("");
    assert_eq!(receive(&mut peer, &[&bomb], 20 << 20).unwrap().len(), 20 << 20);
    let second = receive(&mut peer, &[&hex!("00")], 0).unwrap();
    assert_eq!(second, b"", "the limit is per message");
}

#[test]
fn an_error_of_the_sink_ends_the_work() {
    let mut peer = decompressor("");
    let refused = Error::usage("no");
    let result =
        peer.decompress(&hex!("f2 48 cd c9 c9 07 00"), true, MAX, &mut |_| Err(refused.clone()));
    assert_eq!(result, Err(refused));
}

#[test]
fn connections_that_share_a_thread_do_not_see_each_other() {
    let mut pairs: Vec<_> = (0..8)
        .map(|n| {
            let options = OPTIONS.level([1, 6, 6, 9][n % 4]).full_state(n == 5);
            (compressor(options, ""), decompressor(""), OrdinaryPeer::new())
        })
        .collect();
    for n in 0..400 {
        let (sender, receiver, ordinary) = &mut pairs[n * n % 8];
        let text = tick(n);
        let octets = compress(sender, &text);
        assert_eq!(inflate(receiver, &octets).unwrap(), text);
        assert_eq!(ordinary.receives(&octets), text);
    }
}

#[test]
fn a_connection_alone_on_its_thread_has_the_whole_window() {
    let block = noise(6000, 1);
    let mut alone = compressor(OPTIONS, "");
    let first = compress(&mut alone, &block).len();
    compress(&mut alone, &noise(6000, 2));
    let third = compress(&mut alone, &block).len();
    assert!(first > 6000 && third < 200, "{third}");
}

#[test]
fn the_peer_never_notices_that_history_was_dropped() {
    for options in [OPTIONS, OPTIONS.full_state(true), OPTIONS.history(300), OPTIONS.level(1)] {
        let mut sender = compressor(options, "");
        let mut receiver = decompressor("");
        let mut ordinary = OrdinaryPeer::new();
        let mut dropped = Vec::new();
        for n in 0..60 {
            if n % 7 == 3 {
                sender.drop_history();
                assert_eq!(sender.heap_size(), 0);
                dropped.push(n);
            }
            let text = tick(n);
            let octets = compress(&mut sender, &text);
            if dropped.last() == Some(&n) {
                let mut alone = Vec::new();
                naive::inflate(&octets, &mut alone);
                assert_eq!(alone, text, "it refers to nothing before");
            }
            assert_eq!(ordinary.receives(&octets), text);
            assert_eq!(inflate(&mut receiver, &octets).unwrap(), text);
        }
    }
}

#[test]
fn a_message_compressed_once_goes_to_many() {
    let shared = [tick(1), tick(2)].concat();
    let mut octets = Vec::new();
    Compressor::compress_once(WindowBits::MIN, &OPTIONS, &shared, &mut octets).unwrap();
    for options in [OPTIONS, OPTIONS.full_state(true), OPTIONS.history(0)] {
        let mut sender = compressor(options, "");
        let mut ordinary = OrdinaryPeer::new();
        for n in 0..20 {
            let text = tick(n);
            assert_eq!(ordinary.receives(&compress(&mut sender, &text)), text);
            assert_eq!(ordinary.receives(&octets), shared);
            if n % 3 == 0 { sender.drop_history() } else { sender.note_sent(&shared) }
        }
        if options.history > 0 {
            let again = compress(&mut sender, &shared).len();
            assert!(again < octets.len() / 3, "what was noted is context: {again}");
        }
    }
}

#[test]
fn the_threshold_holds_only_without_context() {
    let without = compressor(OPTIONS.threshold(100), "; client_no_context_takeover");
    assert!(!without.should_compress(99) && without.should_compress(100));
    assert!(compressor(OPTIONS, "").should_compress(1));
}

#[test]
fn eight_bits_are_kept_to_with_a_state_of_nine() {
    let header = "; client_max_window_bits=8";
    for level in 0..=9 {
        for options in [OPTIONS.level(level), OPTIONS.level(level).full_state(true)] {
            let mut sender = compressor(options, header);
            let mut receiver = decompressor(header);
            let mut text = Vec::new();
            for n in 0..40 {
                let message = [tick(n), noise(n * 13, 5), tick(n)].concat();
                let octets = compress(&mut sender, &message);
                let start = text.len();
                let farthest = naive::inflate(&[&octets[..], &TAIL].concat(), &mut text);
                assert!(farthest <= 256, "level {level}: {farthest}");
                assert_eq!(text[start..], message);
                assert_eq!(inflate(&mut receiver, &octets).unwrap(), message);
            }
            assert!(receiver.heap_size() <= 256);
        }
    }
}

#[test]
fn the_sides_can_be_moved_to_another_thread() {
    fn movable<T: Send>() {}
    movable::<Compressor>();
    movable::<Decompressor>();
    let mut sender = compressor(OPTIONS, "");
    let mut ordinary = OrdinaryPeer::new();
    assert_eq!(ordinary.receives(&compress(&mut sender, &tick(1))), tick(1));
    let (mut sender, octets) = std::thread::spawn(move || {
        let octets = compress(&mut sender, &tick(2));
        (sender, octets)
    })
    .join()
    .unwrap();
    assert_eq!(ordinary.receives(&octets), tick(2));
    // This thread's state was left before that, and must not be gone on with.
    assert_eq!(ordinary.receives(&compress(&mut sender, &tick(3))), tick(3));
}

#[test]
fn a_connection_holds_few_bytes_of_its_own() {
    assert!(size_of::<Compressor>() <= 64, "{}", size_of::<Compressor>());
    assert!(size_of::<Decompressor>() <= 64, "{}", size_of::<Decompressor>());
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => proptest::collection::vec(0_usize..200, 0..60)
            .prop_map(|ticks| ticks.into_iter().flat_map(tick).collect()),
        2 => (0_usize..3000, any::<u32>()).prop_map(|(len, seed)| noise(len, seed)),
        1 => (0_usize..100_000, any::<u8>()).prop_map(|(len, octet)| vec![octet; len]),
        1 => (10_000_usize..70_000, any::<u32>()).prop_map(|(len, seed)| noise(len, seed)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_message_arrives_whatever_was_agreed_on_and_however_it_is_cut(
        payloads in proptest::collection::vec(payload(), 1..8),
        others in proptest::collection::vec(any::<bool>(), 8),
        (level, memory_level, bits) in (0_u8..=9, 1_u8..=9, 8_u8..=15),
        history in prop_oneof![Just(0), 1_usize..600, Just(4096), Just(1 << 20)],
        (no_takeover, full_state) in (any::<bool>(), any::<bool>()),
        cut in 1_usize..300,
    ) {
        let takeover = if no_takeover { "; client_no_context_takeover" } else { "" };
        let header = format!("; client_max_window_bits={bits}{takeover}");
        let options = OPTIONS
            .level(level)
            .memory_level(memory_level)
            .history(history)
            .full_state(full_state);
        let mut sender = compressor(options, &header);
        let mut other = compressor(options, &header);
        let mut receiver = decompressor(&header);
        let mut ordinary = OrdinaryPeer::new();
        for (payload, meanwhile) in payloads.iter().zip(others) {
            let octets = compress(&mut sender, payload);
            prop_assert_eq!(&ordinary.receives(&octets), payload);
            let mut pieces: Vec<&[u8]> = octets.chunks(cut).collect();
            if meanwhile {
                compress(&mut other, b"another connection of the thread");
                pieces.push(&[]);
            }
            prop_assert_eq!(&receive(&mut receiver, &pieces, payload.len()).unwrap(), payload);
            prop_assert!(full_state || sender.heap_size() <= history.min(1 << bits.max(9)));
            prop_assert!(receiver.heap_size() <= 1 << bits);
        }
    }

    #[test]
    fn no_octets_make_it_panic_or_exceed_the_limit(
        octets in proptest::collection::vec(any::<u8>(), 0..400),
        start in prop_oneof![Just(&[][..]), Just(&[0xf2, 0x48][..]), Just(&[0x05, 0xc0][..])],
        cut in 1_usize..40,
        max in 0_usize..2000,
    ) {
        let octets = [start, &octets].concat();
        let mut peer = decompressor("");
        let mut handed_out = 0;
        for piece in octets.chunks(cut) {
            let result = peer.decompress(piece, false, max, &mut |slice| {
                handed_out += slice.len();
                Ok(())
            });
            prop_assert!(handed_out <= max);
            if result.is_err() {
                break;
            }
        }
    }
}
