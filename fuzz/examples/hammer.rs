//! `hammer TARGET... [--seconds N]`: what the fuzzer has found worth keeping, and the seeds, changed
//! at random and tried as fast as can be, without instrumentation: for the number of executions.
//! `cargo xtask fuzz --hammer` runs it; the fuzzer beside it finds new ways, this tries many on each.

#![forbid(unsafe_code)]

use std::panic;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use testkit::Random;

/// Longer inputs cost executions and show little more.
const LONGEST: usize = 200;

/// Octets at which something changes.
const TELLING: [u8; 20] = [
    0, 1, 2, 3, 4, 5, 8, 0x0a, 0x0d, 0x20, 0x2c, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0x88, 0xc1, 0xfe,
    0xff,
];

fn main() -> ExitCode {
    let mut seconds = 60;
    let mut targets = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--seconds" {
            seconds = arguments.next().and_then(|n| n.parse().ok()).expect("--seconds N");
        } else {
            targets.push(argument);
        }
    }
    for (name, check) in hybi_fuzz::TARGETS {
        if !targets.is_empty() && !targets.iter().any(|target| target == name) {
            continue;
        }
        match hammer(name, check, Duration::from_secs(seconds)) {
            Ok(count) => println!("{name} {count}"),
            Err(input) => {
                eprintln!("{name} fails with {input:02x?}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// How often the target was executed; the input that it failed with.
fn hammer(name: &str, check: fn(&[u8]), time: Duration) -> Result<u64, Vec<u8>> {
    let kept = kept(name);
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64);
    let mut random = Random::new(seed);
    let (begin, mut count) = (Instant::now(), 0);
    let mut input = Vec::new();
    while begin.elapsed() < time {
        for _ in 0..1000 {
            input.clear();
            input.extend_from_slice(&kept[random.below(kept.len())]);
            for _ in 0..1 + random.below(4) {
                change(&mut input, &kept, &mut random);
            }
            input.truncate(LONGEST);
            panic::catch_unwind(|| check(&input)).map_err(|_| input.clone())?;
            count += 1;
        }
    }
    Ok(count)
}

/// The seeds, and what the fuzzer has kept.
fn kept(name: &str) -> Vec<Vec<u8>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [here.join("seeds").join(name), here.join("corpus").join(name)];
    let files = folders.iter().flat_map(std::fs::read_dir).flatten().flatten();
    let contents = files.filter_map(|entry| std::fs::read(entry.path()).ok());
    let kept: Vec<_> =
        contents.map(|octets| octets[..octets.len().min(LONGEST)].to_vec()).collect();
    assert!(!kept.is_empty(), "there are no seeds of {name}");
    kept
}

fn change(input: &mut Vec<u8>, kept: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len());
    let octet = match random.below(2) {
        0 => random.next_u64() as u8,
        _ => TELLING[random.below(TELLING.len())],
    };
    match random.below(8) {
        0 => input.insert(at, octet),
        1 if !input.is_empty() => drop(input.remove(at)),
        2 => input.truncate(at),
        // The beginning of one and the end of another.
        3 => {
            let other = &kept[random.below(kept.len())];
            input.truncate(at);
            input.extend_from_slice(&other[random.below(other.len())..]);
        }
        4 => {
            let other = &kept[random.below(kept.len())];
            input.extend_from_slice(other);
        }
        5 if !input.is_empty() => input[at] ^= 1 << random.below(8),
        6 if !input.is_empty() => {
            let len = 1 + random.below((input.len() - at).min(8));
            input.extend_from_within(at..at + len);
        }
        _ if !input.is_empty() => input[at] = octet,
        _ => input.push(octet),
    }
}
