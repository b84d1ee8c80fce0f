//! Loads one server that is already running, for work with a profiler.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hybi_bench::Result;
use hybi_bench::cli::Arguments;
use hybi_bench::frames::{Exchange, Payload, Peer};
use hybi_bench::load::{Broadcast, Compressed, Echo, Handshakes, Load, Script};
use hybi_bench::machine::{self, CpuClock};

const USAGE: &str = "\
cargo run --release --bin load -- [OPTIONS]

  --address A          the server                    (default: 127.0.0.1:8080)
  --connections N      open connections              (default: 64)
  --size BYTES         payload per message           (default: 32)
  --in-flight N        messages per connection       (default: 1)
  --seconds S          stop after this time          (default: 5)
  --text               text instead of binary
  --deflate            JSON, compressed (one in flight)
  --handshakes         opening handshakes only, 16 at once
  --broadcast          the first connection sends, all receive (a server with --broadcast)
  --raw                the server echoes bytes: send unmasked frames
  --pid N              also print this process's CPU time per message
  --core N             run on this core              (default: 0)";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = Arguments::of_process();
    if arguments.flag("--help") {
        println!("{USAGE}");
        return Ok(());
    }
    let address: SocketAddr =
        arguments.option("--address")?.unwrap_or_else(|| ([127, 0, 0, 1], 8080).into());
    let connections = arguments.option("--connections")?.unwrap_or(64);
    let size = arguments.option("--size")?.unwrap_or(32);
    let in_flight = arguments.option("--in-flight")?.unwrap_or(1);
    let seconds = arguments.option("--seconds")?.unwrap_or(5.0);
    let payload = if arguments.flag("--text") { Payload::Text } else { Payload::Binary };
    let peer = if arguments.flag("--raw") { Peer::Raw } else { Peer::WebSocket };
    let deflate = arguments.flag("--deflate");
    let handshakes = arguments.flag("--handshakes");
    let broadcast = arguments.flag("--broadcast");
    let pid: Option<u32> = arguments.option("--pid")?;
    let core = arguments.option("--core")?.unwrap_or(0);
    arguments.finish().map_err(|error| format!("{error}\n\n{USAGE}"))?;

    machine::raise_open_file_limit(connections as u64 + 200)?;
    machine::pin_this_thread(&[core])?;
    let target = address.into();
    let mut load: Box<dyn Load> = if deflate {
        let mut load = Compressed::open(&target, Script::new(size.max(1024))?, connections, 8)?;
        load.start()?;
        Box::new(load)
    } else if handshakes {
        Box::new(Handshakes::new(target, 16))
    } else if broadcast {
        let exchange = Exchange::new(peer, payload, size);
        let mut load = Broadcast::open(&target, &exchange, connections, in_flight)?;
        load.start()?;
        Box::new(load)
    } else {
        let exchange = Exchange::new(peer, payload, size);
        let mut load = Echo::open(&target, &exchange, connections, in_flight)?;
        load.start()?;
        Box::new(load)
    };

    let server = pid.map(CpuClock::of_process).transpose()?;
    let own = CpuClock::of_this_thread();
    let (started, own_before) = (Instant::now(), own.read()?);
    let before = server.map(CpuClock::read).transpose()?;
    let messages = load.run(Duration::try_from_secs_f64(seconds)?)?;
    let after = server.map(CpuClock::read).transpose()?;
    let (elapsed, own_spent) = (started.elapsed().as_secs_f64(), own.read()? - own_before);

    println!("units             {messages}");
    println!("units per second  {:.0}", messages as f64 / elapsed);
    println!("load core         {:.0} %", own_spent.as_secs_f64() / elapsed * 100.0);
    if let (Some(before), Some(after)) = (before, after) {
        let spent = (after - before).as_secs_f64();
        println!("server core       {:.0} %", spent / elapsed * 100.0);
        println!("CPU µs/unit       {:.3}", spent * 1e6 / messages.max(1) as f64);
    }
    Ok(())
}
