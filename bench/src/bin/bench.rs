//! Builds the servers, measures them in interleaved rounds and prints a Markdown report.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hybi_bench::Result;
use hybi_bench::cells::{CELLS, Cell};
use hybi_bench::certificate::Certificate;
use hybi_bench::cli::Arguments;
use hybi_bench::guard::Guard;
use hybi_bench::load::Target;
use hybi_bench::measure::{Sample, Timing, measure};
use hybi_bench::report::{self, Series};
use hybi_bench::results::{Cores, Results};
use hybi_bench::servers::{Mode, Running, SERVERS, Server, target_directory};
use hybi_bench::{client, document, machine};

const USAGE: &str = "\
cargo run --release --bin bench -- [OPTIONS]

  --quick              few cells, few servers, few rounds: under 3 minutes
  --cells A,B          only these cells            (default: all, or the quick ones)
  --servers A,B        only these servers          (default: all, or the quick ones)
  --base NAME          ratios are to this server   (default: the cell's own)
  --rounds N           rounds per cell             (default: 7, quick: 5)
  --seconds S          measuring window            (default: 0.5)
  --server-core N      core of the servers         (default: 1)
  --load-core N        core of the load generator  (default: 0); may be the same: then they take turns, and the
                       rate is that of the CPU time of both, whatever waking up another core takes
  --check FILE         fail if a ratio is over its bound in FILE, measured twice
  --save               keep the samples in results/ (in results/one-core/ if the cores are the same), in place of
                       earlier ones
  --report             write docs/PERFORMANCE.md from what results/ holds, after measuring the cells that are
                       named, if any are
  --no-build           run what is already built
  --list               print the cells and servers";

struct Options {
    cells: Vec<&'static Cell>,
    servers: Vec<&'static Server>,
    certificate: Certificate,
    /// A server named on the command line must build; of the default ones, what cannot be built is left out.
    servers_are_named: bool,
    base: Option<String>,
    rounds: usize,
    timing: Timing,
    server_core: usize,
    load_core: usize,
    guard: Option<Guard>,
    save: bool,
    build: bool,
}

impl Options {
    fn cores(&self) -> Cores {
        if self.server_core == self.load_core { Cores::One } else { Cores::Two }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
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
    if arguments.flag("--list") {
        CELLS.iter().for_each(|cell| println!("cell    {}", cell.name));
        SERVERS.iter().for_each(|server| println!("server  {}", server.name));
        return Ok(());
    }
    let (report, builds) = (arguments.flag("--report"), !arguments.flag("--no-build"));
    if report && arguments.is_empty() {
        return document::write();
    }
    let options = parse(arguments, builds)?;
    let servers = if options.build { build(&options)? } else { built(&options)? };
    let started = Instant::now();
    let most = options.cells.iter().map(|cell| cell.workload.connections()).max().unwrap_or(0);
    machine::raise_open_file_limit(most as u64 + 200)?;
    // Counted before this thread is bound to one core.
    let machine = machine::description();
    machine::pin_this_thread(&[options.load_core])?;

    let circumstances = format!(
        "{}, on {}; server on core {}, load on core {}; windows of {:.1} s",
        machine::date(),
        machine,
        options.server_core,
        options.load_core,
        options.timing.window.as_secs_f64()
    );
    println!("Measured {circumstances}; median (min–max).\n");
    let mut over = Vec::new();
    for cell in &options.cells {
        let base = options.base.as_deref().unwrap_or(cell.base);
        let series = measure_and_print(cell, &servers, &options);
        if let Some(guard) = &options.guard {
            // What others do on the machine can hit one server more than another, but hardly twice.
            if !guard.over(cell.name, &series, base).is_empty() {
                let again = measure_and_print(cell, &servers, &options);
                over.extend(guard.over(cell.name, &again, base));
            }
        }
        if options.save {
            Results { circumstances: circumstances.clone(), series }.save(cell, options.cores())?;
        }
    }
    if report {
        document::write()?;
    }
    println!("Took {:.0} s without building.", started.elapsed().as_secs_f64());
    if over.is_empty() { Ok(()) } else { Err(over.join("\n").into()) }
}

fn parse(mut arguments: Arguments, builds: bool) -> Result<Options> {
    let quick = arguments.flag("--quick");
    let cell_names: Vec<&str> = CELLS.iter().map(|cell| cell.name).collect();
    let server_names: Vec<&str> = SERVERS.iter().map(|server| server.name).collect();
    let cells = arguments.names("--cells", &cell_names)?;
    let servers = arguments.names("--servers", &server_names)?;
    let seconds = arguments.option("--seconds")?.unwrap_or(0.5);
    let guard = arguments.option::<String>("--check")?.map(|file| read_guard(&file)).transpose()?;
    let options = Options {
        cells: CELLS
            .iter()
            .filter(|cell| match &cells {
                Some(names) => names.iter().any(|name| name == cell.name),
                None => !quick || cell.quick,
            })
            .collect(),
        certificate: Certificate::create(&target_directory())?,
        servers_are_named: servers.is_some(),
        servers: SERVERS
            .iter()
            .filter(|server| match &servers {
                Some(names) => names.iter().any(|name| name == server.name),
                None => !quick || server.quick,
            })
            .collect(),
        base: arguments.option("--base")?,
        rounds: arguments.option("--rounds")?.unwrap_or(if quick { 5 } else { 7 }),
        timing: Timing {
            warm_up: Duration::try_from_secs_f64(seconds / 4.0)?,
            window: Duration::try_from_secs_f64(seconds)?,
        },
        server_core: arguments.option("--server-core")?.unwrap_or(1),
        load_core: arguments.option("--load-core")?.unwrap_or(0),
        guard,
        save: arguments.flag("--save"),
        build: builds,
    };
    arguments.finish().map_err(|error| format!("{error}\n\n{USAGE}"))?;
    for name in options.guard.iter().flat_map(Guard::cells) {
        if options.cells.iter().all(|cell| cell.name != name) {
            return Err(format!("--check has a bound for {name}, which is not measured").into());
        }
    }
    Ok(options)
}

fn read_guard(file: &str) -> Result<Guard> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    Ok(Guard::parse(&text).map_err(|error| format!("{file}: {error}"))?)
}

/// Builds the chosen servers and returns those that could be built.
fn build(options: &Options) -> Result<Vec<&'static Server>> {
    let mut built = Vec::new();
    for &server in &options.servers {
        if !options.cells.iter().any(|cell| needs(cell, server)) {
            continue;
        }
        eprintln!("building {}", server.name);
        match server.build().and_then(|()| server.check()) {
            Ok(()) => built.push(server),
            Err(error) if options.servers_are_named => return Err(error),
            Err(error) => eprintln!("LEFT OUT: {error}"),
        }
    }
    Ok(built)
}

/// The chosen servers, which somebody has built before.
fn built(options: &Options) -> Result<Vec<&'static Server>> {
    for &server in &options.servers {
        if options.cells.iter().any(|cell| needs(cell, server)) {
            server.check()?;
        }
    }
    Ok(options.servers.clone())
}

fn needs(cell: &Cell, server: &Server) -> bool {
    server.can(cell.mode) || (cell.workload.is_client() && server.name == "hybi")
}

fn measure_and_print(cell: &Cell, servers: &[&'static Server], options: &Options) -> Vec<Series> {
    let series = measure_cell(cell, servers, options);
    println!("{}", report::table(cell, &series, options.base.as_deref().unwrap_or(cell.base)));
    series
}

/// Measures all servers round by round, so that a slow minute of the machine slows all of them.
fn measure_cell(cell: &Cell, servers: &[&'static Server], options: &Options) -> Vec<Series> {
    // Memory hardly varies and takes seconds to fill.
    let is_memory = cell.workload.is_memory();
    let rounds = if is_memory { options.rounds.min(2) } else { options.rounds };
    let mut running: Vec<(Series, &Server, Option<Running>)> = servers
        .iter()
        .filter(|server| server.can(cell.mode))
        .map(|&server| (Series { server: server.name, samples: Vec::new() }, server, None))
        .collect();
    for round in 0..rounds {
        for (series, server, process) in &mut running {
            progress(&format!("{} round {}/{rounds} {}", cell.name, round + 1, server.name));
            // What an earlier round allocated and freed must not serve as this round's memory.
            if is_memory {
                *process = None;
            }
            let sample = sample(cell, server, process, options);
            if let Err(error) = &sample {
                progress("");
                eprintln!("{} {}: {error}", cell.name, server.name);
                *process = None;
            }
            series.samples.push(sample.ok());
        }
    }
    progress("");
    running.into_iter().map(|(series, ..)| series).collect()
}

/// Shows where the run is on one line of a terminal; an empty line removes it.
fn progress(line: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        // A bench whose progress cannot be shown still measures.
        let _ = write!(stderr, "\r\x1b[K{line}").and_then(|()| stderr.flush());
    }
}

fn sample(
    cell: &Cell,
    server: &Server,
    process: &mut Option<Running>,
    options: &Options,
) -> Result<Sample> {
    let mut sample = measured(cell, server, process, options)?;
    if let (Sample::Work(work), true) = (&mut sample, options.cores() == Cores::One) {
        // Each waits for its core while the other one has it; what others take cannot be told from that.
        work.kept_waiting = Duration::ZERO;
    }
    Ok(sample)
}

fn measured(
    cell: &Cell,
    server: &Server,
    process: &mut Option<Running>,
    options: &Options,
) -> Result<Sample> {
    let Options { certificate, server_core, load_core, .. } = options;
    let mut timing = options.timing;
    if cell.workload.is_client() {
        // Every client is served by the same server, on the other core.
        let mode = if cell.mode == Mode::ClientTls { Mode::Tls } else { Mode::Echo };
        let hybi = SERVERS.iter().find(|server| server.name == "hybi").ok_or("no server")?;
        let peer = hybi.start(*load_core, mode, certificate)?;
        let work = client::run(
            server,
            *server_core,
            &peer,
            cell.mode,
            &cell.workload,
            timing,
            certificate,
        )?;
        return Ok(Sample::Work(work));
    }
    let process = match process {
        Some(process) => process,
        None => {
            // A new process also has its memory to fill and, in JavaScript, its code to compile.
            timing.warm_up = timing.warm_up.max(timing.window);
            process.insert(server.start(*server_core, cell.mode, certificate)?)
        }
    };
    let tls = matches!(cell.mode, Mode::Tls | Mode::NodeTls);
    let tls = if tls { Some(certificate.client()?) } else { None };
    let target = Target { address: process.address(), tls };
    measure(process, &target, server.peer, &cell.workload, timing)
}
