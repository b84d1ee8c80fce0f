//! The closing handshake (RFC 6455 §7), in all orders.

use crate::{ROLES, endpoint, to};
use bytes::Bytes;
use hex_literal::hex;
use hybi_proto::{
    CloseCode, CloseFrame, Error, ErrorCode, Event, Options, PreparedMessage, Utf8Bytes,
};
use testkit::{Endpoint, Frame, Pair, frame, frames};

fn close_event(code: u16, reason: &str) -> Event {
    let code = CloseCode::new(code).unwrap();
    Event::Close(Some(CloseFrame { code, reason: Utf8Bytes::from(reason) }))
}

#[test]
fn the_server_closes_first() {
    let mut pair = Pair::open();
    pair.server.close(CloseCode::GOING_AWAY, "bye").unwrap();
    let close = pair.server.sent();
    assert_eq!(close, hex!("88 05 03e9 627965"));
    assert!(!pair.server.wants_shutdown());

    pair.client.receives(close);
    assert_eq!(pair.client.events(), [close_event(1001, "bye")]);
    assert!(!pair.client.wants_shutdown()); // the server closes TCP: RFC 6455 §7.1.1
    let echo = pair.client.sent();
    assert_eq!(echo, hex!("88 82 37fa213d 3413"));

    pair.server.receives(echo);
    assert_eq!(pair.server.events(), [close_event(1001, "")]);
    assert!(pair.server.wants_shutdown());
    assert_eq!(pair.server.sent(), []);

    pair.client.receives_eof();
    pair.server.receives_eof();
    assert_eq!((pair.client.error(), pair.server.error()), (None, None));
}

#[test]
fn the_client_closes_first() {
    let mut pair = Pair::open();
    pair.client.close(CloseCode::NORMAL, "").unwrap();
    let close = pair.client.sent();
    assert_eq!(close, hex!("88 82 37fa213d 3412"));

    pair.server.receives(close);
    assert_eq!(pair.server.events(), [close_event(1000, "")]);
    assert!(pair.server.wants_shutdown()); // once the answer has been written
    let echo = pair.server.sent();
    assert_eq!(echo, hex!("88 02 03e8"));

    pair.client.receives(echo);
    assert_eq!(pair.client.events(), [close_event(1000, "")]);
    assert!(!pair.client.wants_shutdown());
    assert_eq!(pair.client.sent(), []);
}

#[test]
fn both_close_at_once() {
    let mut pair = Pair::open();
    pair.client.close(CloseCode::NORMAL, "").unwrap();
    pair.server.close(CloseCode::SERVICE_RESTART, "").unwrap();
    let (up, down) = (pair.client.sent(), pair.server.sent());
    pair.server.receives(up);
    pair.client.receives(down);
    assert_eq!(pair.server.events(), [close_event(1000, "")]);
    assert_eq!(pair.client.events(), [close_event(1012, "")]);
    assert_eq!((pair.client.sent(), pair.server.sent()), (vec![], vec![]));
    assert!(pair.server.wants_shutdown() && !pair.client.wants_shutdown());
}

#[test]
fn a_close_frame_without_code_is_answered_by_one_without_code() {
    let mut server = Pair::open().server;
    server.receives(hex!("88 80 01020304"));
    assert_eq!(server.events(), [Event::Close(None)]);
    assert_eq!(server.sent(), hex!("88 00"));
    assert!(server.wants_shutdown());
}

#[test]
fn a_close_frame_can_be_sent_without_code() {
    let mut server = Pair::open().server;
    server.sender().close(None).unwrap();
    assert_eq!(server.sent(), hex!("88 00"));
}

#[test]
fn the_answer_echoes_the_code_and_not_the_reason() {
    let mut client = Pair::open().client;
    client.receives(hex!("88 04 10e1 6f6b")); // 4321 "ok"
    assert_eq!(client.events(), [close_event(4321, "ok")]);
    assert_eq!(frames(&client.sent())[0].payload, hex!("10e1"));
}

#[test]
fn messages_after_our_close_frame_are_still_delivered() {
    let mut server = Pair::open().server;
    server.receives(hex!("01 81 00000000 61"));
    server.close(CloseCode::NORMAL, "").unwrap();
    server.receives(hex!("80 81 00000000 62  82 81 00000000 63  88 82 00000000 03e8"));
    let expected =
        [Event::Message("ab".into()), Event::Message(b"c".into()), close_event(1000, "")];
    assert_eq!(server.events(), expected);
}

#[test]
fn pings_after_our_close_frame_are_not_answered() {
    let mut server = Pair::open().server;
    server.close(CloseCode::NORMAL, "").unwrap();
    server.receives(hex!("89 81 00000000 61"));
    assert_eq!(server.events(), [Event::Ping((&b"a"[..]).into())]);
    assert_eq!(server.sent(), hex!("88 02 03e8"));
}

#[test]
fn what_follows_the_close_frame_of_the_peer_is_ignored() {
    for role in ROLES {
        let close = to(role, Frame::close(1000, ""));
        for after in
            [Frame::text("late"), Frame::ping("late"), Frame::close(1001, ""), frame(3, "")]
        {
            let after = to(role, after);
            let mut together = endpoint(role, &Options::new());
            together.receives([&close[..], &after[..]].concat());
            let mut apart = endpoint(role, &Options::new());
            apart.receives(&close);
            apart.receives(&after);
            for mut endpoint in [together, apart] {
                assert_eq!(endpoint.events(), [close_event(1000, "")]);
                assert_eq!(endpoint.error(), None);
                assert_eq!(frames(&endpoint.sent()).len(), 1);
            }
        }
    }
}

fn assert_refuses_to_send(endpoint: &mut Endpoint) {
    let prepared = PreparedMessage::new("no");
    let sender = endpoint.sender();
    for result in [
        sender.send("no"),
        sender.send_with("no", false),
        sender.send_prepared(&prepared),
        sender.send_piece(true, Bytes::new(), true),
        sender.ping(b""),
        sender.pong(b""),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Closed(_)));
        assert_eq!(error.code(), ErrorCode::ConnectionClosed);
    }
    assert_eq!(endpoint.sent(), []);
}

#[test]
fn nothing_is_sent_after_a_close_frame_in_either_direction() {
    for role in ROLES {
        let mut we_first = endpoint(role, &Options::new());
        we_first.close(CloseCode::NORMAL, "").unwrap();
        we_first.sent();
        assert_refuses_to_send(&mut we_first);

        let mut peer_first = endpoint(role, &Options::new());
        peer_first.receives(to(role, Frame::close(1000, "")));
        peer_first.sent();
        assert_refuses_to_send(&mut peer_first);

        let mut failed = endpoint(role, &Options::new());
        failed.receives(to(role, frame(3, "")));
        failed.sent();
        assert_refuses_to_send(&mut failed);

        let mut ended = endpoint(role, &Options::new());
        ended.receives_eof();
        assert_refuses_to_send(&mut ended);
    }
}

#[test]
fn what_was_sent_before_the_close_frame_is_written_before_it() {
    let mut server = Pair::open().server;
    server.send("a").unwrap();
    server.send(vec![7; 10_000]).unwrap();
    server.close(CloseCode::NORMAL, "").unwrap();
    let sent = frames(&server.sent());
    assert_eq!(sent.iter().map(|frame| frame.opcode).collect::<Vec<_>>(), [1, 2, 8]);
}

#[test]
fn a_second_close_does_nothing() {
    let mut server = Pair::open().server;
    server.close(CloseCode::NORMAL, "").unwrap();
    server.close(CloseCode::GOING_AWAY, "again").unwrap();
    assert_eq!(server.sent(), hex!("88 02 03e8"));
    server.receives(hex!("88 80 00000000"));
    server.close(CloseCode::GOING_AWAY, "again").unwrap();
    assert_eq!(server.sent(), []);
}

#[test]
fn a_reason_of_123_bytes_is_sent_and_one_of_124_refused() {
    let mut server = Pair::open().server;
    let error = server.close(CloseCode::NORMAL, &"é".repeat(62)).unwrap_err();
    assert!(matches!(error, Error::Usage(_)));
    assert_eq!(server.sent(), []);
    server.send("still open").unwrap();
    server.sent();
    server.close(CloseCode::NORMAL, &"r".repeat(123)).unwrap();
    let sent = server.sent();
    assert_eq!(sent[..4], hex!("88 7d 03e8"));
    assert_eq!(sent.len(), 127);

    let mut client = Pair::open().client;
    client.receives(sent);
    assert_eq!(client.events(), [close_event(1000, &"r".repeat(123))]);
}

#[test]
fn of_all_close_codes_those_of_rfc_6455_7_4_are_taken_and_echoed() {
    for role in ROLES {
        for number in (0..=5100).chain([0x7fff, 0x8000, u16::MAX]) {
            let mut endpoint = endpoint(role, &Options::new());
            endpoint.receives(to(role, Frame::close(number, "")));
            let sent = frames(&endpoint.sent());
            let [answer] = &sent[..] else { panic!("{sent:?}") };
            let code = u16::from_be_bytes([answer.payload[0], answer.payload[1]]);
            let defined = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
            if defined.contains(&number) || (3000..5000).contains(&number) {
                assert_eq!(endpoint.events(), [close_event(number, "")]);
                assert_eq!((code, answer.payload.len()), (number, 2));
            } else {
                assert_eq!(endpoint.error().unwrap().code(), ErrorCode::InvalidCloseCode);
                assert_eq!((code, endpoint.events()), (1002, vec![]));
            }
        }
    }
}

#[test]
fn a_violation_after_our_close_frame_sends_no_second_one() {
    for role in ROLES {
        let mut endpoint = endpoint(role, &Options::new());
        endpoint.close(CloseCode::NORMAL, "").unwrap();
        endpoint.receives(to(role, Frame::text([0xff])));
        assert_eq!(endpoint.error().unwrap().code(), ErrorCode::InvalidUtf8);
        let sent = frames(&endpoint.sent());
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].payload, hex!("03e8"));
        assert!(endpoint.wants_shutdown());
    }
}

#[test]
fn the_end_of_the_stream_without_a_close_frame_is_an_abnormal_closure() {
    for role in ROLES {
        let wire = to(role, Frame::text("Hello"));
        for cut in 0..wire.len() {
            let mut endpoint = endpoint(role, &Options::new());
            endpoint.receives(&wire[..cut]);
            endpoint.receives_eof();
            let error = endpoint.error().unwrap();
            assert!(matches!(error, Error::Closed(_)));
            assert_eq!(error.code(), ErrorCode::AbnormalClosure);
            assert_eq!(endpoint.sent(), []); // nobody is there to read it
            assert!(endpoint.wants_shutdown());
        }
    }
}

#[test]
fn the_end_of_the_stream_instead_of_the_answer_to_our_close_frame_is_an_abnormal_closure() {
    let mut server = Pair::open().server;
    server.close(CloseCode::NORMAL, "").unwrap();
    server.receives_eof();
    assert_eq!(server.error().unwrap().code(), ErrorCode::AbnormalClosure);
    assert!(server.wants_shutdown());
}

#[test]
fn the_end_of_the_stream_is_told_once() {
    let mut server = Pair::open().server;
    server.receives_eof();
    assert!(server.error().is_some());
    server.receives_eof();
    assert_eq!(server.error(), None);
}

#[test]
fn an_aborted_connection_writes_nothing_more() {
    for role in ROLES {
        let mut endpoint = endpoint(role, &Options::new());
        endpoint.send("lost").unwrap();
        endpoint.receives(to(role, Frame::ping("lost")));
        endpoint.sender().abort();
        assert_eq!(endpoint.sender().buffered(), 0);
        assert_eq!(endpoint.sent(), []);
        assert!(endpoint.wants_shutdown());
        assert_refuses_to_send(&mut endpoint);
    }
}

#[test]
fn a_code_that_must_not_be_sent_cannot_be_made() {
    for number in 0..=u16::MAX {
        let allowed = matches!(number, 1000..=1003 | 1007..=1014 | 3000..=4999);
        assert_eq!(hybi_proto::CloseCode::new(number).is_ok(), allowed, "{number}");
    }
}
