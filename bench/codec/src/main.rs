//! What the protocol costs without I/O, beside the synchronous core of tungstenite.
//!
//! ```text
//! codec                        nanoseconds and instructions a message, as a Markdown table
//! codec --check FILE           fails if a case takes more instructions than FILE allows; needs valgrind
//! codec --run CASE MESSAGES    only runs it: for profilers
//! ```
//!
//! Instructions are counted by callgrind, as the difference between a longer and a shorter run: they are the same on
//! a busy machine, so a regression shows.

mod cases;
mod instructions;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use cases::{CASES, Case};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        [] => table(),
        ["--check", file] => instructions::check(file),
        ["--run", name, messages] => run(name, messages),
        _ => Err("usage: codec [--check FILE | --run CASE MESSAGES]".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("codec: {error}");
            ExitCode::FAILURE
        }
    }
}

fn find(name: &str) -> Result<&'static Case> {
    let case = CASES.iter().find(|case| case.name == name);
    case.ok_or_else(|| format!("there is no case {name}").into())
}

fn run(name: &str, messages: &str) -> Result<()> {
    let messages: usize = messages.parse()?;
    let mut round = (find(name)?.prepare)();
    let mut done = 0;
    while done < messages {
        done += round();
    }
    Ok(())
}

fn table() -> Result<()> {
    println!("| case | ns | instructions |\n|---|--:|--:|");
    for case in CASES {
        let nanos = nanoseconds(case);
        let count = instructions::per_message(case.name);
        let count = count.map_or("–".to_owned(), |count| format!("{count:.0}"));
        println!("| {} | {nanos:.1} | {count} |", case.name);
    }
    Ok(())
}

/// The best of many rounds.
fn nanoseconds(case: &Case) -> f64 {
    let mut round = (case.prepare)();
    let mut best = f64::INFINITY;
    let end = Instant::now() + Duration::from_millis(300);
    while Instant::now() < end {
        let started = Instant::now();
        let messages = round();
        best = best.min(started.elapsed().as_nanos() as f64 / messages as f64);
    }
    best
}
