//! Deadlines, on a virtual clock.

use hex_literal::hex;
use hybi_proto::{CloseCode, Connection, Error, ErrorCode, Event, Options};
use std::time::Duration;
use testkit::{Pair, frames};

const SECOND: Duration = Duration::from_secs(1);

fn heartbeat() -> Options {
    Options::new().ping_interval(30 * SECOND).ping_timeout(10 * SECOND)
}

#[test]
fn without_heartbeat_or_close_nothing_is_ever_due() {
    let mut pair = Pair::open();
    assert_eq!(pair.server.next_timeout(), None);
    pair.advance(Duration::from_secs(365 * 24 * 3600));
    pair.exchange();
    assert_eq!((pair.server.error(), pair.client.error()), (None, None));
}

#[test]
fn a_connection_that_was_not_told_to_start_has_no_deadlines() {
    let mut server = Connection::server(&Default::default(), &heartbeat());
    assert_eq!(server.next_timeout(), None);
    server.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(server.handle_timeout(std::time::Instant::now()), Ok(()));
    assert_eq!(server.next_timeout(), None);
}

#[test]
fn a_peer_that_answers_pings_is_kept_for_hours() {
    let mut pair = Pair::with(&heartbeat());
    for _ in 0..3600 {
        pair.advance(3 * SECOND);
        pair.exchange();
        assert_eq!((pair.server.error(), pair.client.error()), (None, None));
    }
    let pongs = pair.server.events().iter().filter(|e| matches!(e, Event::Pong(_))).count();
    assert_eq!(pongs, 360);
    pair.client.send("still there").unwrap();
    pair.exchange();
    assert_eq!(pair.server.messages(), ["still there"]);
}

#[test]
fn a_peer_that_does_not_answer_a_ping_is_given_up() {
    let mut server = Pair::with(&heartbeat()).server;
    server.advance(30 * SECOND);
    assert_eq!(server.sent(), hex!("89 04 00000001"));
    assert_eq!(server.next_timeout(), Some(server.now() + 10 * SECOND));
    server.advance(9 * SECOND);
    assert_eq!(server.error(), None);
    assert!(!server.wants_shutdown());
    server.advance(SECOND);
    let error = server.error().unwrap();
    assert!(matches!(error, Error::Timeout(_)));
    assert_eq!(error.code(), ErrorCode::PeerTimeout);
    assert_eq!(server.sent(), []); // the peer would not read a Close frame
    assert!(server.wants_shutdown());
    assert_eq!(server.send("no").unwrap_err().code(), ErrorCode::ConnectionClosed);
}

#[test]
fn any_octet_after_the_ping_proves_life() {
    let mut server = Pair::with(&heartbeat()).server;
    server.advance(30 * SECOND);
    server.sent();
    server.advance(9 * SECOND);
    server.receives(hex!("82")); // the beginning of a large message
    server.advance(20 * SECOND);
    assert_eq!(server.error(), None);
    server.advance(SECOND);
    assert_eq!(server.sent(), hex!("89 04 00000002"));
    server.advance(10 * SECOND);
    assert_eq!(server.error().unwrap().code(), ErrorCode::PeerTimeout);
}

#[test]
fn a_pong_that_arrives_just_before_its_deadline_is_in_time_even_if_the_timer_is_late() {
    let mut server = Pair::with(&heartbeat()).server;
    server.advance(30 * SECOND);
    server.advance(9 * SECOND);
    let input = &mut &hex!("8a 84 00000000 00000001")[..];
    assert!(matches!(server.receive(input), Ok(Some(Event::Pong(_)))));
    server.advance(5 * SECOND);
    assert_eq!(server.error(), None);
}

#[test]
fn an_octet_from_before_the_ping_does_not_answer_it() {
    let mut server = Pair::with(&heartbeat()).server;
    server.advance(29 * SECOND);
    server.receives(hex!("82"));
    server.advance(SECOND);
    assert_eq!(server.sent(), hex!("89 04 00000001"));
    server.advance(10 * SECOND);
    assert_eq!(server.error().unwrap().code(), ErrorCode::PeerTimeout);
}

#[test]
fn a_connection_without_messages_is_closed_with_1001() {
    let mut pair = Pair::with(&Options::new().idle_timeout(60 * SECOND));
    pair.server.advance(59 * SECOND);
    assert_eq!(pair.server.sent(), []);
    pair.server.advance(SECOND);
    let close = pair.server.sent();
    assert_eq!(close, hex!("88 06 03e9 69646c65"));
    pair.client.receives(close);
    let echo = pair.client.sent();
    pair.server.receives(echo);
    assert_eq!(pair.server.error(), None);
    assert!(pair.server.wants_shutdown());
}

#[test]
fn messages_in_either_direction_put_the_idle_close_off() {
    let mut server = Pair::with(&Options::new().idle_timeout(60 * SECOND)).server;
    server.advance(50 * SECOND);
    server.receives(hex!("81 81 00000000 61"));
    server.advance(50 * SECOND);
    server.send("a").unwrap();
    server.check_time();
    assert_eq!(server.sent(), hex!("81 01 61"));
    server.advance(50 * SECOND);
    assert_eq!(server.sent(), []);
    server.advance(10 * SECOND);
    assert_eq!(server.sent(), hex!("88 06 03e9 69646c65"));
}

#[test]
fn pings_and_pongs_do_not_put_the_idle_close_off() {
    let mut server = Pair::with(&Options::new().idle_timeout(60 * SECOND)).server;
    server.advance(50 * SECOND);
    server.receives(hex!("89 80 00000000  8a 80 00000000"));
    server.ping(b"").unwrap();
    server.sent();
    server.advance(10 * SECOND);
    assert_eq!(server.sent(), hex!("88 06 03e9 69646c65"));
}

#[test]
fn a_peer_that_does_not_answer_our_close_frame_is_given_up() {
    let mut server = Pair::with(&Options::new().close_timeout(5 * SECOND)).server;
    server.advance(100 * SECOND);
    server.close(CloseCode::NORMAL, "").unwrap();
    server.check_time();
    assert_eq!(server.next_timeout(), Some(server.now() + 5 * SECOND));
    server.advance(4 * SECOND);
    assert_eq!(server.error(), None);
    server.advance(SECOND);
    assert_eq!(server.error().unwrap().code(), ErrorCode::PeerTimeout);
    assert!(server.wants_shutdown());
    assert_eq!(frames(&server.sent()).len(), 1);
}

#[test]
fn a_client_gives_up_waiting_for_the_server_to_close_tcp() {
    let mut client = Pair::with(&Options::new().close_timeout(5 * SECOND)).client;
    client.receives(hex!("88 02 03e8"));
    assert!(!client.wants_shutdown());
    client.advance(5 * SECOND);
    assert_eq!(client.error().unwrap().code(), ErrorCode::PeerTimeout);
    assert!(client.wants_shutdown());
}

#[test]
fn while_closing_neither_pings_nor_idleness_matter() {
    let options = heartbeat().idle_timeout(35 * SECOND).close_timeout(300 * SECOND);
    let mut server = Pair::with(&options).server;
    server.close(CloseCode::NORMAL, "").unwrap();
    server.check_time();
    server.sent();
    server.advance(299 * SECOND);
    assert_eq!((server.sent(), server.error()), (vec![], None));
}

#[test]
fn a_time_beyond_the_clock_never_comes() {
    let options = Options::new()
        .ping_interval(Duration::MAX)
        .ping_timeout(Duration::MAX)
        .idle_timeout(Duration::MAX)
        .close_timeout(Duration::MAX);
    let mut server = Pair::with(&options).server;
    server.advance(Duration::from_secs(3600));
    server.close(hybi_proto::CloseCode::NORMAL, "").unwrap();
    server.advance(Duration::from_secs(3600));
    assert_eq!(server.error(), None);
}
