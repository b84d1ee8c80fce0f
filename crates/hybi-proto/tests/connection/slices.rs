//! Large compressed messages: worked on in slices, between which a driver can do other things.

use bytes::Bytes;
use hybi_proto::connection::Receiver;
use hybi_proto::{
    CloseCode, Connection, DeflateOptions, DeflateParams, Error, Event, Extensions, Message,
    Options, PreparedMessage,
};
use proptest::prelude::*;
use testkit::{Endpoint, Frame, KEY, Pair};

const SLICE: usize = 1024;
/// Of what is inflated; the output comes in steps of 16 KiB.
const INFLATE_SLICE: usize = 8 * SLICE;
const STEP: usize = 16 * 1024;

fn extensions() -> Extensions {
    Extensions::none().with_deflate(DeflateParams::default())
}

fn options(slice: usize) -> Options {
    Options::new().compression(DeflateOptions::new().slice(slice))
}

fn server(slice: usize) -> Connection {
    Connection::server(&extensions(), &options(slice))
}

fn pair() -> Pair {
    let options = options(SLICE);
    let client = Connection::client(|| KEY, &extensions(), &options);
    Pair::of(client, Connection::server(&extensions(), &options), &options)
}

/// Text that compresses well and not too well.
fn text(len: usize) -> String {
    let text: String = (0..)
        .map(|n| format!("{{\"n\":{},\"x\":\"y\"}},", n * n % 9973))
        .take(len / 8 + 1)
        .collect();
    text[..len].into()
}

fn slices(sender: &mut Endpoint) -> usize {
    let mut slices = 1;
    while sender.sender().compress_slice() {
        slices += 1;
    }
    slices
}

#[test]
fn a_large_message_is_compressed_slice_by_slice() {
    let mut pair = pair();
    let message = text(100 * SLICE);
    pair.client.send(message.as_str()).unwrap();
    assert_eq!(pair.client.sender().buffered(), 100 * SLICE);
    assert!(pair.client.sender().take_ready().is_none(), "nothing of it is ready");
    assert_eq!(slices(&mut pair.client), 100);
    let queued = pair.client.sender().buffered();
    assert!(queued < 50 * SLICE, "what waits now is what goes on the wire: {queued}");
    pair.exchange();
    assert_eq!(pair.server.messages(), [Message::from(message)]);
}

#[test]
fn a_message_of_one_slice_is_compressed_at_once() {
    let mut pair = pair();
    pair.client.send(text(SLICE)).unwrap();
    assert!(!pair.client.sender().has_waiting());
    pair.client.send(text(SLICE + 1)).unwrap();
    assert!(pair.client.sender().has_waiting());
}

#[test]
fn slices_cost_nothing_on_the_wire() {
    let send = |slice: usize| {
        let mut server = Pair::of(
            Connection::client(|| KEY, &extensions(), &options(slice)),
            server(slice),
            &options(slice),
        )
        .server;
        let mut octets = Vec::new();
        for n in [10, 5_000, 70, 100_000, 3_000] {
            server.send(text(n)).unwrap();
            octets.extend(server.sent());
        }
        octets
    };
    let (in_slices, at_once) = (send(SLICE).len(), send(usize::MAX).len());
    assert!(in_slices <= at_once + at_once / 100, "{in_slices} beside {at_once}");
}

#[test]
fn everything_that_is_accepted_keeps_its_order() {
    let mut pair = pair();
    let large = text(20 * SLICE);
    let prepared = PreparedMessage::new(text(5 * SLICE));
    pair.server.send(large.as_str()).unwrap();
    pair.server.send("small").unwrap();
    pair.server.sender().send_with("uncompressed", false).unwrap();
    pair.server.sender().send_prepared(&prepared).unwrap();
    pair.server.ping(b"after them").unwrap();
    pair.server.sender().send_piece(true, Bytes::from_static(b"in "), false).unwrap();
    pair.server.sender().send_piece(true, Bytes::from_static(b"pieces"), true).unwrap();
    pair.server.send(large.as_str()).unwrap();
    pair.server.close(CloseCode::NORMAL, "bye").unwrap();
    assert!(pair.server.send("too late").is_err());
    pair.exchange();
    let events = pair.client.events();
    let message = |text: &str| Event::Message(Message::from(text));
    let expected = [
        message(&large),
        message("small"),
        message("uncompressed"),
        Event::Message(prepared.message().clone()),
        Event::Ping(Bytes::from_static(b"after them")),
        message("in pieces"),
        message(&large),
    ];
    assert!(events[..7] == expected, "{events:?}");
    assert!(matches!(&events[7], Event::Close(Some(frame)) if frame.reason == "bye"));
    assert!(pair.server.sender().is_closed() && !pair.server.sender().has_outgoing());
}

#[test]
fn a_ping_is_answered_while_a_message_is_being_compressed() {
    let mut pair = pair();
    pair.server.send(text(20 * SLICE)).unwrap();
    assert!(pair.server.sender().compress_slice());
    pair.server.receives(Frame::ping("?").masked(KEY).octets());
    let ready = pair.server.sender().take_ready().expect("the pong");
    assert_eq!(ready.contiguous(), Some(&b"\x8a\x01?"[..]));
}

#[test]
fn a_close_of_the_peer_is_answered_after_what_was_accepted() {
    let mut pair = pair();
    let large = text(20 * SLICE);
    pair.server.send(large.as_str()).unwrap();
    assert!(pair.server.sender().compress_slice());
    pair.server.receives(Frame::close(1000, "").masked(KEY).octets());
    let octets = pair.server.sent();
    pair.client.receives(&octets);
    assert_eq!(pair.client.messages(), [Message::from(large)]);
    assert!(octets.ends_with(&[0x88, 0x02, 0x03, 0xe8]));
}

#[test]
fn giving_up_frees_what_is_being_compressed() {
    let mut pair = pair();
    pair.server.send(text(20 * SLICE)).unwrap();
    pair.server.send(text(20 * SLICE)).unwrap();
    assert!(pair.server.sender().compress_slice());
    pair.server.sender().abort();
    assert_eq!(pair.server.sender().buffered(), 0);
    assert!(!pair.server.sender().has_outgoing() && !pair.server.sender().has_waiting());
}

#[test]
fn room_is_counted_by_what_was_accepted() {
    let options = options(SLICE).max_buffered(10_000);
    let mut server = Connection::server(&extensions(), &options);
    server.send(text(20 * SLICE)).unwrap();
    assert_eq!(server.sender().buffered(), 20 * SLICE);
    assert!(!server.sender().has_room(1));
}

#[test]
fn a_prepared_message_is_compressed_once_for_all_slice_by_slice() {
    let prepared = PreparedMessage::new(text(30 * SLICE));
    let mut pairs: Vec<_> = (0..3).map(|_| pair()).collect();
    for pair in &mut pairs {
        pair.server.send("before").unwrap();
        pair.server.sender().send_prepared(&prepared).unwrap();
        assert!(pair.server.sender().has_waiting());
    }
    // The connections take turns, and each goes on where the one before it stopped.
    let mut turns = 0;
    while pairs[turns % 3].server.sender().compress_slice() {
        turns += 1;
    }
    assert_eq!(turns + 1, 30);
    for pair in &mut pairs {
        assert_eq!(slices(&mut pair.server), 1);
        pair.exchange();
        assert_eq!(pair.client.messages(), [Message::from("before"), prepared.message().clone()]);
        // Whoever comes later has nothing left to compress, and its context is right.
        pair.server.sender().send_prepared(&prepared).unwrap();
        assert!(!pair.server.sender().has_waiting());
        pair.server.send(text(SLICE)).unwrap();
        pair.exchange();
        assert_eq!(
            pair.client.messages(),
            [prepared.message().clone(), Message::from(text(SLICE))]
        );
    }
}

#[test]
fn a_prepared_message_larger_than_a_frame_is_fragmented_in_its_place() {
    let options = options(SLICE).max_frame_size(25 * SLICE);
    let noise: Vec<u8> =
        (0..25 * SLICE as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    // It does not compress: as one frame it would be larger than is allowed.
    let prepared = PreparedMessage::new(noise);
    let mut pair = Pair::of(
        Connection::client(|| KEY, &extensions(), &options),
        Connection::server(&extensions(), &options),
        &options,
    );
    pair.server.sender().send_prepared(&prepared).unwrap();
    pair.server.send("after").unwrap();
    pair.exchange();
    assert_eq!(pair.client.messages(), [prepared.message().clone(), Message::from("after")]);
}

/// All that comes of `octets`, and the most that was inflated between two pauses.
fn receive(
    mut receiver: Receiver,
    octets: &[u8],
    chunk: usize,
) -> (Vec<Event>, Option<Error>, usize) {
    let (mut events, mut error, mut pauses) = (Vec::new(), None, 0);
    for mut input in octets.chunks(chunk) {
        loop {
            match receiver.receive_slice(&mut input) {
                Ok(Some(event)) => events.push(event),
                Ok(None) if receiver.is_paused() => pauses += 1,
                Ok(None) => break,
                Err(failed) => error = Some(failed),
            }
        }
        assert!(input.is_empty());
    }
    (events, error, pauses)
}

fn receiver(slice: usize) -> Receiver {
    Connection::client(|| KEY, &extensions(), &options(slice)).split().0
}

#[test]
fn a_large_message_is_inflated_slice_by_slice() {
    let mut server = pair().server;
    let zeros = vec![0; 4 << 20];
    server.send(zeros.clone()).unwrap();
    let octets = server.sent();
    assert!(octets.len() < 5_000, "one read brings it");
    for chunk in [octets.len(), 64, 1] {
        let (events, error, pauses) = receive(receiver(SLICE), &octets, chunk);
        assert!(events == [Event::Message(Message::from(zeros.clone()))]);
        assert_eq!(error, None);
        let least = (4 << 20) / (INFLATE_SLICE + STEP);
        assert!(pauses >= least, "{pauses} of at least {least}");
    }
}

#[test]
fn many_small_messages_share_a_slice() {
    let mut server = pair().server;
    for _ in 0..1000 {
        server.send(text(200)).unwrap();
    }
    let octets = server.sent();
    let (events, _, pauses) = receive(receiver(SLICE), &octets, octets.len());
    assert_eq!(events.len(), 1000);
    assert!(pauses >= 1000 * 200 / (INFLATE_SLICE + STEP), "{pauses}");
    let (_, _, pauses) = receive(receiver(1 << 20), &octets, octets.len());
    assert_eq!(pauses, 0);
}

#[test]
fn blocks_without_content_are_work_too() {
    // Empty stored blocks: 5 octets in, nothing out.
    let mut payload = [0x00, 0x00, 0x00, 0xff, 0xff].repeat(100_000);
    payload.push(0x00); // of the last one, the tail is removed
    let octets = Frame::binary(payload).rsv(4).octets();
    let (events, error, pauses) = receive(receiver(SLICE), &octets, octets.len());
    assert_eq!((events.len(), error), (1, None));
    assert!(pauses > 10, "{pauses}");
}

proptest! {
    #[test]
    fn slices_and_chunks_change_nothing_that_is_received(
        lens in prop::collection::vec((0..40_000usize, any::<bool>()), 1..6),
        frame in 1..30_000usize,
        slice in 1..6_000usize,
        chunk in 1..5_000usize,
        wrong in prop::option::weighted(0.3, any::<prop::sample::Index>()),
    ) {
        let options = options(usize::MAX).max_frame_size(frame);
        let mut server = Pair::of(
            Connection::client(|| KEY, &extensions(), &options),
            Connection::server(&extensions(), &options),
            &options,
        ).server;
        for (len, compress) in lens {
            server.sender().send_with(text(len), compress).unwrap();
        }
        let mut octets = server.sent();
        if let Some(at) = wrong {
            let at = at.index(octets.len());
            octets[at] ^= 0x10;
        }
        let (events, error, _) = receive(receiver(usize::MAX), &octets, octets.len());
        let (in_slices, same_error, _) = receive(receiver(slice), &octets, chunk);
        prop_assert!(events == in_slices);
        // What zlib says of the fault depends on how much of the message it was given at once.
        let [code, same_code] = [error, same_error].map(|error| error.map(|error| error.code()));
        prop_assert_eq!(code, same_code);
    }
}
