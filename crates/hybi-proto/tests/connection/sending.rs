//! Messages become frames: the shortest headers, fragments where asked for, masks for clients.

use crate::{ROLES, endpoint};
use bytes::{Buf, Bytes};
use hex_literal::hex;
use hybi_proto::{Connection, Error, MaskingKey, Message, Options, PreparedMessage, Role};
use std::cell::Cell;
use std::sync::LazyLock;
use testkit::{Endpoint, Frame, KEY, Pair, frames};

/// Around the sizes where headers grow and payloads are queued by reference.
const SIZES: [usize; 13] =
    [0, 1, 125, 126, 127, 8191, 8192, 8193, 20_000, 65_535, 65_536, 65_537, 200_000];

/// Those of the other sizes are its beginning.
static LONGEST: LazyLock<Vec<u8>> = LazyLock::new(|| payload(200_000));

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 % 251) as u8).collect()
}

#[test]
fn every_size_gets_the_shortest_header() {
    for len in SIZES {
        let mut pair = Pair::open();
        pair.server.send(payload(len)).unwrap();
        pair.client.send(payload(len)).unwrap();
        assert_eq!(pair.server.sent(), Frame::binary(payload(len)).octets());
        assert_eq!(pair.client.sent(), Frame::binary(payload(len)).masked(KEY).octets());
    }
}

#[test]
fn text_and_binary_arrive_as_they_were_sent() {
    let mut pair = Pair::open();
    let messages: Vec<_> = SIZES
        .iter()
        .flat_map(|&len| [Message::from(payload(len)), Message::from("ü".repeat(len / 2))])
        .collect();
    for message in &messages {
        pair.server.send(message.clone()).unwrap();
        pair.client.send(message.clone()).unwrap();
    }
    pair.exchange_in(5000);
    assert_eq!(pair.server.messages(), messages);
    assert_eq!(pair.client.messages(), messages);
}

#[test]
fn a_payload_leaves_the_same_octets_however_it_is_held() {
    for role in ROLES {
        for len in SIZES {
            let plain = payload(len);
            let expected = match role {
                Role::Server => Frame::binary(&plain).octets(),
                Role::Client => Frame::binary(&plain).masked(KEY).octets(),
            };
            let (unique, shared) = (Bytes::from(plain.clone()), Bytes::from(plain.clone()));
            let kept = shared.clone();
            let sliced = Bytes::from([b"before", &plain[..], b"after"].concat());
            let fixed: &'static [u8] = &LONGEST[..len];
            for bytes in [unique, shared, sliced.slice(6..6 + len), Bytes::from_static(fixed)] {
                let mut endpoint = endpoint(role, &Options::new());
                endpoint.send(Message::Binary(bytes)).unwrap();
                assert_eq!(endpoint.sent(), expected, "{role:?}, {len} octets");
            }
            // What the caller kept is what it was: masking must not reach it.
            assert_eq!(kept, plain);
            assert_eq!(&sliced[..6], b"before");
            assert_eq!(&sliced[6..6 + len], plain);
            assert_eq!(fixed, plain);
        }
    }
}

#[test]
fn what_the_caller_kept_stays_intact_while_fragments_are_masked() {
    let kept = Bytes::from(payload(100_000));
    let mut client = endpoint(Role::Client, &Options::new().max_frame_size(30_000));
    client.send(Message::Binary(kept.clone())).unwrap();
    let sent = frames(&client.sent());
    assert_eq!(kept, payload(100_000));
    let joined: Vec<u8> = sent.into_iter().flat_map(|frame| frame.payload).collect();
    assert_eq!(joined, kept);
}

#[test]
fn messages_above_max_frame_size_are_fragmented() {
    let mut server = endpoint(Role::Server, &Options::new().max_frame_size(2));
    server.send("Hello").unwrap();
    assert_eq!(server.sent(), hex!("01 02 4865  00 02 6c6c  80 01 6f"));
    server.send("Hell").unwrap();
    assert_eq!(server.sent(), hex!("01 02 4865  80 02 6c6c"));
    server.send("He").unwrap();
    assert_eq!(server.sent(), hex!("81 02 4865"));
    server.send("").unwrap();
    assert_eq!(server.sent(), hex!("81 00"));
}

#[test]
fn fragments_of_any_size_are_put_together_again() {
    for size in [1, 2, 3, 5, 100, 8191, 8192, 10_000] {
        let mut pair = Pair::with(&Options::new().max_frame_size(size));
        let text = "aé€😀".repeat(if size < 10 { 20 } else { 5000 });
        pair.server.send(&text[..]).unwrap();
        pair.server.ping(b"").unwrap();
        pair.client.send(&text[..]).unwrap();
        pair.exchange_in(997);
        assert_eq!(pair.client.messages(), [&text[..]]);
        assert_eq!(pair.server.messages(), [&text[..]]);
    }
}

#[test]
fn a_max_frame_size_of_zero_means_one() {
    let mut server = endpoint(Role::Server, &Options::new().max_frame_size(0));
    server.send("ab").unwrap();
    assert_eq!(server.sent(), hex!("01 01 61  80 01 62"));
}

#[test]
fn a_message_can_be_sent_in_pieces() {
    let mut server = Pair::open().server;
    server.sender().send_piece(true, Bytes::from_static(b"Hel"), false).unwrap();
    server.sender().send_piece(true, Bytes::new(), false).unwrap();
    server.ping(b"").unwrap();
    server.sender().send_piece(true, Bytes::from_static(b"lo"), true).unwrap();
    assert_eq!(server.sent(), hex!("01 03 48656c  00 00  89 00  80 02 6c6f"));

    server.sender().send_piece(false, Bytes::from_static(b"b"), true).unwrap();
    assert_eq!(server.sent(), hex!("82 01 62"));
}

#[test]
fn no_message_is_sent_between_the_pieces_of_another() {
    let mut server = Pair::open().server;
    server.sender().send_piece(false, Bytes::new(), false).unwrap();
    let prepared = PreparedMessage::new("no");
    for result in [
        server.send("no"),
        server.sender().send_with("no", false),
        server.sender().send_prepared(&prepared),
    ] {
        assert!(matches!(result.unwrap_err(), Error::Usage(_)));
    }
    server.sender().send_piece(false, Bytes::new(), true).unwrap();
    server.send("yes").unwrap();
    assert_eq!(server.sent(), hex!("02 00  80 00  81 03 796573"));
}

#[test]
fn a_prepared_message_leaves_the_octets_of_a_sent_one() {
    for role in ROLES {
        for max_frame_size in [usize::MAX, 10_000, 7] {
            let options = Options::new().max_frame_size(max_frame_size);
            for len in [0, 7, 8, 126, 9000, 10_001, 70_000] {
                for message in [Message::from(payload(len)), Message::from("x".repeat(len))] {
                    let prepared = PreparedMessage::new(message.clone());
                    let (mut sent, mut twice) =
                        (endpoint(role, &options), endpoint(role, &options));
                    for _ in 0..2 {
                        sent.send(message.clone()).unwrap();
                        twice.sender().send_prepared(&prepared).unwrap();
                    }
                    assert_eq!(twice.sender().buffered(), sent.sender().buffered());
                    assert_eq!(twice.sender().messages(), 2);
                    assert!(twice.sent() == sent.sent(), "{role:?} {max_frame_size} {len}");
                    assert_eq!(prepared.message(), &message);
                }
            }
        }
    }
}

#[test]
fn buffered_is_exact_from_send_to_written() {
    let mut server = Pair::open().server;
    assert_eq!(server.sender().buffered(), 0);
    assert!(!server.sender().has_outgoing());
    server.send("Hello").unwrap();
    assert_eq!(server.sender().buffered(), 7);
    server.send(vec![0; 10_000]).unwrap();
    assert_eq!(server.sender().buffered(), 7 + 10_004);
    server.receives(hex!("89 81 00000000 61")); // its pong counts too
    assert_eq!(server.sender().buffered(), 7 + 10_004 + 3);

    let mut outgoing = server.take().unwrap();
    assert_eq!(outgoing.remaining(), 7 + 10_004 + 3);
    assert_eq!(server.sender().buffered(), 7 + 10_004 + 3); // taken is not written
    assert!(!server.sender().has_outgoing());

    outgoing.advance(8);
    server.sender().written(8);
    assert_eq!(server.sender().buffered(), 10_006);
    server.send("more").unwrap();
    assert_eq!(server.sender().buffered(), 10_006 + 6);
    let rest = outgoing.remaining();
    outgoing.advance(rest);
    server.sender().written(rest);
    assert_eq!(server.sender().buffered(), 6);
    assert_eq!(server.sent(), hex!("81 04 6d6f7265"));
    assert_eq!(server.sender().buffered(), 0);
}

#[test]
fn there_is_room_up_to_max_buffered_and_for_one_larger_message_alone() {
    let mut server = endpoint(Role::Server, &Options::new().max_buffered(10));
    assert!(server.sender().has_room(10));
    assert!(server.sender().has_room(1_000_000)); // nothing else waits
    server.send("Hello").unwrap(); // 7 octets
    assert!(server.sender().has_room(3));
    assert!(!server.sender().has_room(4));
    assert!(!server.sender().has_room(usize::MAX));
    let outgoing = server.take().unwrap();
    assert!(!server.sender().has_room(4)); // not written yet
    server.sender().written(outgoing.remaining());
    assert!(server.sender().has_room(1_000_000));
}

thread_local! {
    static KEYS: Cell<u32> = const { Cell::new(0) };
}

/// Another key at each call: 1, 2, 3, …
fn counted_key() -> MaskingKey {
    KEYS.set(KEYS.get() + 1);
    KEYS.get().to_be_bytes()
}

#[test]
fn each_frame_of_a_client_has_a_fresh_masking_key() {
    let options = Options::new().max_frame_size(20_000);
    let connection = Connection::client(counted_key, &Default::default(), &options);
    let mut client = Endpoint::new(connection, &options, std::time::Instant::now());
    client.send("a").unwrap();
    client.send(payload(50_000)).unwrap(); // three frames
    client.ping(b"b").unwrap();
    client.receives(hex!("89 01 63")); // answered
    client.sender().send_piece(true, Bytes::from_static(b"d"), false).unwrap();
    client.sender().send_piece(true, Bytes::from_static(b"e"), true).unwrap();
    let prepared = PreparedMessage::new("f");
    client.sender().send_prepared(&prepared).unwrap();
    client.sender().send_prepared(&prepared).unwrap();
    client.sender().close(None).unwrap();
    let keys: Vec<_> = frames(&client.sent()).iter().map(|frame| frame.mask).collect();
    let expected: Vec<_> = (1..=11u32).map(|key| Some(key.to_be_bytes())).collect();
    assert_eq!(keys, expected);
}

#[test]
fn a_server_never_masks() {
    let mut server = endpoint(Role::Server, &Options::new().max_frame_size(10));
    server.send(payload(100)).unwrap();
    server.receives(hex!("89 80 00000000  88 80 00000000"));
    assert!(frames(&server.sent()).iter().all(|frame| frame.mask.is_none()));
}
