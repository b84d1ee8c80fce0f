//! Every violation is noticed as early as it can be, and told the peer with its close code.

use crate::{ROLES, endpoint, to};
use hex_literal::hex;
use hybi_proto::{Connection, DeflateOptions, Error, ErrorCode, Extensions, Limits, Message};
use hybi_proto::{Options, Role};
use testkit::{Endpoint, Frame, KEY, LengthForm, Pair, frame, frames};

/// Frames that break a rule, the name of the error and the close code; for both roles.
fn violations(role: Role) -> Vec<(Vec<Frame>, ErrorCode, u16)> {
    use ErrorCode::*;
    let mask_rule = match role {
        Role::Server => ExpectedMask,
        Role::Client => UnexpectedMask,
    };
    let fragment = || Frame::binary("").not_final();
    let mut table = vec![
        (vec![Frame::ping("").not_final()], ExpectedFin, 1002),
        (vec![Frame::pong("").not_final()], ExpectedFin, 1002),
        (vec![Frame::close(1000, "").not_final()], ExpectedFin, 1002),
        (vec![Frame::text("unlike the others")], mask_rule, 1002),
        (vec![Frame::close(1005, "")], InvalidCloseCode, 1002),
        (vec![Frame::ping([0; 126])], InvalidControlPayloadLength, 1002),
        (vec![Frame::pong([0; 70_000])], InvalidControlPayloadLength, 1002),
        (vec![frame(8, [3])], InvalidControlPayloadLength, 1002),
        (vec![Frame::continuation("")], InvalidOpcode, 1002),
        (vec![fragment(), Frame::binary("")], InvalidOpcode, 1002),
        (vec![fragment(), Frame::text("").not_final()], InvalidOpcode, 1002),
        (vec![Frame::text([0xff])], InvalidUtf8, 1007),
        (vec![Frame::text([0xc3])], InvalidUtf8, 1007),
        (vec![frame(8, hex!("03e8 ff"))], InvalidUtf8, 1007),
        (vec![fragment(), fragment_of(""), fragment_of("")], TooManyBufferedParts, 1008),
        (vec![Frame::text("a").rsv(4)], UnexpectedRsv1, 1002),
        (vec![Frame::ping("").rsv(4)], UnexpectedRsv1, 1002),
        (vec![fragment(), Frame::continuation("").rsv(4)], UnexpectedRsv1, 1002),
        (vec![Frame::text("a").rsv(2)], UnexpectedRsv23, 1002),
        (vec![Frame::text("a").rsv(1)], UnexpectedRsv23, 1002),
        (vec![Frame::text("a").rsv(7)], UnexpectedRsv23, 1002),
        (vec![Frame::binary("").claiming(1 << 53)], UnsupportedDataPayloadLength, 1009),
        (vec![Frame::binary("").claiming(u64::MAX)], UnsupportedDataPayloadLength, 1009),
        (vec![Frame::binary("").claiming(1001)], UnsupportedMessageLength, 1009),
        (vec![Frame::text("a").length_form(LengthForm::Medium)], NonMinimalLength, 1002),
        (vec![Frame::text([b'a'; 126]).length_form(LengthForm::Long)], NonMinimalLength, 1002),
    ];
    let reserved = [0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf];
    table.extend(reserved.map(|opcode| (vec![frame(opcode, "")], InvalidOpcode, 1002)));
    table
}

fn fragment_of(payload: &str) -> Frame {
    Frame::continuation(payload).not_final()
}

/// The octets of a row; the frame of the mask rule is masked the wrong way round.
fn octets(role: Role, row: &[Frame], code: ErrorCode) -> Vec<u8> {
    let other = match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    };
    let wrong = matches!(code, ErrorCode::ExpectedMask | ErrorCode::UnexpectedMask);
    let receiver = if wrong { other } else { role };
    row.iter().flat_map(|frame| to(receiver, frame.clone())).collect()
}

fn options() -> Options {
    Options::new().limits(Limits::new().max_fragments(2).max_message_size(1000))
}

#[track_caller]
fn assert_failed(endpoint: &mut Endpoint, code: ErrorCode, close_code: u16) {
    let error = endpoint.error().expect("an error");
    assert_eq!(error.code(), code, "{error}");
    assert_eq!(error.close_code().unwrap(), close_code);
    match close_code {
        1008 | 1009 => assert!(matches!(error, Error::Limit(_)), "{error:?}"),
        _ => assert!(matches!(error, Error::Protocol(_)), "{error:?}"),
    }
    // RFC 6455 §7.1.7: one Close frame with the code, and nothing after it.
    let sent = frames(&endpoint.sent());
    let [close] = &sent[..] else { panic!("{code}: {sent:?}") };
    assert_eq!((close.fin, close.rsv, close.opcode), (true, 0, 8));
    assert_eq!(close.payload[..2], close_code.to_be_bytes());
    let reason = std::str::from_utf8(&close.payload[2..]).expect("a reason is text");
    assert!(!reason.is_empty() && error.to_string().starts_with(reason), "{reason:?}");
    assert!(endpoint.wants_shutdown());
}

#[test]
fn every_violation_sends_its_close_code() {
    for role in ROLES {
        for (row, code, close_code) in violations(role) {
            let mut endpoint = endpoint(role, &options());
            endpoint.receives(octets(role, &row, code));
            assert_failed(&mut endpoint, code, close_code);
            assert_eq!(endpoint.events(), []);
        }
    }
}

#[test]
fn with_compression_rsv1_is_set_in_the_first_frame_of_a_message_and_in_no_other() {
    let (params, _) = DeflateOptions::new().accept("permessage-deflate").unwrap().unwrap();
    let extensions = Extensions::none().with_deflate(params);
    let options = options().max_frame_size(50).compression(DeflateOptions::new().threshold(0));
    let endpoint = |role| {
        let client = Connection::client(|| KEY, &extensions, &options);
        let server = Connection::server(&extensions, &options);
        let pair = Pair::of(client, server, &options);
        if role == Role::Server { pair.server } else { pair.client }
    };
    for role in ROLES {
        let compressed = || Frame::text([0]).rsv(4);
        for row in [
            vec![Frame::ping("").rsv(4)],
            vec![Frame::pong("").rsv(4)],
            vec![Frame::close(1000, "").rsv(4)],
            vec![Frame::text("").not_final(), Frame::continuation("").rsv(4)],
            vec![compressed().not_final(), Frame::continuation("").rsv(4)],
        ] {
            let mut endpoint = endpoint(role);
            endpoint.receives(octets(role, &row, ErrorCode::UnexpectedRsv1));
            assert_failed(&mut endpoint, ErrorCode::UnexpectedRsv1, 1002);
            assert_eq!(endpoint.events(), []);
        }
        let mut endpoint = endpoint(role);
        let digits: String = (0..300).map(|n| n.to_string()).collect();
        endpoint.send(digits).unwrap();
        let sent = frames(&endpoint.sent());
        assert!(sent.len() > 3, "{}", sent.len());
        let expected = [&[4][..], &vec![0; sent.len() - 1]].concat();
        assert_eq!(sent.iter().map(|frame| frame.rsv).collect::<Vec<_>>(), expected);
        endpoint.receives(octets(role, &[compressed()], ErrorCode::UnexpectedRsv1));
        assert_eq!(endpoint.messages(), [Message::text("")]);
    }
}

#[test]
fn the_table_of_violations_has_all_codes_of_ws_and_the_minimal_length() {
    let both: Vec<_> = ROLES.into_iter().flat_map(violations).map(|(_, code, _)| code).collect();
    for code in &ErrorCode::ALL[..13] {
        assert!(both.contains(code), "{code}");
    }
}

#[test]
fn what_follows_a_violation_is_dropped() {
    for role in ROLES {
        for (row, code, _) in violations(role) {
            let mut endpoint = endpoint(role, &options());
            let mut input = octets(role, &row, code);
            input.extend(to(role, Frame::text("too late")));
            endpoint.receives(input);
            endpoint.receives(to(role, Frame::ping("too late")));
            assert_eq!(endpoint.error().unwrap().code(), code);
            assert_eq!(endpoint.events(), []);
            assert_eq!(frames(&endpoint.sent()).len(), 1);
            assert_eq!(endpoint.send("no").unwrap_err().code(), ErrorCode::ConnectionClosed);
            endpoint.receives_eof();
            assert_eq!(endpoint.error(), None);
        }
    }
}

#[test]
fn what_came_before_a_violation_is_delivered_and_answered() {
    let mut server = Pair::open().server;
    server.receives(hex!("81 82 00000000 6869  89 80 00000000  83 80 00000000"));
    assert_eq!(server.messages(), ["hi"]);
    assert_eq!(server.error().unwrap().code(), ErrorCode::InvalidOpcode);
    let sent = server.sent();
    assert_eq!(sent[..2], hex!("8a 00"));
    assert_eq!(sent[4..6], hex!("03 ea")); // 1002
}

#[test]
fn a_client_frame_without_mask_fails_with_1002() {
    let mut server = Pair::open().server;
    server.receives(hex!("81 05 48656c6c6f"));
    assert_failed(&mut server, ErrorCode::ExpectedMask, 1002);
    assert_eq!(server.events(), []);
}

#[test]
fn a_server_frame_with_mask_fails_with_1002() {
    let mut client = Pair::open().client;
    client.receives(hex!("81 85 37fa213d 7f9f4d5158"));
    assert_failed(&mut client, ErrorCode::UnexpectedMask, 1002);
    assert_eq!(client.events(), []);
}

/// What RFC 6455 says about the first two octets of a frame, in the order of `ws`.
fn rule_for(first: u8, second: u8, role: Role, in_message: bool) -> Option<ErrorCode> {
    let (fin, opcode, len) = (first >= 0x80, first % 16, second % 128);
    let rsv1 = first & 0x40 != 0;
    if first & 0x30 != 0 {
        return Some(ErrorCode::UnexpectedRsv23);
    }
    if rsv1 {
        return Some(ErrorCode::UnexpectedRsv1);
    }
    match opcode {
        0 if !in_message => return Some(ErrorCode::InvalidOpcode),
        1 | 2 if in_message => return Some(ErrorCode::InvalidOpcode),
        0..=2 => {}
        8..=10 if !fin => return Some(ErrorCode::ExpectedFin),
        8..=10 if len > 125 => return Some(ErrorCode::InvalidControlPayloadLength),
        8 if len == 1 => return Some(ErrorCode::InvalidControlPayloadLength),
        8..=10 => {}
        _ => return Some(ErrorCode::InvalidOpcode),
    }
    match (role, second >= 0x80) {
        (Role::Server, false) => Some(ErrorCode::ExpectedMask),
        (Role::Client, true) => Some(ErrorCode::UnexpectedMask),
        _ => None,
    }
}

#[test]
fn the_first_two_octets_suffice_to_refuse_a_frame() {
    for role in ROLES {
        for in_message in [false, true] {
            for first in 0..=u8::MAX {
                // The lengths that matter, with and without mask.
                for second in [0, 1, 2, 124, 125, 126, 127, 128, 129, 130, 252, 253, 254, 255] {
                    for chunk in [1, 2] {
                        let mut endpoint = endpoint(role, &Options::new());
                        if in_message {
                            endpoint.receives(to(role, Frame::binary("").not_final()));
                        }
                        endpoint.receives_in([first, second], chunk);
                        let code = endpoint.error().map(|error| error.code());
                        let rule = rule_for(first, second, role, in_message);
                        assert_eq!(code, rule, "{first:02x} {second:02x} {role:?} {in_message}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_length_that_is_too_large_is_refused_before_any_payload() {
    let mut server = endpoint(Role::Server, &options());
    server.receives(hex!("82 fe 03e8 00000000")); // 1000: allowed
    assert_eq!(server.error(), None);

    let mut server = endpoint(Role::Server, &options());
    server.receives(hex!("82 fe 03e9 00000000")); // 1001
    assert_failed(&mut server, ErrorCode::UnsupportedMessageLength, 1009);
}
