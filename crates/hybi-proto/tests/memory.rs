//! What a peer can make a connection hold, measured by counting allocations.
//!
//! The counts are per thread, so that the tests may run side by side.

use allocation_counter::measure;
use bytes::BufMut;
use hybi_proto::{CloseCode, Connection, ErrorCode, Event, Limits, Message, Options};
use testkit::{Frame, KEY, frames};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * 1024;

fn server(limits: Limits) -> Connection {
    Connection::server(&Default::default(), &Options::new().limits(limits))
}

/// Lets `octets` arrive; the code of the error, if there is one.
fn receive(connection: &mut Connection, octets: &[u8]) -> Option<ErrorCode> {
    let mut input = octets;
    loop {
        match connection.receive(&mut input) {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(error) => return Some(error.code()),
        }
    }
}

#[test]
fn huge_lengths_allocate_nothing() {
    use ErrorCode::{
        UnsupportedDataPayloadLength as Unsupported, UnsupportedMessageLength as TooLarge,
    };
    for (len, code) in [
        (1 << 31, TooLarge),
        (1 << 32, TooLarge),
        ((1 << 53) - 1, TooLarge),
        (1 << 53, Unsupported),
        ((1 << 63) - 1, Unsupported),
        (1 << 63, Unsupported),
        (u64::MAX, Unsupported),
    ] {
        for first in [Frame::binary(""), Frame::text("").not_final()] {
            let header = first.claiming(len).masked(KEY).octets();
            let mut refused = None;
            let held = measure(|| {
                let mut server = server(Limits::new());
                refused = receive(&mut server, &header);
            });
            assert_eq!(refused, Some(code), "{len}");
            // The error's text and the Close frame, no more.
            assert!(held.bytes_max < KIB, "{len}: {held:?}");
        }
    }
}

#[test]
fn huge_lengths_that_are_allowed_allocate_by_what_comes() {
    for len in [1 << 31, 1 << 32, (1 << 53) - 1] {
        let mut octets = Frame::binary("").claiming(len).masked(KEY).octets();
        octets.extend([0; 100]);
        let mut server = server(Limits::new().max_message_size(usize::MAX));
        let held = measure(|| assert_eq!(receive(&mut server, &octets), None));
        assert!(held.bytes_max < 20 * KIB, "{len}: {held:?}");
    }
}

#[test]
fn a_header_that_claims_100_mib_allocates_little() {
    let octets = Frame::binary([1; 10]).claiming(100 * MIB).masked(KEY).octets();
    for cut in 0..octets.len() {
        let mut server = server(Limits::new());
        let held = measure(|| {
            assert_eq!(receive(&mut server, &octets[..cut]), None);
            assert_eq!(receive(&mut server, &octets[cut..]), None);
        });
        assert!(held.bytes_max < 20 * KIB, "{held:?}");
    }
}

#[test]
fn a_message_that_is_arriving_holds_a_small_multiple_of_what_has_come() {
    for direct in [false, true] {
        let header = Frame::binary("").claiming(100 * MIB).masked(KEY).octets();
        let (mut receiver, _) = server(Limits::new()).split();
        let mut arrived = 0;
        let chunk = [7; 4096];
        let held = measure(|| {
            assert_eq!(receiver.receive(&mut &header[..]), Ok(None));
            while arrived < MIB {
                if direct {
                    let mut spare = receiver.spare(1).expect("room");
                    let here = spare.remaining_mut().min(chunk.len());
                    spare.put_slice(&chunk[..here]);
                    drop(spare);
                    assert_eq!(receiver.commit(), Ok(None));
                    arrived += here as u64;
                } else {
                    assert_eq!(receiver.receive(&mut &chunk[..]), Ok(None));
                    arrived += chunk.len() as u64;
                }
            }
        });
        // The buffer grows by doubling, and while it does there are two of them.
        assert!(held.bytes_current as u64 <= 2 * arrived + 32 * KIB, "direct {direct}: {held:?}");
        assert!(held.bytes_max <= 3 * arrived + 32 * KIB, "direct {direct}: {held:?}");
    }
}

#[test]
fn a_million_empty_fragments_hold_bounded_memory() {
    let first = Frame::binary("").not_final().masked(KEY).octets();
    let thousand = Frame::continuation("").not_final().masked(KEY).octets().repeat(1000);
    let limits = Limits::new().max_fragments(u32::MAX).max_buffered_chunks(u32::MAX);
    let mut server = server(limits);
    let held = measure(|| {
        assert_eq!(receive(&mut server, &first), None);
        for _ in 0..1000 {
            assert_eq!(receive(&mut server, &thousand), None);
        }
    });
    assert!(held.bytes_max < 20 * KIB, "{held:?}");
}

#[test]
fn by_default_empty_fragments_stop_at_16384_with_1008() {
    let mut server = server(Limits::new());
    let first = Frame::text("").not_final().masked(KEY).octets();
    assert_eq!(receive(&mut server, &first), None);
    let more = Frame::continuation("").not_final().masked(KEY).octets();
    let mut refused = None;
    let held = measure(|| {
        refused = (2..20_000).find(|_| receive(&mut server, &more).is_some());
    });
    assert_eq!(refused, Some(16385));
    assert_eq!(server.take().unwrap().contiguous().unwrap()[2..4], 1008u16.to_be_bytes());
    assert!(held.bytes_max < 20 * KIB, "{held:?}");
}

#[test]
fn octet_by_octet_stops_at_max_buffered_chunks_with_1008() {
    let mut server = server(Limits::new());
    let octets = Frame::text("").claiming(100 * MIB).masked(KEY).octets();
    assert_eq!(receive(&mut server, &octets), None);
    let mut refused = None;
    let held = measure(|| {
        refused = (2..300_000usize)
            .find(|read| receive(&mut server, &[KEY[(read - 2) % 4] ^ b'a']).is_some());
    });
    assert_eq!(refused, Some(256 * 1024 + 1));
    assert_eq!(server.take().unwrap().contiguous().unwrap()[2..4], 1008u16.to_be_bytes());
    assert!(held.bytes_max < MIB, "{held:?}");
}

#[test]
fn a_ping_flood_to_a_peer_that_takes_nothing_holds_bounded_memory() {
    let mut server = server(Limits::new());
    let count = 50_000u32;
    let held = measure(|| {
        for number in 0..count {
            let mut payload = [0; 125];
            payload[..4].copy_from_slice(&number.to_be_bytes());
            let ping = Frame::ping(payload).masked(KEY).octets();
            assert_eq!(receive(&mut server, &ping), None);
        }
    });
    assert!(held.bytes_max < 20 * KIB, "{held:?}");
    let outgoing = server.take().unwrap();
    let pongs = frames(outgoing.contiguous().unwrap());
    assert_eq!(pongs.last().unwrap().payload[..4], (count - 1).to_be_bytes());
}

#[test]
fn floods_of_pongs_and_of_what_comes_after_the_end_hold_nothing() {
    let pongs = Frame::pong([0; 125]).masked(KEY).octets().repeat(1000);
    let mut open = server(Limits::new());
    let mut failed = server(Limits::new());
    receive(&mut failed, &[0xff, 0xff]);
    let held = measure(|| {
        for _ in 0..100 {
            receive(&mut open, &pongs);
            receive(&mut failed, &pongs);
        }
    });
    assert!(held.bytes_max < KIB, "{held:?}");
    assert!(held.bytes_current <= 0, "{held:?}");
}

#[test]
fn a_connection_at_rest_owns_no_heap() {
    let traffic = |server: &mut Connection| {
        let mut octets = Frame::text("Hel").not_final().masked(KEY).octets();
        octets.extend(Frame::ping("?").masked(KEY).octets());
        octets.extend(Frame::continuation("lo").masked(KEY).octets());
        octets.extend(Frame::binary(vec![7; 70_000]).masked(KEY).octets());
        for octets in octets.chunks(3) {
            assert_eq!(receive(server, octets), None);
        }
        server.send("Hello").unwrap();
        server.send(Message::from(vec![7; 70_000])).unwrap();
        while server.take().is_some() {}
    };
    // The buffers that belong to the thread are there from now on.
    traffic(&mut server(Limits::new()));

    let mut rested = None;
    let held = measure(|| {
        let mut server = server(Limits::new());
        traffic(&mut server);
        rested = Some(server);
    });
    assert_eq!(held.bytes_current, 0, "{held:?}");
}

#[test]
fn an_unfinished_message_is_let_go_when_the_connection_fails_or_closes() {
    for last in [Frame::text("a"), Frame::close(1000, "")] {
        let mut server = server(Limits::new());
        server.close(CloseCode::NORMAL, "").unwrap();
        drop(server.take());
        let begin = Frame::binary(vec![7; 100_000]).not_final().masked(KEY).octets();
        let held = measure(|| {
            receive(&mut server, &begin);
            receive(&mut server, &last.masked(KEY).octets());
        });
        assert!(held.bytes_max > 100_000);
        assert!(held.bytes_current < KIB as i64, "{held:?}");
    }
}

#[test]
fn a_message_of_256_mib_goes_through_in_pieces_of_little_memory() {
    let octets = vec![7; 64 * KIB as usize];
    for direct in [false, true] {
        let len = 256 * MIB;
        let header = Frame::binary("").claiming(len).masked(KEY).octets();
        let (mut receiver, _) = server(Limits::new()).split();
        receiver.set_in_pieces(true);
        let (mut left, mut come) = (len, 0);
        let mut last = false;
        let mut take = |event: Option<Event>| {
            let Some(Event::Piece { piece, last: end }) = event else { return };
            come += piece.len() as u64;
            last = end;
        };
        let held = measure(|| {
            assert_eq!(receiver.receive(&mut &header[..]), Ok(None));
            while left > 0 {
                if direct {
                    let mut spare = receiver.spare(1).expect("room");
                    let here = spare.remaining_mut().min(octets.len());
                    spare.put_slice(&octets[..here]);
                    drop(spare);
                    take(receiver.commit().unwrap());
                    left -= here as u64;
                } else {
                    let here = left.min(octets.len() as u64);
                    let mut input = &octets[..here as usize];
                    while !input.is_empty() {
                        take(receiver.receive(&mut input).unwrap());
                    }
                    left -= here;
                }
            }
        });
        assert!(last, "direct {direct}");
        assert_eq!(come, len, "direct {direct}");
        assert!(held.bytes_max <= 160 * KIB, "direct {direct}: {held:?}");
    }
}
