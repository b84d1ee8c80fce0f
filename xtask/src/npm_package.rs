//! The npm package in `node/`: built and tested with npm, with and without its native half.

use crate::shell::{self, Verdict};
use std::path::PathBuf;
use std::process::Command;

/// The step of `cargo xtask test`.
pub(crate) fn step() -> Result<Verdict, String> {
    let npm = match tools() {
        Ok((_, npm)) => npm,
        Err(why) => return Ok(Verdict::Skipped(why)),
    };
    let run = |arguments: &[&str], native: bool| {
        let mut command = Command::new(&npm);
        command.args(arguments);
        if !native {
            command.env("HYBI_NO_NATIVE", "1").env("HYBI_NO_FAST_PATH", "1");
        }
        in_package(command)
    };
    // No scripts of others: nothing of what is tested with has to be compiled.
    run(&["ci", "--no-audit", "--no-fund", "--ignore-scripts"], true)?;
    run(&["test"], true)?;
    run(&["test"], false)?;
    Ok(Verdict::Passed)
}

/// Builds the native half; tells which Node.js runs the package.
pub(crate) fn build() -> Result<PathBuf, String> {
    let (node, _) = tools()?;
    let mut command = Command::new(&node);
    command.arg("scripts/build.mjs");
    in_package(command)?;
    Ok(node)
}

/// Node.js, of a version that the package supports, and npm.
fn tools() -> Result<(PathBuf, PathBuf), String> {
    const OLDEST: u32 = 18;

    let node = shell::program(&["node"], "nodejs")?;
    let npm = shell::program(&["npm"], "npm")?;
    let version = shell::output(Command::new(&node).arg("--version"))?;
    match major(&version) {
        Some(major) if major >= OLDEST => Ok((node, npm)),
        _ => Err(format!("Node.js is {version}; {OLDEST} or later is needed")),
    }
}

fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Runs a command in `node/`, its output going where ours goes.
fn in_package(mut command: Command) -> Result<(), String> {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let line = words.join(" ");
    println!("$ {line}");
    // The one that runs this program, so that both use one target directory.
    if let Some(cargo) = std::env::var_os("CARGO") {
        command.env("CARGO", cargo);
    }
    let status = command
        .current_dir(shell::root().join("node"))
        .status()
        .map_err(|e| format!("cannot start {line}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{line}: {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_node_says() {
        assert_eq!(major("v20.20.2"), Some(20));
        assert_eq!(major("20.20.2"), None);
        assert_eq!(major("v"), None);
    }
}
