//! `soak [--minutes N | --seconds N] [--connections N]`: a server in a process of its own, and
//! clients of five kinds that check every message. See [`clients`] for what they do.
//!
//! It fails if a message is lost, repeated, changed or out of order at either end, if a connection
//! ends otherwise than it should, or if the memory of the server grows: what it has allocated, which
//! it counts, or its resident set. Both are looked at once every connection has done what makes it
//! hold something.

#![forbid(unsafe_code)]

mod clients;
mod memory;
mod server;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts what is allocated.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

struct Arguments {
    time: Duration,
    connections: usize,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    let result = match &arguments[..] {
        [one] if one == "server" => runtime.block_on(server::run()),
        options => parse(options).and_then(|arguments| runtime.block_on(soak(&arguments))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn parse(options: &[String]) -> Result<Arguments, String> {
    let mut arguments = Arguments { time: Duration::from_secs(15 * 60), connections: 10_000 };
    for option in options.chunks(2) {
        let [name, value] = option else { return Err(format!("{option:?} needs a value")) };
        let number: u64 = value.parse().map_err(|e| format!("{name} {value}: {e}"))?;
        match name.as_str() {
            "--minutes" => arguments.time = Duration::from_secs(60 * number),
            "--seconds" => arguments.time = Duration::from_secs(number),
            "--connections" => arguments.connections = number as usize,
            other => return Err(format!("there is no option {other}")),
        }
    }
    Ok(arguments)
}

/// The server's process; it ends with this value.
struct Server {
    child: Child,
    address: SocketAddr,
    /// The bytes that it has allocated; it says so every second.
    held: Arc<AtomicU64>,
}

impl Server {
    fn start() -> Result<Server, String> {
        let program = std::env::current_exe().map_err(|e| format!("this program: {e}"))?;
        let mut child = Command::new(program)
            .arg("server")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot start the server: {e}"))?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        let mut stdout = BufReader::new(stdout);
        stdout.read_line(&mut line).map_err(|e| format!("the server: {e}"))?;
        let address = line.trim().strip_prefix("listening on ").and_then(|text| text.parse().ok());
        let Some(address) = address else { return Err(format!("the server says {line:?}")) };
        let held = Arc::new(AtomicU64::new(0));
        let latest = held.clone();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                latest.store(line.parse().unwrap_or_default(), Ordering::Relaxed);
            }
        });
        Ok(Server { child, address, held })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn soak(arguments: &Arguments) -> Result<(), String> {
    let server = Server::start()?;
    let url = format!("ws://{}", server.address);
    let population = clients::Population::open(&url, arguments.connections).await?;
    println!("{} connections are open", arguments.connections);
    let population = population.warm().await?;
    println!("each has done once what it does");
    let watch = memory::Watch::start(server.child.id(), server.held.clone());
    let totals = population.live(arguments.time).await?;
    let memory = watch.stop();
    println!("{totals}\n{memory}");
    memory.check()
}
