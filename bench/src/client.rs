//! What the client programs have in common: they measure themselves, because nobody else sees what they do.
//!
//! `client-X connect|echo HOST:PORT SIZE IN_FLIGHT WARM_UP WINDOW PEER_PID [CERTIFICATE]` prints one line of numbers,
//! which [`run`] reads: units, then nanoseconds of wall time, own CPU time, CPU time of the server, and of waiting for
//! the core.

use std::fmt::Display;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::Result;
use crate::cells::Workload;
use crate::certificate::Certificate;
use crate::machine::{CpuClock, run_queue_delay, stolen_ticks};
use crate::measure::{Timing, Work};
use crate::servers::{Mode, Running, Server, spawn_on};

/// What a client program is told on its command line.
#[derive(Debug)]
pub struct Task {
    /// Connect again and again, instead of echoing on one connection.
    pub connects: bool,
    /// Where the server listens.
    pub address: String,
    /// Payload bytes per message.
    pub size: usize,
    /// Messages in flight.
    pub in_flight: usize,
    /// The certificate to be trusted, if TLS is to be spoken.
    pub certificate: Option<PathBuf>,
    warm_up: Duration,
    window: Duration,
    peer: u32,
}

impl Task {
    /// Reads the command line.
    ///
    /// # Errors
    /// It is not as the module says.
    pub fn of_process() -> Result<Self> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let [what, address, size, in_flight, warm_up, window, peer, rest @ ..] = &arguments[..]
        else {
            return Err("usage: see bench/src/client.rs".into());
        };
        Ok(Self {
            connects: what == "connect",
            address: address.clone(),
            size: size.parse()?,
            in_flight: in_flight.parse()?,
            certificate: rest.first().map(PathBuf::from),
            warm_up: Duration::from_millis(warm_up.parse()?),
            window: Duration::from_millis(window.parse()?),
            peer: peer.parse()?,
        })
    }

    /// Does `step`, which says how many units it has completed, for as long as was asked, and prints the figures.
    ///
    /// # Errors
    /// The first error of `step`.
    pub async fn measure<E: Display>(
        &self,
        mut step: impl AsyncFnMut() -> std::result::Result<u64, E>,
    ) -> Result<()> {
        let own = CpuClock::of_process(std::process::id())?;
        let peer = CpuClock::of_process(self.peer)?;
        let mut line = String::new();
        for duration in [self.warm_up, self.window] {
            let waited = run_queue_delay(std::process::id())?;
            let (started, before) = (Instant::now(), (own.read()?, peer.read()?));
            let mut units = 0;
            while started.elapsed() < duration {
                units += step().await.map_err(|error| error.to_string())?;
            }
            let elapsed = started.elapsed();
            let (own_after, peer_after) = (own.read()?, peer.read()?);
            line = format!(
                "{units} {} {} {} {}",
                elapsed.as_nanos(),
                (own_after - before.0).as_nanos(),
                (peer_after - before.1).as_nanos(),
                (run_queue_delay(std::process::id())? - waited).as_nanos()
            );
        }
        println!("{line}");
        Ok(())
    }
}

/// Runs a client once against `peer`.
///
/// # Errors
/// It ended with an error, or printed something else than figures.
pub fn run(
    client: &Server,
    core: usize,
    peer: &Running,
    mode: Mode,
    workload: &Workload,
    timing: Timing,
    certificate: &Certificate,
) -> Result<Work> {
    let (what, size, in_flight) = match *workload {
        Workload::Connect => ("connect", 0, 1),
        Workload::ClientEcho { size, in_flight } => ("echo", size, in_flight),
        _ => return Err("not a client's workload".into()),
    };
    let mut command = client.command();
    command.args([what, &format!("127.0.0.1:{}", peer.address().port())]);
    command.args([size, in_flight].map(|number| number.to_string()));
    command.args([timing.warm_up, timing.window].map(|time| time.as_millis().to_string()));
    command.arg(peer.pid().to_string());
    if mode == Mode::ClientTls {
        command.arg(&certificate.certificate);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let stolen = stolen_ticks()?;
    let output = spawn_on(&[core], command)?.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("{}: {}", client.name, output.status).into());
    }
    let line = String::from_utf8(output.stdout)?;
    let numbers: Vec<u64> =
        line.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?;
    let [units, elapsed, own, peer, waited] = numbers[..] else {
        return Err(format!("{}: not the figures: {line}", client.name).into());
    };
    Ok(Work {
        units,
        elapsed: Duration::from_nanos(elapsed),
        server: Duration::from_nanos(own),
        load: Duration::from_nanos(peer),
        kept_waiting: Duration::from_nanos(waited),
        stolen_ticks: stolen_ticks()? - stolen,
        wire: None,
    })
}
