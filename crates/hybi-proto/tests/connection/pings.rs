//! Pings and pongs (RFC 6455 §5.5.2, §5.5.3).

use crate::{ROLES, endpoint, to};
use hex_literal::hex;
use hybi_proto::{CloseCode, ErrorCode, Event, Options};
use testkit::{Frame, KEY, Pair, frames};

#[test]
fn a_ping_is_answered_with_its_payload() {
    for role in ROLES {
        for payload in [&b""[..], b"a", &[0xff; 125]] {
            let mut endpoint = endpoint(role, &Options::new());
            endpoint.receives(to(role, Frame::ping(payload)));
            assert_eq!(endpoint.events(), [Event::Ping(payload.to_vec().into())]);
            let sent = frames(&endpoint.sent());
            assert_eq!(sent.len(), 1);
            assert_eq!((sent[0].opcode, &sent[0].payload[..]), (0xa, payload));
        }
    }
}

#[test]
fn pings_are_answered_in_their_order() {
    let mut client = Pair::open().client;
    client.receives(hex!("89 01 61  89 01 62  89 01 63"));
    let sent: Vec<_> = frames(&client.sent()).into_iter().map(|frame| frame.payload).collect();
    assert_eq!(sent, [b"a", b"b", b"c"]);
}

#[test]
fn a_pong_is_not_answered() {
    let mut server = Pair::open().server;
    server.receives(hex!("8a 81 00000000 61"));
    assert_eq!(server.events(), [Event::Pong((&b"a"[..]).into())]);
    assert_eq!(server.sent(), []);
}

#[test]
fn a_ping_and_an_unsolicited_pong_can_be_sent() {
    let mut server = Pair::open().server;
    server.ping(b"hi").unwrap();
    server.sender().pong(b"").unwrap();
    assert_eq!(server.sent(), hex!("89 02 6869  8a 00"));
}

#[test]
fn a_ping_of_more_than_125_bytes_is_refused_and_nothing_is_sent() {
    let mut server = Pair::open().server;
    server.ping(&[0; 125]).unwrap();
    assert_eq!(server.sent().len(), 127);
    assert_eq!(server.ping(&[0; 126]).unwrap_err().code(), ErrorCode::InvalidArgument);
    let error = server.sender().pong(&[0; 126]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    assert_eq!(server.sent(), []);
}

/// Lets `count` pings arrive, numbered from 0, while nothing is taken.
fn flood(endpoint: &mut testkit::Endpoint, count: u32) {
    for number in 0..count {
        endpoint.receives(Frame::ping(number.to_be_bytes()).masked(KEY).octets());
    }
}

#[test]
fn of_a_flood_the_latest_ping_is_answered_last() {
    let mut server = Pair::open().server;
    flood(&mut server, 5000);
    let sent = frames(&server.sent());
    let numbers: Vec<_> =
        sent.iter().map(|pong| u32::from_be_bytes(pong.payload[..].try_into().unwrap())).collect();
    assert!(numbers.windows(2).all(|two| two[0] < two[1]), "{numbers:?}");
    assert!(numbers.len() > 100 && numbers.len() < 2000, "{}", numbers.len());
    assert_eq!(numbers.last(), Some(&4999));
}

#[test]
fn after_a_flood_every_ping_is_answered_again() {
    let mut server = Pair::open().server;
    flood(&mut server, 5000);
    server.sent();
    flood(&mut server, 3);
    assert_eq!(server.sent(), hex!("8a 04 00000000  8a 04 00000001  8a 04 00000002"));
}

#[test]
fn the_latest_pong_of_a_flood_comes_before_the_close_frame() {
    let mut server = Pair::open().server;
    flood(&mut server, 5000);
    server.close(CloseCode::NORMAL, "").unwrap();
    let sent = server.sent();
    assert!(sent.ends_with(&hex!("8a 04 00001387  88 02 03e8")));
}

#[test]
fn after_a_flood_and_a_lost_connection_there_is_nothing_to_write_but_what_was_queued() {
    let mut server = Pair::open().server;
    flood(&mut server, 5000);
    server.receives_eof();
    server.sent();
    assert!(!server.sender().has_outgoing());
    assert!(server.take().is_none());
}
