//! Level × window × history: time per message, bytes on the wire, bytes of memory per connection.
//!
//! `cargo bench -p hybi-proto --bench deflate` takes less than a minute and prints the tables of
//! `docs/COMPRESSION.md`. Messages are JSON documents of one kind with different values; connections
//! take turns, so with many of them the thread's zlib state never is in the right context.

use hybi_proto::{
    Compressor, Connection, Decompressor, DeflateOptions, DeflateParams, Extensions, Options, Role,
    WindowBits,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const DOCUMENTS: usize = 61;

fn main() {
    // `cargo test --benches` runs this too: one tiny round shows that it works.
    let bench = std::env::args().any(|argument| argument == "--bench");
    let many = if bench { Scale { connections: 500, rounds: 4 } } else { Scale::TINY };
    let alone = Scale { connections: 1, rounds: 100 * many.rounds };
    let defaults = DeflateOptions::new();

    for (size, levels) in [(1024, &[1, 3, 5, 6][..]), (16 * 1024, &[1, 6])] {
        let documents: Vec<_> = (0..DOCUMENTS).map(|n| document(size, n as u64)).collect();
        let by_turns = |what: &str| {
            println!("\n{size} bytes of JSON, {what}, {} connections by turns", many.connections);
        };
        by_turns("windows of 15 bits");
        heading("level  history");
        for &level in levels {
            let options = defaults.level(level);
            for history in [0, 1, 2, 4, 8, 16, 32].map(|kib| kib * 1024) {
                let first = format!("{level:5}  {history:7}");
                row(&first, options.history(history), &documents, many);
            }
            row(&format!("{level:5}  full   "), options.full_state(true), &documents, many);
            row(&format!("{level:5}  (alone)"), options, &documents, alone);
        }
        by_turns("the default level and history");
        heading("window bits   ");
        for bits in 9..=15 {
            let bits = WindowBits::new(bits).expect("9 to 15");
            let options = defaults.server_max_window_bits(bits);
            row(&format!("{:14}", bits.get()), options, &documents, many);
        }
    }
    println!("\none connection, default options, by size of the message");
    heading("bytes         ");
    for kib in [1_u64, 4, 16, 32, 64, 256, 1024] {
        let documents: Vec<_> =
            (0..(2048 / kib).clamp(5, 40)).map(|n| document(kib as usize * 1024, n)).collect();
        let rounds = (1024 / kib as usize).clamp(3, 100).min(many.rounds * 100);
        row(&format!("{:14}", kib * 1024), defaults, &documents, Scale { connections: 1, rounds });
    }
    println!("\none message of 1 MiB in slices, default level");
    println!("slice bytes    a slice µs   the message µs   wire B");
    let document = document(1024 * 1024, 1);
    for kib in [8_usize, 16, 32, 64, 128, 512] {
        in_slices(kib * 1024, &document, if bench { 9 } else { 1 });
    }
}

/// What compressing one message in slices takes: a slice and all of them, the median of so many
/// rounds.
fn in_slices(slice: usize, document: &str, rounds: usize) {
    let deflate = DeflateOptions::new().slice(slice);
    let options = Options::new().compression(deflate);
    let extensions = Extensions::none().with_deflate(agreed(deflate));
    let (mut each, mut whole, mut wire) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        let mut server = Connection::server(&extensions, &options);
        server.send(document).expect("is open");
        let started = Instant::now();
        loop {
            let slice = Instant::now();
            let more = server.sender().compress_slice();
            each.push(slice.elapsed().as_secs_f64() * 1e6);
            if !more {
                break;
            }
        }
        whole.push(started.elapsed().as_secs_f64() * 1e6);
        wire = server.sender().buffered();
    }
    println!("{slice:11}  {:11.0}  {:15.0}  {wire:7}", median(each), median(whole));
}

/// How much is done for one figure.
#[derive(Clone, Copy)]
struct Scale {
    connections: usize,
    /// Messages per connection that are measured, after as many as fill the window.
    rounds: usize,
}

impl Scale {
    const TINY: Scale = Scale { connections: 2, rounds: 1 };
}

fn heading(first: &str) {
    println!("{first}  send µs  receive µs   wire B   send memory B  receive memory B");
}

fn row(first: &str, options: DeflateOptions, documents: &[String], scale: Scale) {
    let figures = measure(options, documents, scale);
    println!(
        "{first}  {:7.1}  {:10.1}  {:7.0}  {:14}  {:16}",
        figures.send, figures.receive, figures.wire, figures.send_memory, figures.receive_memory
    );
}

struct Figures {
    send: f64,
    receive: f64,
    wire: f64,
    send_memory: usize,
    receive_memory: usize,
}

fn measure(options: DeflateOptions, documents: &[String], scale: Scale) -> Figures {
    let params = agreed(options);
    let sender = || Compressor::new(Role::Server, &params, &options);
    let receiver = || Decompressor::new(Role::Client, &params);

    // What belongs to the thread is there before memory is counted.
    let mut out = Vec::with_capacity(2 * documents[0].len() + 1024);
    let options_of_thread = options.full_state(false).history(1);
    Compressor::new(Role::Server, &params, &options_of_thread)
        .compress(documents[0].as_bytes(), &mut out)
        .expect("compresses");
    decompress(&mut receiver(), &out);

    // Sending. Short stretches are timed and the median counts: a machine that does other things
    // too disturbs some of them.
    let warm_up = 32 * 1024 / documents[0].len() + 2;
    let stretch = (4 * 1024 / documents[0].len()).clamp(1, scale.connections);
    let mut wire = 0;
    let mut send_times = Vec::with_capacity(warm_up.max(scale.rounds) * scale.connections);
    let before = LIVE.load(Ordering::Relaxed);
    let mut senders: Vec<_> = (0..scale.connections).map(|_| sender()).collect();
    let mut send_memory = 0;
    for round in 0..warm_up + scale.rounds {
        if round == warm_up {
            send_memory = (LIVE.load(Ordering::Relaxed) - before) / scale.connections;
            wire = 0;
            send_times.clear();
        }
        for (n, some) in senders.chunks_mut(stretch).enumerate() {
            let started = Instant::now();
            let count = some.len();
            for (m, sender) in some.iter_mut().enumerate() {
                let document = ((n * stretch + m) * 7 + round) % documents.len();
                out.clear();
                sender.compress(documents[document].as_bytes(), &mut out).expect("compresses");
                wire += out.len();
            }
            send_times.push(started.elapsed().as_secs_f64() / count as f64);
        }
    }
    drop(senders);

    // Receiving: all get the stream of one sender.
    let mut sender = sender();
    let stream: Vec<Vec<u8>> = (0..warm_up + scale.rounds)
        .map(|round| {
            let mut octets = Vec::new();
            let document = documents[round % documents.len()].as_bytes();
            sender.compress(document, &mut octets).expect("compresses");
            octets
        })
        .collect();
    let mut receive_times = Vec::with_capacity(scale.rounds * scale.connections);
    let mut receive_memory = 0;
    let before = LIVE.load(Ordering::Relaxed);
    let mut receivers: Vec<_> = (0..scale.connections).map(|_| receiver()).collect();
    for (round, octets) in stream.iter().enumerate() {
        if round == warm_up {
            receive_memory = (LIVE.load(Ordering::Relaxed) - before) / scale.connections;
        }
        for some in receivers.chunks_mut(stretch) {
            let started = Instant::now();
            let count = some.len();
            some.iter_mut().for_each(|receiver| decompress(receiver, octets));
            if round >= warm_up {
                receive_times.push(started.elapsed().as_secs_f64() / count as f64);
            }
        }
    }
    Figures {
        send: median(send_times) * 1e6,
        receive: median(receive_times) * 1e6,
        wire: wire as f64 / (scale.rounds * scale.connections) as f64,
        send_memory,
        receive_memory,
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
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
