//! Messages in several frames (RFC 6455 §5.4).

use crate::{ROLES, endpoint, to};
use hex_literal::hex;
use hybi_proto::{CloseCode, Event, Message, Options};
use testkit::{Frame, Pair};

#[test]
fn a_ping_between_fragments_does_not_break_the_message() {
    let mut server = Pair::open().server;
    server.receives(hex!("01 83 00000000 48656c")); // text "Hel", FIN=0
    server.receives(hex!("89 80 00000000")); // ping
    server.receives(hex!("80 82 00000000 6c6f")); // "lo", FIN=1
    assert_eq!(server.messages(), ["Hello"]);
    assert_eq!(server.sent(), hex!("8a 00"));
}

#[test]
fn a_ping_cut_anywhere_between_fragments_does_not_break_the_message() {
    let octets = hex!(
        "01 83 01020304 49676f" // text "Hel", FIN=0
        "89 82 05060708 7573" // ping "pu"
        "8a 81 00000000 21" // pong "!"
        "80 82 00000000 6c6f" // "lo", FIN=1
    );
    for cut in 0..octets.len() {
        let mut server = Pair::open().server;
        server.receives(&octets[..cut]);
        server.receives(&octets[cut..]);
        let expected = [
            Event::Ping((&b"pu"[..]).into()),
            Event::Pong((&b"!"[..]).into()),
            Event::Message("Hello".into()),
        ];
        assert_eq!(server.events(), expected, "cut at {cut}");
        assert_eq!(server.sent(), hex!("8a 02 7075"));
    }
}

#[test]
fn fragments_of_any_kind_make_one_message() {
    for role in ROLES {
        let mut endpoint = endpoint(role, &Options::new());
        for frame in [
            Frame::binary("").not_final(),
            Frame::continuation([1; 300]).not_final(),
            Frame::continuation("").not_final(),
            Frame::continuation([2; 70_000]).not_final(),
            Frame::continuation(""),
            Frame::text("next"),
        ] {
            endpoint.receives(to(role, frame));
        }
        let whole = [&[1; 300][..], &[2; 70_000][..]].concat();
        assert_eq!(endpoint.messages(), [Message::from(whole), Message::from("next")]);
        assert_eq!(endpoint.sent(), []);
        assert_eq!(endpoint.error(), None);
    }
}

#[test]
fn empty_messages_are_messages() {
    let mut server = Pair::open().server;
    server.receives(hex!("81 80 01020304  82 80 01020304  01 80 01020304  80 80 01020304"));
    let empty: &[u8] = b"";
    assert_eq!(server.messages(), [Message::from(""), Message::from(empty), Message::from("")]);
}

#[test]
fn each_fragment_has_a_masking_key_of_its_own() {
    let mut server = Pair::open().server;
    server.receives(Frame::text("Hel").not_final().masked(*b"abcd").octets());
    server.receives(Frame::continuation("lo").masked(*b"efgh").octets());
    assert_eq!(server.messages(), ["Hello"]);
}

#[test]
fn a_close_frame_between_fragments_ends_the_message_unfinished() {
    let mut client = Pair::open().client;
    client.receives(hex!("01 03 48656c  88 02 03e8  80 02 6c6f"));
    let events = client.events();
    assert!(matches!(&events[..], [Event::Close(Some(f))] if f.code == CloseCode::NORMAL));
    assert_eq!(client.error(), None);
}
