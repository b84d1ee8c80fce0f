//! Whether the server's memory stays what it is: what it has allocated and its resident set, once a
//! second.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How much larger than in the first quarter the resident set may be in the last: there is what the
/// system's allocator keeps in between.
const RESIDENT_GROWTH: f64 = 0.05;

/// The same for what is allocated: messages come and go.
const HELD_GROWTH: f64 = 0.02;

/// Small processes wobble by pages, and by the messages that are on their way.
const WOBBLE_KIB: f64 = 4096.0;

#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    resident_kib: f64,
    held_kib: f64,
}

/// Looks at the server until it is stopped.
pub(crate) struct Watch {
    task: JoinHandle<()>,
    samples: Arc<Mutex<Vec<Sample>>>,
}

impl Watch {
    /// `held` is what the server says of itself, in bytes.
    pub(crate) fn start(process: u32, held: Arc<AtomicU64>) -> Self {
        let samples = Arc::new(Mutex::new(Vec::new()));
        let kept = samples.clone();
        let task = tokio::spawn(async move {
            loop {
                let held_kib = held.load(Ordering::Relaxed) as f64 / 1024.0;
                if let (Some(resident_kib), Ok(mut kept)) = (resident_kib(process), kept.lock()) {
                    kept.push(Sample { resident_kib, held_kib });
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        Watch { task, samples }
    }

    pub(crate) fn stop(self) -> Memory {
        self.task.abort();
        let samples = self.samples.lock().map(|samples| samples.clone()).unwrap_or_default();
        let quarter = samples.len().div_ceil(4);
        let (first, last) = (&samples[..quarter], &samples[samples.len() - quarter..]);
        let most = samples.iter().fold(Sample::default(), |most, sample| Sample {
            resident_kib: most.resident_kib.max(sample.resident_kib),
            held_kib: most.held_kib.max(sample.held_kib),
        });
        Memory { first: mean(first), last: mean(last), most }
    }
}

fn mean(samples: &[Sample]) -> Sample {
    let mean =
        |of: fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / samples.len().max(1) as f64;
    Sample { resident_kib: mean(|one| one.resident_kib), held_kib: mean(|one| one.held_kib) }
}

/// What the server held in the first and in the last quarter, and at most.
pub(crate) struct Memory {
    first: Sample,
    last: Sample,
    most: Sample,
}

impl Memory {
    /// # Errors
    /// If it has grown.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Memory { first, last, .. } = self;
        if last.held_kib > first.held_kib * (1.0 + HELD_GROWTH) + WOBBLE_KIB {
            return Err("what the server has allocated grows".to_owned());
        }
        if last.resident_kib > first.resident_kib * (1.0 + RESIDENT_GROWTH) + WOBBLE_KIB {
            return Err("the resident set of the server grows".to_owned());
        }
        Ok(())
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Memory { first, last, most } = self;
        for (name, of) in [
            ("allocated by the server", (|one| one.held_kib) as fn(&Sample) -> f64),
            ("its resident set", |one| one.resident_kib),
        ] {
            let mib = |sample| of(sample) / 1024.0;
            writeln!(
                f,
                "{name}: {:.1} MiB in the first quarter, {:.1} MiB in the last, at most {:.1} MiB",
                mib(first),
                mib(last),
                mib(most)
            )?;
        }
        Ok(())
    }
}

/// The resident set in KiB; `None` where the system does not tell.
fn resident_kib(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
