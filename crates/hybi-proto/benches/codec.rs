//! What the protocol itself costs, without I/O: nanoseconds a message, the best of many rounds.
//!
//! `cargo bench -p hybi-proto --bench codec`

use hybi_proto::connection::Connection;
use hybi_proto::{Event, Options};
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 200;

fn main() {
    println!("{:>10} {:>12} {:>14} {:>12}", "payload", "parse ns", "parse+echo ns", "send ns");
    for size in [0, 16, 32, 125, 1024, 16 * 1024] {
        let (parse, echo, send) = (parse(size), parse_and_echo(size), send(size));
        println!("{size:>10} {parse:>12.1} {echo:>14.1} {send:>12.1}");
    }
}

/// As many masked text frames as one read might bring.
fn input(size: usize) -> (Vec<u8>, u32) {
    let count = (60_000 / (size + 8)).max(1);
    let mut frames = Vec::new();
    let mut peer = Connection::client(|| [1, 2, 3, 4], &Default::default(), &Options::new());
    for _ in 0..count {
        peer.send("x".repeat(size)).expect("an open connection sends");
        let outgoing = peer.take().expect("something was sent");
        let mut slices = [std::io::IoSlice::new(&[]); 4];
        let filled = outgoing.io_slices(&mut slices);
        slices[..filled].iter().for_each(|slice| frames.extend_from_slice(slice));
    }
    (frames, count as u32)
}

fn server() -> Connection {
    Connection::server(&Default::default(), &Options::new())
}

/// The best time of one message, in nanoseconds.
fn best(messages: u32, mut round: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        round();
        best = best.min(start.elapsed());
    }
    best.as_nanos() as f64 / f64::from(messages)
}

fn parse(size: usize) -> f64 {
    let (frames, count) = input(size);
    let mut server = server();
    best(count, || {
        let mut input = black_box(&frames[..]);
        while let Some(event) = server.receive(&mut input).expect("the frames are valid") {
            black_box(event);
        }
    })
}

fn parse_and_echo(size: usize) -> f64 {
    let (frames, count) = input(size);
    let mut server = server();
    best(count, || {
        let mut input = black_box(&frames[..]);
        while let Some(event) = server.receive(&mut input).expect("the frames are valid") {
            if let Event::Message(message) = event {
                server.send(message).expect("an open connection sends");
            }
        }
        let outgoing = black_box(server.take()).expect("something was sent");
        let octets = bytes::Buf::remaining(&outgoing);
        server.sender().written(octets);
    })
}

fn send(size: usize) -> f64 {
    let message = hybi_proto::Message::from("x".repeat(size));
    let mut server = server();
    let count = (60_000 / (size + 8)).max(1) as u32;
    best(count, || {
        for _ in 0..count {
            server.send(black_box(message.clone())).expect("an open connection sends");
        }
        let outgoing = black_box(server.take()).expect("something was sent");
        let octets = bytes::Buf::remaining(&outgoing);
        server.sender().written(octets);
    })
}
