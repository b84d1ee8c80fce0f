//! `cargo xtask fuzz`: the targets of fuzz/, each for a while, on nightly with AddressSanitizer, or
//! (`--hammer`) as often as can be without it. The seeds alone, and some noise, are run by
//! `cargo xtask test --full` on any toolchain.

use crate::shell::{self, Verdict};
use std::process::Command;

pub(crate) fn command(options: &[String]) -> Result<(), String> {
    let mut seconds = 60;
    let mut hammered = false;
    let mut chosen = Vec::new();
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match option.as_str() {
            "--seconds" => {
                let value = options.next().map(String::as_str).unwrap_or("");
                seconds = value.parse().map_err(|e| format!("--seconds {value}: {e}"))?;
            }
            "--hammer" => hammered = true,
            option if option.starts_with('-') => {
                let what = "`fuzz` takes --seconds, --hammer and names of targets";
                return Err(format!("{what}, not {option}"));
            }
            target => chosen.push(target.to_owned()),
        }
    }
    let all = targets()?;
    if let Some(unknown) = chosen.iter().find(|target| !all.contains(target)) {
        return Err(format!("there is no target {unknown}; there are {}", all.join(", ")));
    }
    if hammered {
        return hammer(seconds, &chosen);
    }
    let mut table = String::new();
    let mut failed = Vec::new();
    for target in if chosen.is_empty() { &all } else { &chosen } {
        match run(target, seconds) {
            Ok(executed) => table += &format!("{target:<20} {executed:>12} executions\n"),
            Err(problem) => failed.push(problem),
        }
    }
    print!("\n{table}");
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// Many executions without instrumentation, on any toolchain.
fn hammer(seconds: u64, targets: &[String]) -> Result<(), String> {
    let seconds = seconds.to_string();
    let mut arguments = vec!["run", "--manifest-path", "fuzz/Cargo.toml", "--release"];
    arguments.extend(["--example", "hammer", "--", "--seconds", &seconds]);
    arguments.extend(targets.iter().map(String::as_str));
    shell::cargo(&arguments)
}

/// The seeds and noise, without a fuzzer.
pub(crate) fn step() -> Result<Verdict, String> {
    shell::cargo(&["test", "--manifest-path", "fuzz/Cargo.toml", "--lib"]).map(|()| Verdict::Passed)
}

fn targets() -> Result<Vec<String>, String> {
    let folder = shell::root().join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let names = entries.flatten().map(|entry| entry.path());
    let mut names: Vec<_> =
        names.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

/// Runs a target; how often it was executed.
fn run(target: &str, seconds: u64) -> Result<u64, String> {
    println!("=== {target}");
    let corpus = format!("corpus/{target}");
    let fuzz = shell::root().join("fuzz");
    std::fs::create_dir_all(fuzz.join(&corpus)).map_err(|e| format!("{corpus}: {e}"))?;
    let output = Command::new(shell::cargo_tool("fuzz")?)
        // It starts cargo, which is to be that of nightly.
        .args(["fuzz", "run", target, &corpus, &format!("seeds/{target}"), "--"])
        .args([format!("-max_total_time={seconds}"), "-print_final_stats=1".to_owned()])
        .env("RUSTUP_TOOLCHAIN", "nightly")
        .current_dir(&fuzz)
        .output()
        .map_err(|e| format!("cannot start cargo-fuzz: {e}"))?;
    let printed = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{target}: {}\n{}", output.status, shell::last_lines(&printed, 40)));
    }
    executed(&printed).ok_or_else(|| format!("{target}: it does not say how often it ran"))
}

fn executed(printed: &str) -> Option<u64> {
    let line = printed.lines().find(|line| line.contains("number_of_executed_units"))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executions_are_found_and_so_are_the_targets() {
        let printed = "Done\nstat::number_of_executed_units: 397350\nstat::x: 1";
        assert_eq!(executed(printed), Some(397_350));
        assert!(targets().unwrap().contains(&"mask".to_owned()));
    }
}
