//! Text is UTF-8, and fails at the first octet that cannot be (RFC 6455 §8.1; sections 6.4 of the
//! Autobahn|Testsuite).

use crate::{ROLES, endpoint, to};
use hex_literal::hex;
use hybi_proto::{ErrorCode, Message, Options, Role};
use proptest::prelude::*;
use testkit::{Endpoint, Frame, KEY, frames};

/// Octets, and the index of the first that no continuation can make UTF-8.
const INVALID: &[(&[u8], usize)] = &[
    (&hex!("80"), 0),             // a continuation octet first
    (&hex!("c0 af"), 0),          // '/' in two octets
    (&hex!("c1 bf"), 0),          // the same
    (&hex!("e0 9f bf"), 1),       // overlong in three
    (&hex!("f0 8f bf bf"), 1),    // overlong in four
    (&hex!("ed a0 80"), 1),       // the first surrogate
    (&hex!("ed bf bf"), 1),       // the last
    (&hex!("f4 90 80 80"), 1),    // above U+10FFFF
    (&hex!("f5 80 80 80"), 0),    // the same
    (&hex!("f8 88 80 80 80"), 0), // five octets
    (&hex!("fe"), 0),             // never
    (&hex!("ff"), 0),             // never
    (&hex!("c3 28"), 1),          // second of two
    (&hex!("e2 82 28"), 2),       // third of three
    (&hex!("f0 9f 98 c0"), 3),    // fourth of four
    (&hex!("cebae1bdb9cf83cebcceb5 f4908080 656469746564"), 12), // 6.4.1: κόσμε first
    (&hex!("cebae1bdb9cf83cebcceb5 eda080 656469746564"), 12),
];

#[track_caller]
fn assert_utf8_error(endpoint: &mut Endpoint) {
    assert_eq!(endpoint.error().map(|error| error.code()), Some(ErrorCode::InvalidUtf8));
    assert_eq!(frames(&endpoint.sent())[0].payload[..2], 1007u16.to_be_bytes());
    assert_eq!(endpoint.events(), []);
}

#[test]
fn a_wrong_octet_in_a_frame_that_has_not_ended_fails_at_once() {
    for role in ROLES {
        for &(octets, wrong) in INVALID {
            let mut endpoint = endpoint(role, &Options::new());
            // The frame claims 100 octets more than will ever come.
            let frame = Frame::text(octets).claiming(octets.len() as u64 + 100);
            let wire = to(role, frame);
            let header = wire.len() - octets.len();
            endpoint.receives_in(&wire[..header + wrong], 1);
            assert_eq!(endpoint.error(), None, "{octets:02x?} before octet {wrong}");
            endpoint.receives(&wire[header + wrong..=header + wrong]);
            assert_utf8_error(&mut endpoint);
        }
    }
}

#[test]
fn a_wrong_octet_in_a_later_fragment_fails_at_once() {
    for &(octets, wrong) in INVALID {
        let mut client = endpoint(Role::Client, &Options::new());
        client.receives(Frame::text("").not_final().octets());
        for octet in &octets[..wrong] {
            client.receives(Frame::continuation([*octet]).not_final().octets());
            assert_eq!(client.error(), None, "{octets:02x?} before octet {wrong}");
        }
        client.receives(Frame::continuation([octets[wrong]]).not_final().octets());
        assert_utf8_error(&mut client);
    }
}

#[test]
fn a_wrong_octet_read_straight_into_the_message_fails_at_once() {
    use bytes::BufMut;
    for &(octets, wrong) in INVALID {
        let options = Options::new();
        let connection = hybi_proto::Connection::server(&Default::default(), &options);
        let (mut receiver, _) = connection.split();
        let wire = Frame::text(octets).claiming(100_000).masked(KEY).octets();
        assert_eq!(receiver.receive(&mut &wire[..14]), Ok(None));
        for (i, octet) in wire[14..].iter().enumerate() {
            receiver.spare(1).expect("room").put_u8(*octet);
            let result = receiver.commit();
            if i < wrong {
                assert_eq!(result, Ok(None), "{octets:02x?} at octet {i}");
                continue;
            }
            assert_eq!(result.unwrap_err().code(), ErrorCode::InvalidUtf8);
            assert!(receiver.is_finished());
            break;
        }
    }
}

#[test]
fn a_text_that_ends_within_a_character_fails_at_its_end() {
    for octets in [&hex!("c3")[..], &hex!("e2 82"), &hex!("f0 9f 98"), &hex!("61 f0")] {
        let mut server = endpoint(Role::Server, &Options::new());
        let wire = Frame::text(octets).masked(KEY).octets();
        server.receives(&wire[..wire.len() - 1]);
        assert_eq!(server.error(), None);
        server.receives(&wire[wire.len() - 1..]);
        assert_utf8_error(&mut server);

        let mut server = endpoint(Role::Server, &Options::new());
        server.receives(Frame::text(octets).not_final().masked(KEY).octets());
        assert_eq!(server.error(), None);
        server.receives(Frame::continuation("").masked(KEY).octets());
        assert_utf8_error(&mut server);
    }
}

#[test]
fn a_character_may_be_split_over_fragments_anywhere() {
    let text = "a\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{fffd}\u{ffff}\u{10000}\u{10ffff}";
    for first in 0..=text.len() {
        for second in first..=text.len() {
            let mut client = endpoint(Role::Client, &Options::new());
            let octets = text.as_bytes();
            client.receives(Frame::text(&octets[..first]).not_final().octets());
            client.receives(Frame::continuation(&octets[first..second]).not_final().octets());
            client.receives(Frame::continuation(&octets[second..]).octets());
            assert_eq!(client.messages(), [text]);
        }
    }
}

#[test]
fn binary_may_hold_anything() {
    for &(octets, _) in INVALID {
        let mut server = endpoint(Role::Server, &Options::new());
        server.receives_in(Frame::binary(octets).masked(KEY).octets(), 1);
        assert_eq!(server.messages(), [Message::from(octets)]);
    }
}

/// Octets at the edges of UTF-8's ranges.
fn edgy_octet() -> impl Strategy<Value = u8> {
    prop::sample::select(
        &hex!("00 61 7f 80 8f 90 9f a0 bf c0 c1 c2 df e0 e1 ec ed ee ef f0 f1 f3 f4 f5 ff")[..],
    )
}

/// The index of the first octet that cannot be, as the standard library sees it.
fn first_wrong(octets: &[u8]) -> Option<usize> {
    (0..octets.len()).find(|&i| {
        std::str::from_utf8(&octets[..=i]).is_err_and(|error| error.error_len().is_some())
    })
}

proptest! {
    #[test]
    fn the_first_wrong_octet_is_where_the_standard_library_sees_it(
        prefix in "[a-z é€😀]{0,80}",
        octets in prop::collection::vec(edgy_octet(), 1..8),
    ) {
        let octets = [prefix.as_bytes(), &octets].concat();
        let mut client = endpoint(Role::Client, &Options::new());
        client.receives(Frame::text("").claiming(1000).octets());
        for (i, octet) in octets.iter().enumerate() {
            client.receives([*octet]);
            if let Some(error) = client.error() {
                prop_assert_eq!(error.code(), ErrorCode::InvalidUtf8);
                prop_assert_eq!(first_wrong(&octets), Some(i));
                return Ok(());
            }
        }
        prop_assert_eq!(first_wrong(&octets), None);
    }
}
