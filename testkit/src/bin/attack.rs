//! `attack NAME N`: one input of size N that a quadratic parser would take N² steps for.
//!
//! `cargo xtask linear` runs it under valgrind for two sizes and compares the instructions.

#![forbid(unsafe_code)]

use hybi_proto::handshake::{
    ClientHandshake, HeadLimits, RequestOptions, ServerHandshake, Upgrade,
};
use hybi_proto::tunnel::{ProxyUrl, Tunnel};
use hybi_proto::{Connection, DeflateOptions, Limits, Options, Target};
use testkit::{Frame, KEY};

const USAGE: &str = "attack NAME N";
const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, n] = &arguments[..] else { panic!("{USAGE}") };
    let n: usize = n.parse().expect(USAGE);
    match name.as_str() {
        "head" => head(format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(n)), 1),
        "headers" => {
            let lines: String = (0..n / 10).map(|i| format!("X-{i:05}: y\r\n")).collect();
            head(format!("{GET}{lines}\r\n"), 1);
        }
        "same-headers" => head(format!("{GET}{}\r\n", "X: y\r\n".repeat(n / 10)), usize::MAX),
        "subprotocols" => {
            let names: Vec<String> = (0..n / 10).map(|i| format!("p{i:07}")).collect();
            head(format!("{GET}Sec-WebSocket-Protocol: {}\r\n\r\n", names.join(", ")), usize::MAX);
        }
        "spaces" => {
            head(format!("{GET}Sec-WebSocket-Protocol: b{}x\r\n\r\n", " ".repeat(n)), usize::MAX);
        }
        "extensions" => extension(&format!("x{}", ", x".repeat(n / 3))),
        "parameters" => extension(&format!("permessage-deflate{}", "; a=1".repeat(n / 5))),
        "quotes" => extension(&format!("x; a=\"{}\"", "\\\"".repeat(n / 2))),
        "response" => response(&format!("HTTP/1.1 101 X\r\nX: {}", "a".repeat(n))),
        "interim" => response(&"HTTP/1.1 100 X\r\n\r\n".repeat(n / 18)),
        "body" => response(&format!(
            "HTTP/1.1 404 X\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            "1\r\na\r\n".repeat(n / 6)
        )),
        "proxy" => proxy(&format!("HTTP/1.1 200 X\r\nX: {}", "a".repeat(n))),
        "text" => message(Frame::text("\u{e9}").not_final(), Frame::continuation("\u{e9}"), n / 8),
        "fragments" => message(Frame::binary("a").not_final(), Frame::continuation("a"), n / 7),
        other => panic!("there is no attack {other:?}"),
    }
}

fn limits() -> HeadLimits {
    HeadLimits::new().max_size(usize::MAX).max_headers(1 << 20)
}

fn head(octets: String, step: usize) {
    let mut handshake = ServerHandshake::new(limits());
    for mut input in octets.as_bytes().chunks(step) {
        match handshake.receive(&mut input) {
            Ok(None) => {}
            Ok(Some(request)) => drop(std::hint::black_box(Upgrade::of(&request))),
            Err(refusal) => panic!("{refusal:?}"),
        }
    }
}

fn extension(header: &str) {
    let _ = std::hint::black_box(DeflateOptions::new().accept(header));
    let _ = std::hint::black_box(DeflateOptions::new().confirm(header));
}

fn response(octets: &str) {
    let target = Target::parse("ws://x/").expect("a URL");
    let options = RequestOptions::new().head_limits(limits());
    let mut handshake = ClientHandshake::new(&target, &options, [0; 16]).expect("good options");
    for mut input in octets.as_bytes().chunks(1) {
        if handshake.receive(&mut input).is_err() {
            return;
        }
    }
}

fn proxy(octets: &str) {
    let target = Target::parse("ws://x/").expect("a URL");
    let proxy = ProxyUrl::parse("http://proxy").expect("a proxy");
    let mut tunnel = Tunnel::new(&proxy, &target, None).expect("a tunnel");
    tunnel.encode(&mut Vec::new());
    for mut input in octets.as_bytes().chunks(1) {
        if tunnel.receive(&mut input).is_err() {
            return;
        }
    }
}

fn message(first: Frame, more: Frame, count: usize) {
    let limits = Limits::new().max_fragments(u32::MAX).max_buffered_chunks(u32::MAX);
    let mut server = Connection::server(&Default::default(), &Options::new().limits(limits));
    let more = more.not_final().masked(KEY).octets();
    server.receive(&mut &first.masked(KEY).octets()[..]).expect("the first fragment");
    for _ in 0..count {
        server.receive(&mut &more[..]).expect("a fragment");
    }
}
