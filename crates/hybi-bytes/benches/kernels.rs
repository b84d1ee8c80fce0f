//! What masking and validation cost, each beside what it competes with.
//!
//! `cargo bench -p hybi-bytes` prints nanoseconds per call and GB/s. Kernels take turns, and the
//! fastest of many short rounds counts, so that a busy machine disturbs the figures little.

use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 60;
const ROUND: Duration = Duration::from_micros(200);
const SIZES: [usize; 7] = [16, 48, 125, 1000, 1 << 10, 64 << 10, 1 << 20];
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A name, what it does, and how many calls that makes.
type Kernel<'a> = (&'static str, Box<dyn FnMut(usize) + 'a>);

/// The fastest call of each kernel in nanoseconds.
fn measure(kernels: &mut [Kernel<'_>]) -> Vec<f64> {
    let calls: Vec<usize> = kernels
        .iter_mut()
        .map(|(_, run)| {
            let mut calls = 1;
            loop {
                let start = Instant::now();
                run(calls);
                if start.elapsed() >= ROUND / 2 {
                    return calls;
                }
                calls *= 2;
            }
        })
        .collect();
    let mut best = vec![f64::INFINITY; kernels.len()];
    for _ in 0..ROUNDS {
        for (i, (_, run)) in kernels.iter_mut().enumerate() {
            let start = Instant::now();
            run(calls[i]);
            best[i] = best[i].min(start.elapsed().as_nanos() as f64 / calls[i] as f64);
        }
    }
    best
}

/// Prints one row a size, one column a kernel.
fn table<'a>(title: &str, mut kernels: impl FnMut(usize) -> Vec<Kernel<'a>>) {
    println!("\n{title} (ns per call, GB/s)");
    for (row, size) in SIZES.into_iter().enumerate() {
        let mut kernels = kernels(size);
        if row == 0 {
            print!("{:>8}", "octets");
            kernels.iter().for_each(|(name, _)| print!("{name:>19}"));
            println!();
        }
        print!("{size:>8}");
        for ns in measure(&mut kernels) {
            print!("{ns:>11.1} {:>7.1}", size as f64 / ns);
        }
        println!();
    }
}

macro_rules! kernel {
    ($name:literal, $body:expr) => {{
        let run: Box<dyn FnMut(usize) + '_> = Box::new(move |calls| {
            for _ in 0..calls {
                black_box($body);
            }
        });
        ($name, run)
    }};
}

fn naive_mask(payload: &mut [u8], key: [u8; 4], offset: usize) {
    for (i, octet) in payload.iter_mut().enumerate() {
        *octet ^= key[(i + offset) % 4];
    }
}

/// Calls `run` with payloads of `size` octets, 6 octets after a boundary as behind a frame header,
/// and small ones not twice in a row: a call should not wait for the writes of the one before.
fn in_place(size: usize, run: impl Fn(&mut [u8])) -> impl FnMut(usize) {
    let count = (16 << 10 >> size.ilog2()).max(1);
    let stride = (size + 6).next_multiple_of(64);
    let mut payloads = vec![b'x'; count * stride + 64];
    let start = 6 + payloads.as_ptr().align_offset(64);
    move |calls| {
        let mut from = start;
        for _ in 0..calls {
            run(black_box(&mut payloads[from..from + size]));
            from += stride;
            if from >= start + count * stride {
                from = start;
            }
        }
    }
}

fn mask_kernels(size: usize) -> Vec<Kernel<'static>> {
    let source = vec![b'x'; size];
    let copied = source.clone();
    let masked = source.clone();
    let mut out = Vec::with_capacity(size);
    let mut appended = Vec::with_capacity(size);
    vec![
        kernel!("memcpy", {
            out.clear();
            out.extend_from_slice(black_box(&copied));
            black_box(&mut out);
        }),
        kernel!("mask_append", {
            appended.clear();
            hybi_bytes::mask_append(&mut appended, black_box(&masked), black_box(KEY), 0);
            black_box(&mut appended);
        }),
        ("mask", Box::new(in_place(size, |p| hybi_bytes::mask(p, black_box(KEY), 0)))),
        ("naive mask", Box::new(in_place(size, |p| naive_mask(p, black_box(KEY), 0)))),
    ]
}

fn text(sample: &str, size: usize) -> Vec<u8> {
    let mut text = String::new();
    for character in sample.chars().cycle() {
        if text.len() + character.len_utf8() > size {
            break;
        }
        text.push(character);
    }
    text.extend(std::iter::repeat_n('.', size - text.len()));
    text.into_bytes()
}

fn validators(text: &[u8]) -> Vec<Kernel<'_>> {
    vec![
        kernel!("validate", hybi_bytes::utf8::validate(black_box(text)).is_ok()),
        kernel!("validate_prefix", hybi_bytes::utf8::validate_prefix(black_box(text)).is_ok()),
        kernel!("std", std::str::from_utf8(black_box(text)).is_ok()),
        kernel!("simdutf8 basic", simdutf8::basic::from_utf8(black_box(text)).is_ok()),
        kernel!("simdutf8 compat", simdutf8::compat::from_utf8(black_box(text)).is_ok()),
    ]
}

/// Copies of text that has arrived: masked (with a key of zeros, so that one text serves all).
fn copies(text: &[u8]) -> Vec<Kernel<'_>> {
    use bytes::Bytes;
    use hybi_bytes::{Utf8Bytes, copy_masked};
    let key = [0; 4];
    vec![
        kernel!("Bytes only", Bytes::copy_from_slice(black_box(text))),
        kernel!("copy_masked", copy_masked(black_box(text), black_box(key))),
        kernel!("text: copy", Utf8Bytes::copy_from_slice(black_box(text)).is_ok()),
        kernel!(
            "text: copy_masked",
            Utf8Bytes::copy_masked(black_box(text), black_box(key)).is_ok()
        ),
        kernel!("naive + String", {
            let mut copy = text.to_vec();
            naive_mask(&mut copy, black_box(key), 0);
            String::from_utf8(copy).is_ok()
        }),
    ]
}

fn main() {
    table("masking", mask_kernels);

    let samples: [(&str, &str); 3] = [
        ("ASCII", "the quick brown fox jumps over the lazy dog, "),
        ("mixed", "Grüße, naïve 日本語 text with 🎉 and some more plain words in it. "),
        ("Japanese", "いろはにほへと、ちりぬるを。"),
    ];
    for (name, sample) in samples {
        let texts = SIZES.map(|size| text(sample, size));
        let of = |size: usize| texts.iter().find(|text| text.len() == size).unwrap().as_slice();
        table(&format!("UTF-8, {name}"), |size| validators(of(size)));
        table(&format!("copies, {name}"), |size| copies(of(size)));
    }
}
