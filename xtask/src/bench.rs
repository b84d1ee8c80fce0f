//! `cargo xtask bench`: hybi beside its peers and the kernel's floor; and the guard that CI keeps on the codec.
//!
//! `bench/` is a workspace of its own, so that the peers' dependencies stay out of the project's lock file.

use crate::shell::{self, Verdict};
use std::process::Command;

/// Runs the bench with the options given, or everything, kept and written into the report.
pub(crate) fn command(options: &[String]) -> Result<(), String> {
    let everything = ["--save".to_owned(), "--report".to_owned()];
    let options = if options.is_empty() {
        let mut codec = Command::new("cargo");
        codec.args(["run", "--release", "--quiet", "-p", "codec"]);
        let table = shell::output(codec.current_dir(shell::root().join("bench")))?;
        let file = shell::root().join("bench/results/codec.md");
        std::fs::write(&file, table + "\n").map_err(|e| format!("{}: {e}", file.display()))?;
        &everything
    } else {
        options
    };
    let mut arguments = vec!["run", "--release", "--quiet", "--bin", "bench", "--"];
    arguments.extend(options.iter().map(String::as_str));
    cargo(&arguments)
}

/// The codec may not take more instructions a message than was committed.
pub(crate) fn step() -> Result<Verdict, String> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Ok(Verdict::Skipped(
            "valgrind is not installed (Debian: apt-get install valgrind)".to_owned(),
        ));
    }
    cargo(&["run", "--release", "--quiet", "-p", "codec", "--", "--check", "codec/bounds.tsv"])?;
    Ok(Verdict::Passed)
}

/// The quick bench: no ratio may be over the wide bounds that were committed.
pub(crate) fn guard_step() -> Result<Verdict, String> {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return Ok(Verdict::Skipped("server and load generator need a core each".to_owned()));
    }
    let arguments = ["run", "--release", "--quiet", "--bin", "bench", "--"];
    cargo(&[&arguments[..], &["--quick", "--check", "guard.tsv"]].concat())?;
    Ok(Verdict::Passed)
}

fn cargo(arguments: &[&str]) -> Result<(), String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    println!("$ cd bench && cargo {}", arguments.join(" "));
    let status = Command::new(program)
        .args(arguments)
        .current_dir(shell::root().join("bench"))
        .status()
        .map_err(|e| format!("cannot start cargo: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo {}: {status}", arguments.join(" "))) }
}
