//! The limits hold for messages, not for frames, and count what is empty.

use crate::{ROLES, endpoint, to};
use hybi_proto::{ErrorCode, Limits, Message, Options, Role};
use testkit::{Endpoint, Frame, KEY};

fn limited(limits: Limits) -> Options {
    Options::new().limits(limits)
}

#[track_caller]
fn assert_error(endpoint: &mut Endpoint, code: ErrorCode) {
    assert_eq!(endpoint.error().map(|error| error.code()), Some(code));
}

#[test]
fn a_message_of_exactly_the_limit_is_received() {
    for role in ROLES {
        let mut endpoint = endpoint(role, &limited(Limits::new().max_message_size(10)));
        endpoint.receives(to(role, Frame::binary([7; 10])));
        endpoint.receives(to(role, Frame::binary([7; 4]).not_final()));
        endpoint.receives(to(role, Frame::continuation([7; 6])));
        assert_eq!(endpoint.messages(), [Message::from(&[7; 10]), Message::from(&[7; 10])]);
    }
}

#[test]
fn the_size_limit_counts_all_fragments_of_a_message() {
    for role in ROLES {
        let mut endpoint = endpoint(role, &limited(Limits::new().max_message_size(10)));
        endpoint.receives(to(role, Frame::binary([7; 4]).not_final()));
        endpoint.receives(to(role, Frame::continuation([7; 6]).not_final()));
        assert_eq!(endpoint.error(), None);
        endpoint.receives(to(role, Frame::continuation([7; 1])));
        assert_error(&mut endpoint, ErrorCode::UnsupportedMessageLength);
    }
}

#[test]
fn control_frames_count_for_no_limit() {
    let limits = Limits::new().max_message_size(10).max_fragments(2).max_buffered_chunks(4);
    let mut server = endpoint(Role::Server, &limited(limits));
    server.receives(Frame::binary([1; 5]).not_final().masked(KEY).octets());
    for _ in 0..100 {
        server.receives(Frame::ping([0; 100]).masked(KEY).octets());
        server.receives(Frame::pong([0; 100]).masked(KEY).octets());
    }
    server.receives(Frame::continuation([1; 5]).masked(KEY).octets());
    assert_eq!(server.messages(), [Message::from(&[1; 10])]);
    assert_eq!(server.error(), None);
}

#[test]
fn empty_fragments_are_counted() {
    for role in ROLES {
        let mut endpoint = endpoint(role, &limited(Limits::new().max_fragments(3)));
        endpoint.receives(to(role, Frame::text("").not_final()));
        endpoint.receives(to(role, Frame::continuation("").not_final()));
        endpoint.receives(to(role, Frame::continuation("")));
        assert_eq!(endpoint.messages(), [""]); // the count begins anew

        endpoint.receives(to(role, Frame::text("").not_final()));
        endpoint.receives(to(role, Frame::continuation("").not_final()));
        endpoint.receives(to(role, Frame::continuation("").not_final()));
        assert_eq!(endpoint.error(), None);
        endpoint.receives(to(role, Frame::continuation("")));
        assert_error(&mut endpoint, ErrorCode::TooManyBufferedParts);
    }
}

#[test]
fn by_default_the_16385th_fragment_is_one_too_many() {
    let mut server = endpoint(Role::Server, &Options::new());
    server.receives(Frame::binary("a").not_final().masked(KEY).octets());
    let more = Frame::continuation("a").not_final().masked(KEY).octets();
    server.receives(more.repeat(16383));
    assert_eq!(server.error(), None);
    server.receives(&more);
    assert_error(&mut server, ErrorCode::TooManyBufferedParts);
    assert_eq!(server.sent()[2..4], 1008u16.to_be_bytes());
}

#[test]
fn a_message_in_more_reads_than_allowed_is_refused() {
    for role in ROLES {
        let options = limited(Limits::new().max_buffered_chunks(4));
        let octets = to(role, Frame::binary([7; 40]));
        let mut patient = endpoint(role, &options);
        patient.receives_in(&octets, octets.len().div_ceil(4));
        assert_eq!(patient.messages(), [Message::from(&[7; 40])]);

        let mut endpoint = endpoint(role, &options);
        let header = octets.len() - 40;
        endpoint.receives(&octets[..=header]);
        endpoint.receives_in(&octets[header + 1..header + 4], 1);
        assert_eq!(endpoint.error(), None);
        endpoint.receives_in(&octets[header + 4..header + 6], 1);
        assert_error(&mut endpoint, ErrorCode::TooManyBufferedParts);
    }
}

#[test]
fn reads_straight_into_the_message_are_counted() {
    use bytes::BufMut;
    let options = limited(Limits::new().max_buffered_chunks(4));
    let (mut receiver, _) = hybi_proto::Connection::server(&Default::default(), &options).split();
    let header = Frame::binary("").claiming(100).masked(KEY).octets();
    assert_eq!(receiver.receive(&mut &header[..]), Ok(None));
    let refused = (0..6).find_map(|_| {
        receiver.spare(1)?.put_u8(0);
        receiver.commit().err()
    });
    assert_eq!(refused.expect("a limit").code(), ErrorCode::TooManyBufferedParts);
}

#[test]
fn reads_of_one_message_do_not_count_for_the_next() {
    let mut server = endpoint(Role::Server, &limited(Limits::new().max_buffered_chunks(10)));
    for _ in 0..100 {
        server.receives_in(Frame::binary([7; 8]).masked(KEY).octets(), 1);
    }
    assert_eq!(server.messages().len(), 100);
}

#[test]
fn the_peer_is_told_the_limit_and_this_side_how_to_raise_it() {
    let limits = Limits::new().max_message_size(10).max_fragments(2).max_buffered_chunks(2);
    let part = Frame::text("a").not_final().masked(KEY).octets();
    let next = Frame::continuation("a").not_final().masked(KEY).octets();
    let slow = Frame::text("abcdef").masked(KEY).octets();
    let cases = [
        (
            vec![Frame::text([b'a'; 11]).masked(KEY).octets()],
            1009,
            "message is larger than 10 bytes",
            "message_size",
        ),
        (vec![part, next.repeat(2)], 1008, "message has more than 2 fragments", "fragments"),
        (
            vec![slow[..7].to_vec(), slow[7..8].to_vec(), slow[8..9].to_vec()],
            1008,
            "message came in more than 2 pieces",
            "buffered_chunks",
        ),
    ];
    for (octets, code, fact, limit) in cases {
        let mut server = endpoint(Role::Server, &limited(limits));
        for octets in octets {
            server.receives(octets);
        }
        let sent = server.sent();
        assert_eq!(sent[..2], [0x88, fact.len() as u8 + 2]);
        assert_eq!(u16::from_be_bytes([sent[2], sent[3]]), code);
        assert_eq!(std::str::from_utf8(&sent[4..]), Ok(fact));
        let told = format!("{fact} (raise Limits::max_{limit} to allow it)");
        assert_eq!(server.error().unwrap().to_string(), told);
    }
}
