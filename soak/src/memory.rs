//! Whether the server's memory stays what it is: its resident set, once a second.

use std::fmt;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How much larger than in the first quarter the resident set may be in the last.
const GROWTH: f64 = 0.05;

/// Small processes wobble by pages and by what the allocator keeps.
const WOBBLE_KIB: f64 = 4096.0;

pub(crate) struct Watch(JoinHandle<()>, std::sync::Arc<std::sync::Mutex<Vec<u64>>>);

impl Watch {
    pub(crate) fn start(process: u32) -> Self {
        let samples = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let kept = samples.clone();
        let task = tokio::spawn(async move {
            loop {
                if let (Some(kib), Ok(mut samples)) = (resident(process), kept.lock()) {
                    samples.push(kib);
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        Watch(task, samples)
    }

    pub(crate) fn stop(self) -> Memory {
        self.0.abort();
        let samples = self.1.lock().map(|samples| samples.clone()).unwrap_or_default();
        let quarter = samples.len().div_ceil(4);
        let mean = |part: &[u64]| part.iter().sum::<u64>() as f64 / part.len().max(1) as f64;
        Memory {
            first: mean(&samples[..quarter]),
            last: mean(&samples[samples.len() - quarter..]),
            most: samples.iter().copied().max().unwrap_or(0),
        }
    }
}

/// The resident set of the server, in KiB.
pub(crate) struct Memory {
    first: f64,
    last: f64,
    most: u64,
}

impl Memory {
    /// # Errors
    /// If it has grown.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.first == 0.0 || self.last <= self.first * (1.0 + GROWTH) + WOBBLE_KIB {
            return Ok(());
        }
        Err("the memory of the server grows".to_owned())
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |kib: f64| kib / 1024.0;
        write!(
            f,
            "the server's resident set: {:.1} MiB in the first quarter, {:.1} MiB in the last, at \
             most {:.1} MiB",
            mib(self.first),
            mib(self.last),
            mib(self.most as f64)
        )
    }
}

/// In KiB; `None` where the system does not tell.
fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
