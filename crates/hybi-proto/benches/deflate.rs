//! Level × window × history: time per message, bytes on the wire, bytes of memory per connection.
//!
//! `cargo bench -p hybi-proto --bench deflate` takes less than a minute and prints the tables of
//! `docs/COMPRESSION.md`. Messages are JSON documents of one kind with different values; connections
//! take turns, so with many of them the thread's zlib state never is in the right context.

use hybi_proto::{Compressor, Decompressor, DeflateOptions, DeflateParams, Role, WindowBits};
use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Each figure is measured for this long, after one round over all connections.
const TIME: Duration = Duration::from_millis(120);
const DOCUMENTS: usize = 61;

fn main() {
    // `cargo test --benches` runs this too: one tiny round shows that it works.
    let bench = std::env::args().any(|argument| argument == "--bench");
    let time = if bench { TIME } else { Duration::ZERO };
    let many = if bench { 500 } else { 2 };
    for size in [1024, 16 * 1024] {
        let documents: Vec<_> = (0..DOCUMENTS).map(|n| document(size, n as u64)).collect();
        let kib = size / 1024;
        println!("\n{kib} KiB JSON, window 15 bits; sending µs, receiving µs, wire B, memory B:");
        println!("level  history  connections   send µs  receive µs   wire B  send B  receive B");
        let levels: &[u8] = if size == 1024 { &[1, 2, 3, 4, 5, 6, 7, 9] } else { &[1, 3, 6, 9] };
        for &level in levels {
            for history in [0, 1, 2, 4, 8, 16, 32].map(|kib| kib * 1024) {
                for connections in [1, many] {
                    let options = DeflateOptions::new().level(level).history(history);
                    row(level, &history.to_string(), connections, options, &documents, time);
                }
            }
            for connections in [1, many] {
                let options = DeflateOptions::new().level(level).full_state(true);
                row(level, "full", connections, options, &documents, time);
            }
        }
        println!("\n{kib} KiB JSON, the default level and history, {many} connections, by window:");
        println!(" bits  history  connections   send µs  receive µs   wire B  send B  receive B");
        for bits in [9, 10, 11, 12, 13, 14, 15] {
            let options = DeflateOptions::new()
                .server_max_window_bits(WindowBits::new(bits).expect("9 to 15"));
            row(bits, "default", many, options, &documents, time);
        }
    }
    println!("\nOne message, the default options, alone on the thread:");
    println!("   bytes   send µs  receive µs");
    for kib in [1, 4, 16, 64, 256, 1024] {
        let documents = [document(kib * 1024, 1), document(kib * 1024, 2)];
        let run = run(1, DeflateOptions::new(), &documents, time);
        println!("{:8}  {:8.1}  {:10.1}", kib * 1024, run.send, run.receive);
    }
}

fn row(
    first: u8,
    history: &str,
    connections: usize,
    options: DeflateOptions,
    documents: &[String],
    time: Duration,
) {
    let run = run(connections, options, documents, time);
    println!(
        "{first:5}  {history:>7}  {connections:11}  {:8.1}  {:10.1}  {:7.0}  {:6}  {:9}",
        run.send, run.receive, run.wire, run.send_memory, run.receive_memory
    );
}

struct Run {
    send: f64,
    receive: f64,
    wire: f64,
    send_memory: usize,
    receive_memory: usize,
}

fn run(connections: usize, options: DeflateOptions, documents: &[String], time: Duration) -> Run {
    let params = agreed(options);
    // The states of the thread exist before memory is counted.
    let mut warm = Vec::new();
    Compressor::new(Role::Server, &params, &options.full_state(false).history(1))
        .compress(documents[0].as_bytes(), &mut warm)
        .expect("compresses");
    decompress(&mut Decompressor::new(Role::Client, &params), &warm);

    let mut out = Vec::with_capacity(2 * documents[0].len());
    let before = LIVE.load(Ordering::Relaxed);
    let mut senders: Vec<_> =
        (0..connections).map(|_| Compressor::new(Role::Server, &params, &options)).collect();
    let mut warm_up: Vec<Vec<Vec<u8>>> = vec![Vec::new(); connections];
    let lists = LIVE.load(Ordering::Relaxed);
    let mut kept = 0;
    for round in 0..2 {
        for (n, sender) in senders.iter_mut().enumerate() {
            out.clear();
            sender.compress(pick(documents, n, round), &mut out).expect("compresses");
            let octets = out.clone();
            kept += octets.capacity();
            warm_up[n].push(octets);
        }
    }
    let spine: usize = warm_up.iter().map(|list| list.capacity() * size_of::<Vec<u8>>()).sum();
    let own = senders.len() * size_of::<Compressor>();
    let send_memory = (LIVE.load(Ordering::Relaxed) - lists - kept - spine + own) / connections;
    assert!(lists > before);

    // Sending: `first` remembers what is to be received later, in the order of the connections.
    let mut stream: Vec<Vec<u8>> = Vec::new();
    let (mut messages, mut wire) = (0, 0);
    let mut spent = Duration::ZERO;
    let mut round = 2;
    while spent < time || round == 2 {
        let started = Instant::now();
        for (n, sender) in senders.iter_mut().enumerate() {
            out.clear();
            sender.compress(pick(documents, n, round), &mut out).expect("compresses");
            wire += out.len();
            if stream.len() < 20_000 {
                stream.push(out.clone());
            }
        }
        spent += started.elapsed();
        messages += connections;
        round += 1;
    }
    let send = spent.as_secs_f64() * 1e6 / messages as f64;
    drop(senders);

    let before = LIVE.load(Ordering::Relaxed);
    let mut receivers: Vec<_> =
        (0..connections).map(|_| Decompressor::new(Role::Client, &params)).collect();
    for (receiver, octets) in receivers.iter_mut().zip(&warm_up) {
        octets.iter().for_each(|octets| decompress(receiver, octets));
    }
    let started = Instant::now();
    for (n, octets) in stream.iter().enumerate() {
        decompress(&mut receivers[n % connections], octets);
    }
    let receive = started.elapsed().as_secs_f64() * 1e6 / stream.len() as f64;
    let receive_memory = (LIVE.load(Ordering::Relaxed) - before) / connections;
    Run { send, receive, wire: wire as f64 / messages as f64, send_memory, receive_memory }
}

fn pick(documents: &[String], connection: usize, round: usize) -> &[u8] {
    documents[(connection * 7 + round) % documents.len()].as_bytes()
}

fn decompress(receiver: &mut Decompressor, octets: &[u8]) {
    let mut sum = 0;
    receiver
        .decompress(octets, true, usize::MAX, &mut |plain| {
            sum += plain.len();
            Ok(())
        })
        .expect("decompresses");
    std::hint::black_box(sum);
}

fn agreed(options: DeflateOptions) -> DeflateParams {
    options
        .accept("permessage-deflate; client_max_window_bits")
        .expect("valid")
        .expect("accepted")
        .0
}

/// A document of an order book's or a shop's kind, about `size` bytes; `n` decides the values.
fn document(size: usize, n: u64) -> String {
    let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(n + 1) | 1);
    let names = ["Ada", "Grace", "Edsger", "Barbara", "Donald", "Tony", "Niklaus", "Frances"];
    let cities = ["Berlin", "Lisbon", "Oslo", "Turin", "Kyoto", "Quito", "Leeds", "Tampere"];
    let states = ["open", "paid", "packed", "shipped", "returned"];
    let mut text = format!(
        r#"{{"event":"orders.updated","version":3,"sequence":{},"timestamp":"2026-03-{:02}T{:02}:{:02}:{:02}.{:03}Z","orders":["#,
        100_000 + n * 17,
        random.below(28) + 1,
        random.below(24),
        random.below(60),
        random.below(60),
        random.below(1000)
    );
    while text.len() < size - 160 {
        let _ = write!(
            text,
            r#"{{"id":"{:08x}","customer":{{"name":"{}","city":"{}"}},"status":"{}","total":{}.{:02},"items":{},"express":{}}},"#,
            random.next() as u32,
            names[random.below(8)],
            cities[random.below(8)],
            states[random.below(5)],
            random.below(900) + 10,
            random.below(100),
            random.below(12) + 1,
            random.below(2) == 1
        );
    }
    text.pop();
    text.push_str(r#"],"page":{"next":null,"size":50}}"#);
    text
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> usize {
        (self.next() % bound) as usize
    }
}

static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is passed on to the system's allocator unchanged; counting touches no memory
// that it hands out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `block` came from `System`, with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}
