//! The project's own commands: one file per command, std and a JSON reader, nothing else.

#![forbid(unsafe_code)]

mod bench;
mod conformance;
mod errors;
mod features;
mod fuzz;
mod interop;
mod linear;
mod netem;
mod npm_package;
mod rfc;
mod rules;
mod shell;
mod sound;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask test [--full]            unit, integration and doc tests, a quick conformance run;
                                     --full is what CI runs
cargo xtask conformance [OPTIONS]    the Autobahn|Testsuite against our server and our client
    --full               every section, whole connections and split halves
    --sections 1,2,12    these sections only
    --role server|client one role only
    --subject npm|npm-js the npm package, with its native half or in JavaScript alone
    --split              split halves instead of whole connections
    --update             write the results to conformance/expected/ instead of comparing
    --program PATH       test another program that takes the arguments of ours
cargo xtask interop [PAIR]...         our server and our client with others: ws-client, ws-server,
                                     websockets-client, websockets-server, curl, chromium
cargo xtask bench [OPTIONS]          hybi beside its peers and the kernel's floor (--help tells the options);
                                     without options everything, kept and written to
                                     docs/PERFORMANCE.md; --quick takes less than 3 minutes
cargo xtask errors [--check]         write docs/ERRORS.md from the table of codes, or compare it
cargo xtask fuzz [--seconds N] [--hammer] [TARGET]...
                                     the fuzz targets, 60 s each (nightly); --hammer: without the fuzzer,
                                     as many executions as can be
cargo xtask soak [--minutes N | --seconds N] [--connections N]
                                     15 minutes with 10000 connections: nothing lost, nothing grows
cargo xtask netem [--seconds N]      a soak over a network that loses and reorders packets (root)
cargo xtask rfc [--check]            write docs/COMPLIANCE.md: each requirement of the RFCs, what keeps it
                                     and the test that shows it; or compare it
cargo xtask loom                     every order of the steps of the write turn
cargo xtask memcheck                 the tests of hybi-bytes, hybi-proto and the addon under valgrind
cargo xtask asan                     the tests of the libraries with AddressSanitizer (nightly)
cargo xtask miri                     the tests of hybi-bytes under miri (nightly with miri, rust-src)
cargo xtask linear                   parsing takes time in proportion to the input, by counted
                                     instructions (valgrind)
cargo xtask rules                    every threat has its test, `unsafe` is in its rooms, licences and
                                     sources of the dependencies are allowed
cargo xtask deny                     the same of the dependencies, by cargo-deny and for all platforms

With CI=true, what has to be skipped is a failure.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, options) = match arguments.split_first() {
        Some((command, options)) => (command.as_str(), options),
        None => ("help", &[][..]),
    };
    let result = match command {
        "test" => test::command(options),
        "bench" => bench::command(options),
        "conformance" => conformance::command(options),
        "interop" => interop::command(options),
        "errors" => errors::command(options),
        "rfc" => rfc::command(options),
        "linear" => linear::command(options),
        "loom" => sound::loom(options),
        "memcheck" => sound::memcheck(options),
        "asan" => sound::asan(options),
        "miri" => sound::miri(options),
        "netem" => netem::command(options),
        "fuzz" => fuzz::command(options),
        "soak" => sound::soak(options),
        "rules" => rules::command(options),
        "deny" => rules::deny(options),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        other => Err(format!("there is no command `{other}`\n\n{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}
