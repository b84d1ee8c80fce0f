//! A message handed out in pieces is the message, and nothing of it is kept.

use crate::{ROLES, to};
use bytes::{Buf, BufMut};
use hybi_proto::connection::{Receiver, Sender};
use hybi_proto::{
    Connection, DeflateOptions, ErrorCode, Event, Extensions, Limits, Message, Options, Role,
};
use proptest::prelude::*;
use testkit::{Frame, KEY};

fn receiver(role: Role, limits: Limits) -> Receiver {
    halves(role, &Options::new().limits(limits).no_compression(), &Extensions::none()).0
}

fn halves(role: Role, options: &Options, extensions: &Extensions) -> (Receiver, Sender) {
    match role {
        Role::Server => Connection::server(extensions, options),
        Role::Client => Connection::client(|| KEY, extensions, options),
    }
    .split()
}

/// Both sides have agreed on compression.
fn compressing(role: Role) -> (Receiver, Sender) {
    let deflate = DeflateOptions::new();
    let (params, _) = deflate.accept(&deflate.offer()).unwrap().unwrap();
    let extensions = Extensions::none().with_deflate(params);
    halves(role, &Options::new().compression(deflate), &extensions)
}

fn sent(sender: &mut Sender) -> Vec<u8> {
    let mut outgoing = sender.take().unwrap();
    outgoing.copy_to_bytes(outgoing.remaining()).to_vec()
}

/// What comes of `octets`, and then of nothing more.
fn events(receiver: &mut Receiver, octets: &[u8]) -> Vec<Event> {
    let mut input = octets;
    std::iter::from_fn(|| receiver.receive(&mut input).unwrap()).collect()
}

fn piece(message: impl Into<Message>, last: bool) -> Event {
    Event::Piece { piece: message.into(), last }
}

/// The messages that the pieces make, and what else came.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut message: Option<Vec<u8>> = None;
    let mut joined = Vec::new();
    let mut others = Vec::new();
    for event in events {
        let Event::Piece { piece, last } = event else {
            match message.is_some() {
                true => others.push(event),
                false => joined.push(event),
            }
            continue;
        };
        assert!(last || !piece.is_empty(), "an empty piece that is not the last");
        message.get_or_insert_default().extend_from_slice(piece.as_bytes());
        if last {
            let octets = message.take().unwrap();
            joined.append(&mut others);
            joined.push(Event::Message(match piece {
                Message::Text(_) => Message::from(String::from_utf8(octets).unwrap()),
                Message::Binary(_) => Message::from(octets),
            }));
        }
    }
    assert!(message.is_none(), "a message without its end");
    joined
}

#[test]
fn what_has_come_is_handed_out_before_the_rest_has() {
    for role in ROLES {
        let mut receiver = receiver(role, Limits::new());
        receiver.set_in_pieces(true);
        let frame = to(role, Frame::binary(*b"a large message"));
        assert_eq!(events(&mut receiver, &frame[..frame.len() - 8]), [piece(b"a large", false)]);
        assert_eq!(events(&mut receiver, &frame[frame.len() - 8..]), [piece(b" message", true)]);
        assert_eq!(
            events(&mut receiver, &to(role, Frame::text("whole"))),
            [Event::Message("whole".into())]
        );
    }
}

#[test]
fn control_frames_come_between_the_pieces() {
    let mut receiver = receiver(Role::Client, Limits::new());
    receiver.set_in_pieces(true);
    assert_eq!(
        events(&mut receiver, &Frame::text("Hel").not_final().octets()),
        [piece("Hel", false)]
    );
    assert_eq!(events(&mut receiver, &Frame::ping("?").octets()), [Event::Ping("?".into())]);
    assert_eq!(events(&mut receiver, &Frame::continuation("").not_final().octets()), []);
    assert_eq!(events(&mut receiver, &Frame::continuation("lo").octets()), [piece("lo", true)]);
}

#[test]
fn text_is_cut_between_characters_and_checked_at_each_octet() {
    let mut receiver = receiver(Role::Client, Limits::new());
    receiver.set_in_pieces(true);
    let frame = Frame::text("ü€😀!").octets();
    let pieces: Vec<_> = frame.iter().flat_map(|octet| events(&mut receiver, &[*octet])).collect();
    assert_eq!(
        pieces,
        [piece("ü", false), piece("€", false), piece("😀", false), piece("!", true)]
    );

    assert_eq!(events(&mut receiver, &Frame::text("fine, ").not_final().octets()).len(), 1);
    let wrong = Frame::continuation(b"then \xff").not_final().octets();
    let error = receiver.receive(&mut &wrong[..]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidUtf8);
    // The place is that in the message, not in the piece.
    assert!(error.to_string().contains("at byte 11"), "{error}");
}

#[test]
fn text_that_ends_within_a_character_is_wrong() {
    let mut receiver = receiver(Role::Client, Limits::new());
    receiver.set_in_pieces(true);
    let frame = Frame::text(b"a\xe2\x82").octets();
    assert_eq!(events(&mut receiver, &frame[..4]), [piece("a", false)]);
    assert_eq!(receiver.receive(&mut &frame[4..]).unwrap_err().code(), ErrorCode::InvalidUtf8);
}

#[test]
fn the_limits_of_messages_do_not_apply_to_pieces() {
    let limits = Limits::new().max_message_size(4).max_fragments(2).max_buffered_chunks(2);
    for role in ROLES {
        let mut receiver = receiver(role, limits);
        receiver.set_in_pieces(true);
        let mut octets = to(role, Frame::binary([7; 5]).not_final());
        for _ in 0..5 {
            octets.extend(to(role, Frame::continuation([7; 5]).not_final()));
        }
        octets.extend(to(role, Frame::continuation([7; 5])));
        let come: Vec<_> =
            octets.iter().flat_map(|octet| events(&mut receiver, &[*octet])).collect();
        assert_eq!(joined(come), [Event::Message(Message::from(&[7; 35]))]);
        // They do apply to the next message that is to come whole.
        receiver.set_in_pieces(false);
        let error = receiver.receive(&mut &to(role, Frame::binary([7; 5]))[..]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::UnsupportedMessageLength);
    }
}

#[test]
fn what_had_come_of_a_message_is_its_first_piece() {
    let mut receiver = receiver(Role::Client, Limits::new());
    let frame = Frame::text("already here").octets();
    assert_eq!(events(&mut receiver, &frame[..9]), []);
    receiver.set_in_pieces(true);
    assert_eq!(events(&mut receiver, &[]), [piece("already", false)]);
    assert_eq!(events(&mut receiver, &frame[9..]), [piece(" here", true)]);
}

#[test]
fn a_message_of_which_no_piece_was_taken_is_received_whole_again() {
    let mut receiver = receiver(Role::Client, Limits::new());
    receiver.set_in_pieces(true);
    // The beginning of a character is no piece yet.
    let frame = Frame::text("€ 5").octets();
    assert_eq!(events(&mut receiver, &frame[..4]), []);
    receiver.set_in_pieces(false);
    assert_eq!(events(&mut receiver, &frame[4..]), [Event::Message("€ 5".into())]);
}

#[test]
fn a_message_of_which_no_piece_was_taken_is_limited_again() {
    let mut receiver = receiver(Role::Client, Limits::new().max_message_size(4));
    receiver.set_in_pieces(true);
    let frame = Frame::text("€ 5 and more").octets();
    assert_eq!(events(&mut receiver, &frame[..4]), []);
    receiver.set_in_pieces(false);
    let error = receiver.receive(&mut &frame[4..]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::UnsupportedMessageLength);
}

#[test]
fn the_rest_of_a_message_that_is_not_wanted_is_dropped_and_still_checked() {
    for role in ROLES {
        let mut receiver = receiver(role, Limits::new().max_message_size(4).max_fragments(1));
        receiver.set_in_pieces(true);
        let first = to(role, Frame::text("first").not_final());
        assert_eq!(events(&mut receiver, &first), [piece("first", false)]);
        receiver.set_in_pieces(false);
        // Asking for pieces again does not bring it back.
        receiver.set_in_pieces(true);
        assert_eq!(
            events(&mut receiver, &to(role, Frame::continuation(" dropped").not_final())),
            []
        );
        assert_eq!(events(&mut receiver, &to(role, Frame::continuation(" too"))), []);
        receiver.set_in_pieces(false);
        assert_eq!(
            events(&mut receiver, &to(role, Frame::text("next"))),
            [Event::Message("next".into())]
        );

        receiver.set_in_pieces(true);
        assert_eq!(events(&mut receiver, &first).len(), 1);
        receiver.set_in_pieces(false);
        let wrong = to(role, Frame::continuation(b"\xff"));
        assert_eq!(receiver.receive(&mut &wrong[..]).unwrap_err().code(), ErrorCode::InvalidUtf8);
    }
}

#[test]
fn what_is_read_directly_is_handed_out_at_once() {
    for role in ROLES {
        let mut receiver = receiver(role, Limits::new());
        receiver.set_in_pieces(true);
        let frame = to(role, Frame::binary((0..100_000u32).map(|n| n as u8).collect::<Vec<_>>()));
        let mut come = events(&mut receiver, &frame[..100]);
        let mut rest = &frame[100..];
        while !rest.is_empty() {
            let mut spare = receiver.spare(1).expect("room");
            let here = spare.remaining_mut().min(rest.len());
            spare.put_slice(&rest[..here]);
            drop(spare);
            rest = &rest[here..];
            let event = receiver.commit().unwrap().expect("a piece");
            let Event::Piece { piece, .. } = &event else { panic!("{event:?}") };
            assert!(piece.len() <= 32 * 1024, "{}", piece.len());
            come.push(event);
        }
        let expected: Vec<_> = (0..100_000u32).map(|n| n as u8).collect();
        assert_eq!(joined(come), [Event::Message(Message::from(expected))]);
    }
}

#[test]
fn compressed_messages_come_in_pieces_that_are_bounded() {
    let (mut receiver, _) = compressing(Role::Server);
    let (_, mut sender) = compressing(Role::Client);
    receiver.set_in_pieces(true);
    // Next to nothing on the wire: everything comes with one read.
    let large = vec![b'x'; 4_000_000];
    sender.send(String::from_utf8(large.clone()).unwrap()).unwrap();
    sender.send("and another, in the same context").unwrap();
    let octets = sent(&mut sender);
    assert!(octets.len() < 60_000, "{}", octets.len());
    let come = events(&mut receiver, &octets);
    let largest = come.iter().filter_map(|event| match event {
        Event::Piece { piece, .. } => Some(piece.len()),
        _ => None,
    });
    assert!(largest.max().unwrap() <= 100 * 1024);
    let messages = joined(come);
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0], Event::Message(Message::from(String::from_utf8(large).unwrap())));
    assert_eq!(messages[1], Event::Message("and another, in the same context".into()));
}

#[test]
fn the_rest_of_a_compressed_message_is_dropped_without_losing_the_context() {
    let (mut receiver, _) = compressing(Role::Server);
    let (_, mut sender) = compressing(Role::Client);
    receiver.set_in_pieces(true);
    let text: String = (0..20_000).map(|number| format!("{number} ")).collect();
    sender.send(text.clone()).unwrap();
    sender.send(text[100..2000].to_owned()).unwrap();
    let octets = sent(&mut sender);
    let mut input = &octets[..];
    assert!(matches!(receiver.receive(&mut input), Ok(Some(Event::Piece { last: false, .. }))));
    receiver.set_in_pieces(false);
    let next = receiver.receive(&mut input).unwrap();
    assert_eq!(next, Some(Event::Message(Message::from(&text[100..2000]))));
}

proptest! {
    #[test]
    fn any_chunking_gives_pieces_of_the_same_messages(
        parts in prop::collection::vec(
            (any::<bool>(), prop::collection::vec("[a-zé€😀]{0,40}", 1..5)), 1..5,
        ),
        big in 0..40_000usize,
        chunks in prop_oneof![
            prop::collection::vec(1..20usize, 0..300),
            prop::collection::vec(1..70_000usize, 0..8),
        ],
        direct: bool,
    ) {
        let mut frames = vec![Frame::binary(vec![7; big]).not_final(), Frame::continuation("")];
        for (text, parts) in &parts {
            let last = parts.len() - 1;
            for (i, part) in parts.iter().enumerate() {
                let frame = match (i, text) {
                    (0, true) => Frame::text(part),
                    (0, false) => Frame::binary(part),
                    _ => Frame::continuation(part),
                };
                frames.push(if i == last { frame } else { frame.not_final() });
            }
        }
        for role in ROLES {
            let octets: Vec<u8> = frames.iter().flat_map(|frame| to(role, frame.clone())).collect();
            let whole = events(&mut receiver(role, Limits::new()), &octets);
            let mut receiver = receiver(role, Limits::new());
            receiver.set_in_pieces(true);
            let (mut come, mut rest) = (Vec::new(), &octets[..]);
            for chunk in chunks.iter().copied().chain([usize::MAX]) {
                let (mut now, later) = rest.split_at(chunk.min(rest.len()));
                rest = later;
                while direct && !now.is_empty() {
                    let Some(mut spare) = receiver.spare(1) else { break };
                    let here = spare.remaining_mut().min(now.len());
                    spare.put_slice(&now[..here]);
                    drop(spare);
                    now = &now[here..];
                    come.extend(receiver.commit().unwrap());
                }
                come.extend(events(&mut receiver, now));
            }
            prop_assert_eq!(joined(come), whole);
        }
    }
}
