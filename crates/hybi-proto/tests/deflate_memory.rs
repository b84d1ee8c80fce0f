//! What compression costs on the heap, counted by the allocator of this test binary.
//!
//! Each thread counts for itself: what the test harness does meanwhile is not ours.

use hybi_proto::{Compressor, Decompressor, DeflateOptions, DeflateParams, Error, Role};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // Far from zero, for a thread may give back what another one took.
    static LIVE: Cell<usize> = const { Cell::new(usize::MAX / 2) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is passed on to the system's allocator unchanged; counting touches no memory
// that it hands out. (`realloc` and `alloc_zeroed` of the trait call these two.)
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.set(LIVE.get() + layout.size());
        PEAK.set(PEAK.get().max(LIVE.get()));
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size());
        // SAFETY: `block` came from `System`, with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}

fn live() -> usize {
    LIVE.get()
}

/// How far the heap rises above its present level while `work` runs.
fn rise<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = live();
    PEAK.set(before);
    let result = work();
    (PEAK.get() - before, result)
}

fn send(sender: &mut Compressor, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    sender.compress(payload, &mut out).unwrap();
    out
}

#[test]
fn compression_costs_kilobytes_and_a_bomb_no_more_than_the_limit() {
    let params = DeflateParams::default();
    let options = DeflateOptions::new();
    let message: Vec<u8> = (0..3000_u32).flat_map(|n| (n * n % 9973).to_le_bytes()).collect();

    // The states of this thread, which all its connections share.
    let mut sender = Compressor::new(Role::Server, &params, &options);
    let octets = send(&mut sender, &message);
    let mut receiver = Decompressor::new(Role::Client, &params);
    receiver.decompress(&octets, true, usize::MAX, &mut |_| Ok(())).unwrap();
    let of_the_thread = live();

    // A connection that has agreed on compression and not used it.
    let mut connections: Vec<(Compressor, Decompressor)> = Vec::with_capacity(100);
    let spine = 100 * size_of::<(Compressor, Decompressor)>();
    for _ in 0..100 {
        let sender = Compressor::new(Role::Server, &params, &options);
        connections.push((sender, Decompressor::new(Role::Client, &params)));
    }
    assert_eq!(live() - of_the_thread, spine, "no heap before the first message");

    // Each has sent and received 12 KB, then 48 KB more: at rest it holds its windows and no more.
    for _ in 0..5 {
        for (sender, receiver) in &mut connections {
            let octets = send(sender, &message);
            receiver.decompress(&octets, true, usize::MAX, &mut |_| Ok(())).unwrap();
        }
    }
    let each = (live() - of_the_thread - spine) / 100;
    assert_eq!(each, 4096 + 32 * 1024);

    // Idle ones can be told to forget what they sent.
    connections.iter_mut().for_each(|(sender, _)| sender.drop_history());
    assert_eq!((live() - of_the_thread - spine) / 100, 32 * 1024);
    drop(connections);
    assert_eq!(live(), of_the_thread, "all is given back");

    // Without context takeover there is nothing to keep.
    let none = options.server_no_context_takeover(true).client_no_context_takeover(true);
    let (params_of_none, _) = none.accept("permessage-deflate").unwrap().unwrap();
    let mut sender = Compressor::new(Role::Server, &params_of_none, &options);
    let mut receiver = Decompressor::new(Role::Client, &params_of_none);
    for _ in 0..3 {
        let octets = send(&mut sender, &message);
        receiver.decompress(&octets, true, usize::MAX, &mut |_| Ok(())).unwrap();
    }
    assert_eq!(live(), of_the_thread);

    // A bomb: 8 MiB of zeros in 8 KiB. Its receiver collects it, as the connection does.
    let zeros = vec![0; 8 << 20];
    let bomb = send(&mut sender, &zeros);
    drop(zeros);
    assert!(bomb.len() < 8_300);
    const LIMIT: usize = 1 << 19;
    for piece in [bomb.len(), 1000, 7] {
        let mut receiver = Decompressor::new(Role::Client, &params);
        let (rise, (received, error)) = rise(|| {
            let mut plain: Vec<u8> = Vec::with_capacity(LIMIT);
            let mut collect = |slice: &[u8]| -> Result<(), Error> {
                plain.extend_from_slice(slice);
                Ok(())
            };
            let mut pieces = bomb.chunks(piece);
            let error = pieces
                .find_map(|octets| receiver.decompress(octets, false, LIMIT, &mut collect).err());
            (plain.len(), error.expect("it stops"))
        });
        assert_eq!(error.close_code().unwrap().get(), 1009);
        assert!(received <= LIMIT);
        // The rest is the window (48 KiB while it grows to 32) and the zlib state of the message.
        assert!(rise <= LIMIT + 96 * 1024, "{rise}");
    }
}
