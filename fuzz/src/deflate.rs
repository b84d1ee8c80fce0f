//! permessage-deflate: what is compressed comes back, and what is not DEFLATE data harms nobody.

use bytes::Buf;
use hybi_proto::connection::Receiver;
use hybi_proto::{
    Connection, DeflateOptions, DeflateParams, Event, Extensions, Limits, Message, Options,
    WindowBits,
};
use testkit::{Frame, KEY};

/// What the first octets choose: which knobs, and how much of each message.
struct Choice {
    options: DeflateOptions,
    params: DeflateParams,
}

fn choose(choice: u8, more: u8) -> Choice {
    let bits = |n: u8| WindowBits::new(9 + n % 7).expect("9 to 15");
    let options = DeflateOptions::new()
        .server_no_context_takeover(choice & 1 != 0)
        .client_no_context_takeover(choice & 2 != 0)
        .server_max_window_bits(bits(choice >> 2))
        .client_max_window_bits(bits(choice >> 5))
        .threshold(usize::from(more & 1) * 40)
        .history([0, 200, 4096, 40_000][usize::from(more >> 1 & 3)])
        .full_state(more & 8 != 0)
        .slice(if more & 16 != 0 { 300 } else { 32 * 1024 })
        .level(more >> 5);
    let (params, _) = options.accept(&options.offer()).expect("our offer").expect("is accepted");
    Choice { options, params }
}

/// Messages go from one side to the other in any chunks, with everything that can be negotiated.
pub fn roundtrip(octets: &[u8]) {
    let Some((&[choice, more, step, cuts], octets)) = octets.split_first_chunk::<4>() else {
        return;
    };
    let Choice { options: deflate, params } = choose(choice, more);
    let extensions = Extensions::none().with_deflate(params);
    let options = Options::new().compression(deflate).max_frame_size(1 + usize::from(cuts) * 8);
    let mut pair = [
        Connection::client(|| KEY, &extensions, &options),
        Connection::server(&extensions, &options),
    ];
    // A repetition is what a window is for.
    let messages =
        octets.chunks(usize::from(step) * 7 + 1).chain([octets, &octets[..octets.len() / 2]]);
    for (i, message) in messages.enumerate().take(64) {
        let (from, to) = (i % 2, 1 - i % 2);
        pair[from].send(Message::binary(message.to_vec())).expect("there is room");
        let mut wire = Vec::new();
        while let Some(mut outgoing) = pair[from].take() {
            let len = outgoing.remaining();
            wire.extend_from_slice(&outgoing.copy_to_bytes(len));
            pair[from].sender().written(len);
        }
        let mut received = None;
        for mut input in wire.chunks(usize::from(step) + 1) {
            while let Some(event) = pair[to].receive(&mut input).expect("our own frames") {
                assert!(received.is_none(), "{event:?} came too much");
                received = Some(event);
            }
        }
        assert_eq!(received, Some(Event::Message(Message::binary(message.to_vec()))));
    }
}

/// All that a receiver makes of compressed messages, and whether it failed.
fn inflate(mut receiver: Receiver, wire: &[u8], step: usize, slices: bool) -> (Vec<Event>, bool) {
    let mut events = Vec::new();
    for mut input in wire.chunks(step) {
        loop {
            let result = match slices {
                true => receiver.receive_slice(&mut input),
                false => receiver.receive(&mut input),
            };
            match result {
                Ok(Some(event)) => events.push(event),
                Ok(None) if receiver.is_paused() => assert!(slices),
                Ok(None) => break,
                // What is wrong in several ways is refused for the one that is found first, which
                // is up to the chunks.
                Err(error) => {
                    assert!(error.close_code().is_some());
                    return (events, true);
                }
            }
        }
    }
    (events, false)
}

/// Any octets as compressed messages: the same in any chunks, and never more than the limit.
pub fn arbitrary(octets: &[u8]) {
    let Some((&[choice, more, step, kind], octets)) = octets.split_first_chunk::<4>() else {
        return;
    };
    let Choice { options: deflate, params } = choose(choice, more);
    let limit = [10, 1000, 70_000, 300_000][usize::from(kind & 3)];
    let text = kind & 4 != 0;
    let options = Options::new()
        .compression(deflate)
        .limits(Limits::new().max_message_size(limit).max_buffered_chunks(u32::MAX));
    let mut wire = Vec::new();
    // Two messages, so that the second finds what the first has left.
    let (first, second) = octets.split_at(octets.len() / 2);
    for payload in [first, second] {
        let frame = if text { Frame::text(payload) } else { Frame::binary(payload) };
        wire.extend(frame.rsv(4).masked(KEY).octets());
    }
    let receiver = || {
        let extensions = Extensions::none().with_deflate(params);
        Connection::server(&extensions, &options).split().0
    };
    let whole = inflate(receiver(), &wire, wire.len(), false);
    for event in &whole.0 {
        if let Event::Message(message) = event {
            assert!(message.len() <= limit);
            assert_eq!(message.is_text(), text);
        }
    }
    let step = usize::from(step) + 1;
    assert_eq!(inflate(receiver(), &wire, step, false), whole);
    assert_eq!(inflate(receiver(), &wire, step, true), whole);
}
