//! Whether the code is sound, by four tools and by time: loom (every order of the write turn's steps), valgrind
//! memcheck, AddressSanitizer with LeakSanitizer, miri; and the soak. What they found last is in
//! docs/RELIABILITY.md.

use crate::npm_package;
use crate::shell::{self, Verdict};
use serde_json::Value;
use std::process::Command;

/// What touches memory by hand, and what hands it octets.
const CORE: [&str; 4] = ["--package", "hybi-bytes", "--package", "hybi-proto"];

/// `cargo xtask loom`: the models of crates/hybi/src/pump/models.rs.
pub(crate) fn loom(options: &[String]) -> Result<(), String> {
    no_options("loom", options)?;
    loom_step().map(drop)
}

pub(crate) fn loom_step() -> Result<Verdict, String> {
    let mut cargo = cargo();
    cargo
        .args(["test", "--package", "hybi", "--lib", "models"])
        .env("RUSTFLAGS", "--cfg hybi_loom")
        .env("CARGO_TARGET_DIR", shell::target().join("loom"));
    run(&mut cargo).map(|()| Verdict::Passed)
}

/// `cargo xtask memcheck`: the tests of hybi-bytes, hybi-proto and the addon under valgrind. Some minutes.
pub(crate) fn memcheck(options: &[String]) -> Result<(), String> {
    // Millions of steps for the sake of a count: nothing that memcheck would see only there.
    const SKIPPED: [&str; 6] = [
        "a_head_that_comes_octet_by_octet_is_read_in_linear_time",
        "an_endless_head_stops_at_the_limit",
        "pairs_of_sequences_are_judged_as_by_std",
        "each_sequence_and_each_beginning_of_it",
        "a_million_empty_fragments_hold_bounded_memory",
        "octet_by_octet_stops_at_max_buffered_chunks_with_1008",
    ];

    no_options("memcheck", options)?;
    let mut cargo = cargo();
    cargo
        .args(["test", "--no-run", "--message-format", "json", "--tests"])
        .args(CORE)
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .env("CARGO_TARGET_DIR", shell::target().join("memcheck"));
    let built = shell::output(&mut cargo)?;
    let mut failed = Vec::new();
    for test in built.lines().filter_map(test_binary) {
        println!("$ valgrind {test}");
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--quiet", "--error-exitcode=99", "--leak-check=full"])
            .args(["--errors-for-leak-kinds=definite", "--show-leak-kinds=definite"])
            .args([test.as_str(), "--quiet", "--test-threads", "1"])
            .env("PROPTEST_CASES", "8")
            // valgrind knows no AVX-512; what is chosen at run time is tested natively.
            .current_dir(shell::root());
        for name in SKIPPED {
            valgrind.args(["--skip", name]);
        }
        if let Err(problem) = run(&mut valgrind) {
            failed.push(problem);
        }
    }
    // The addon, within Node.js; what compiles at run time is not for valgrind.
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--quiet", "--error-exitcode=99", "--leak-check=no"])
        .arg(npm_package::build()?)
        .args(["--jitless", "--no-opt", "test/native/addon.test.js"])
        .current_dir(shell::root().join("node"));
    failed.extend(run(&mut valgrind).err());
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// The program of one line of `cargo test --no-run --message-format json`.
fn test_binary(line: &str) -> Option<String> {
    let message: Value = serde_json::from_str(line).ok()?;
    Some(message.get("executable")?.as_str()?.to_owned())
}

/// `cargo xtask asan`: all tests of the libraries with AddressSanitizer and LeakSanitizer, on nightly.
pub(crate) fn asan(options: &[String]) -> Result<(), String> {
    no_options("asan", options)?;
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(shell::root())
        .args(["+nightly", "test", "--no-fail-fast", "--tests", "--target", &host()?])
        .args(CORE)
        .args(["--package", "hybi"])
        .env("RUSTFLAGS", "-Zsanitizer=address")
        .env("ASAN_OPTIONS", "detect_leaks=1")
        .env("CARGO_TARGET_DIR", shell::target().join("asan"));
    run(&mut cargo)
}

/// `cargo xtask miri`: for machines with `rustup +nightly component add miri rust-src`.
pub(crate) fn miri(options: &[String]) -> Result<(), String> {
    no_options("miri", options)?;
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(shell::root())
        .args(["+nightly", "miri", "test", "--package", "hybi-bytes"])
        .env("PROPTEST_CASES", "4")
        .env("MIRIFLAGS", "-Zmiri-strict-provenance -Zmiri-disable-isolation");
    run(&mut cargo)
}

/// `cargo xtask soak`: thousands of connections for minutes; see soak/.
pub(crate) fn soak(options: &[String]) -> Result<(), String> {
    let mut cargo = cargo();
    cargo.args(["run", "--release", "--package", "soak", "--"]).args(options);
    run(&mut cargo)
}

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(shell::root());
    cargo
}

/// The target triple of this machine.
fn host() -> Result<String, String> {
    let version = shell::output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not name its host".to_owned())
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let arguments: Vec<_> =
        command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
    println!("$ {name} {}", arguments.join(" "));
    let status = command.status().map_err(|e| format!("cannot start {name}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} {}: {status}", arguments.join(" "))) }
}

fn no_options(command: &str, options: &[String]) -> Result<(), String> {
    if options.is_empty() {
        return Ok(());
    }
    Err(format!("`{command}` takes no options, not {options:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_are_found_among_what_cargo_says() {
        let line = r#"{"reason":"compiler-artifact","executable":"/t/debug/deps/mask-1"}"#;
        assert_eq!(test_binary(line).as_deref(), Some("/t/debug/deps/mask-1"));
        assert_eq!(test_binary(r#"{"reason":"build-finished","executable":null}"#), None);
        assert_eq!(test_binary("not JSON"), None);
    }
}
