//! One measurement: a running server, a load, and the clocks read before and after.

use std::time::{Duration, Instant};

use crate::Result;
use crate::cells::Workload;
use crate::frames::{Exchange, Payload, Peer};
use crate::load::{Broadcast, Compressed, Echo, Handshakes, Load, Script, Target};
use crate::machine::{CpuClock, proportional_set_size, run_queue_delay, stolen_ticks};
use crate::servers::Running;

/// A server counts as at rest when its CPU clock has stood still for this long.
const REST: Duration = Duration::from_millis(30);
/// How long a server may take to come to rest.
const SETTLE: Duration = Duration::from_secs(10);

/// Messages on the first compressed connection that are compared with what they must be.
const COMPARED: usize = 8;
/// Messages of 1 KiB that are more than the largest window.
const FILLS_THE_WINDOW: usize = 36;

/// What one server did in one round.
#[derive(Debug, Clone, Copy)]
pub enum Sample {
    /// Of a workload that keeps the server busy.
    Work(Work),
    /// Bytes of memory per idle connection.
    Idle(f64),
}

/// The clocks of one measuring window.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Units completed.
    pub units: u64,
    /// Wall time.
    pub elapsed: Duration,
    /// CPU time of the server's process, user and system.
    pub server: Duration,
    /// CPU time of the load generator's thread.
    pub load: Duration,
    /// The longer of the times for which server and load generator were kept from running by others.
    pub kept_waiting: Duration,
    /// Time taken away from the whole machine, in ticks of 10 ms.
    pub stolen_ticks: u64,
    /// Octets of all that came back, where they are not the same for every server.
    pub wire: Option<u64>,
}

impl Work {
    /// CPU time of the server per unit, in microseconds.
    pub fn cost(&self) -> f64 {
        self.server.as_secs_f64() * 1e6 / self.units.max(1) as f64
    }

    /// Octets that came back per unit, frame headers included.
    pub fn wire_per_unit(&self) -> Option<f64> {
        Some(self.wire? as f64 / self.units.max(1) as f64)
    }

    /// Units per second of wall time.
    pub fn rate(&self) -> f64 {
        self.units as f64 / self.elapsed.as_secs_f64()
    }

    /// The share of its core that the server used.
    pub fn server_share(&self) -> f64 {
        self.server.as_secs_f64() / self.elapsed.as_secs_f64()
    }

    /// The share of its core that the load generator used.
    pub fn load_share(&self) -> f64 {
        self.load.as_secs_f64() / self.elapsed.as_secs_f64()
    }

    /// The share of the window that others took from server or load generator.
    pub fn disturbance(&self) -> f64 {
        let stolen = self.stolen_ticks as f64 * 0.01;
        (self.kept_waiting.as_secs_f64() + stolen) / self.elapsed.as_secs_f64()
    }
}

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Run before the clocks are read.
    pub warm_up: Duration,
    /// Between the readings.
    pub window: Duration,
}

/// Puts `workload` on the server once; all connections are opened and closed within.
///
/// # Errors
/// The server failed the load, or does not come to rest.
pub fn measure(
    server: &Running,
    target: &Target,
    peer: Peer,
    workload: &Workload,
    timing: Timing,
) -> Result<Sample> {
    let sample = match *workload {
        Workload::Echo { payload, size, connections, in_flight } => {
            let exchange = Exchange::new(peer, payload, size);
            let mut load = Echo::open(target, &exchange, connections, in_flight)?;
            load.start()?;
            Sample::Work(work(server, &mut load, timing)?)
        }
        Workload::Compressed { size, connections } => {
            let mut load = Compressed::open(target, Script::new(size)?, connections, COMPARED)?;
            load.start()?;
            load.run(timing.warm_up)?;
            let before = load.wire();
            let mut sample = work(server, &mut load, Timing { warm_up: Duration::ZERO, ..timing })?;
            sample.wire = Some(load.wire() - before);
            Sample::Work(sample)
        }
        Workload::Broadcast { size, receivers, in_flight } => {
            let exchange = Exchange::new(peer, Payload::Binary, size);
            let mut load = Broadcast::open(target, &exchange, receivers, in_flight)?;
            settle(server)?;
            load.start()?;
            Sample::Work(work(server, &mut load, timing)?)
        }
        Workload::Handshakes { at_once } => {
            Sample::Work(work(server, &mut Handshakes::new(target.clone(), at_once), timing)?)
        }
        Workload::Idle { connections } => {
            let exchange = Exchange::new(peer, Payload::Binary, 32);
            idle(server, connections, |count| Echo::open(target, &exchange, count, 1))?
        }
        Workload::IdleCompressed { connections } => idle(server, connections, |count| {
            Compressed::open(target, Script::new(1024)?, count, FILLS_THE_WINDOW)
        })?,
        Workload::Connect | Workload::ClientEcho { .. } => {
            return Err("a client is not measured as a server".into());
        }
    };
    // The next measurement must not pay for what is left of this one.
    settle(server)?;
    Ok(sample)
}

fn work(server: &Running, load: &mut impl Load, timing: Timing) -> Result<Work> {
    if timing.warm_up > Duration::ZERO {
        load.run(timing.warm_up)?;
    }
    let own = CpuClock::of_this_thread();
    let process = CpuClock::of_process(server.pid())?;
    let kept_waiting = || -> Result<(Duration, Duration)> {
        Ok((run_queue_delay(server.pid())?, run_queue_delay(std::process::id())?))
    };

    let (stolen, waited, started) = (stolen_ticks()?, kept_waiting()?, Instant::now());
    let (own_before, before) = (own.read()?, process.read()?);
    let units = load.run(timing.window)?;
    let (after, own_after) = (process.read()?, own.read()?);
    let (elapsed, waited_after) = (started.elapsed(), kept_waiting()?);

    Ok(Work {
        units,
        elapsed,
        server: after - before,
        load: own_after - own_before,
        kept_waiting: (waited_after.0 - waited.0).max(waited_after.1 - waited.1),
        stolen_ticks: stolen_ticks()? - stolen,
        wire: None,
    })
}

/// The growth of the proportional set size from one connection to many.
fn idle<L>(
    server: &Running,
    connections: usize,
    open: impl Fn(usize) -> Result<L>,
) -> Result<Sample> {
    // One connection before the baseline: the code that serves it is then in memory and does not count.
    let _first = open(1)?;
    settle(server)?;
    let before = proportional_set_size(server.pid())?;
    let _idle = open(connections)?;
    settle(server)?;
    let after = proportional_set_size(server.pid())?;
    Ok(Sample::Idle((after as f64 - before as f64) / connections as f64))
}

/// Waits until the server does nothing any more.
fn settle(server: &Running) -> Result<()> {
    let clock = CpuClock::of_process(server.pid())?;
    let deadline = Instant::now() + SETTLE;
    let mut last = clock.read()?;
    loop {
        std::thread::sleep(REST);
        let now = clock.read()?;
        // A runtime's own timers may tick; a tenth of a percent of a core is rest.
        if now - last <= REST / 1000 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("still busy {} s after the load ended", SETTLE.as_secs()).into());
        }
        last = now;
    }
}
