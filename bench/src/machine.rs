//! What the kernel knows about processes and cores: pinning, CPU clocks, memory, and signs of a disturbed machine.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::Result;

/// Binds the calling thread, and whatever it starts afterwards, to these cores.
///
/// # Errors
/// A core does not exist or is not allowed to this process.
pub fn pin_this_thread(cores: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    cores.iter().try_for_each(|&core| set.set(core))?;
    sched_setaffinity(Pid::from_raw(0), &set)
        .map_err(|error| format!("cannot pin to cores {cores:?}: {error}"))?;
    Ok(())
}

/// Raises the number of file descriptors this process and its children may open to `wanted`.
///
/// # Errors
/// The hard limit is lower and may not be raised.
pub fn raise_open_file_limit(wanted: u64) -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= wanted {
        return Ok(());
    }
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).map_err(|error| {
        format!("cannot raise the open-file limit from {soft} (hard: {hard}) to {wanted}: {error}")
    })?;
    Ok(())
}

/// A clock that advances only while its process or thread runs, in nanoseconds.
///
/// `/proc/PID/stat` counts in ticks of 10 ms; this clock is the scheduler's own sum.
#[derive(Debug, Clone, Copy)]
pub struct CpuClock(ClockId);

impl CpuClock {
    /// User and system time of all threads of the process `pid`.
    ///
    /// # Errors
    /// No such process.
    pub fn of_process(pid: u32) -> Result<Self> {
        let pid = Pid::from_raw(i32::try_from(pid)?);
        Ok(Self(clock_getcpuclockid(pid).map_err(|error| format!("process {pid}: {error}"))?))
    }

    /// User and system time of the calling thread.
    pub fn of_this_thread() -> Self {
        Self(ClockId::CLOCK_THREAD_CPUTIME_ID)
    }

    /// The time spent so far.
    ///
    /// # Errors
    /// The process has ended.
    pub fn read(self) -> Result<Duration> {
        let time =
            clock_gettime(self.0).map_err(|error| format!("reading a CPU clock: {error}"))?;
        Ok(Duration::from(time))
    }
}

/// How long the main thread of `pid` has been ready to run while its core was taken by others.
///
/// # Errors
/// No such process, or a kernel without scheduler statistics.
pub fn run_queue_delay(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/schedstat");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let delay = text.split_whitespace().nth(1).ok_or("schedstat has no second field")?;
    Ok(Duration::from_nanos(delay.parse()?))
}

/// The proportional set size of the process `pid`, in bytes.
///
/// # Errors
/// No such process, or one of another user.
pub fn proportional_set_size(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = text.lines().find(|line| line.starts_with("Pss:")).ok_or("no Pss line")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("no figure in the Pss line")?.parse()?;
    Ok(kib * 1024)
}

/// Time that a hypervisor took away from all cores since boot, in ticks of 10 ms.
///
/// # Errors
/// `/proc/stat` is not as proc(5) says.
pub fn stolen_ticks() -> Result<u64> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().ok_or("/proc/stat is empty")?;
    Ok(line.split_whitespace().nth(8).ok_or("no steal column")?.parse()?)
}

/// Today, in UTC, as `2026-11-24`.
pub fn date() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Howard Hinnant's civil_from_days.
    let days = since.as_secs() / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

/// One line that says on what the figures were taken.
pub fn description() -> String {
    let model = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| "unknown CPU".to_owned());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_clock_of_a_process_counts_all_of_its_threads() {
        let process = CpuClock::of_process(std::process::id()).unwrap();
        let before = process.read().unwrap();
        let spent = std::thread::spawn(|| {
            let thread = CpuClock::of_this_thread();
            while thread.read().unwrap() < Duration::from_millis(20) {}
            thread.read().unwrap()
        })
        .join()
        .unwrap();
        assert!(process.read().unwrap() - before >= spent);
    }

    #[test]
    fn touched_memory_shows_in_the_proportional_set_size() {
        let before = proportional_set_size(std::process::id()).unwrap();
        let block = std::hint::black_box(vec![1u8; 16 << 20]);
        let after = proportional_set_size(std::process::id()).unwrap();
        assert!(after - before >= 15 << 20, "grew by {}", after - before);
        drop(block);
    }
}
