//! `cargo xtask linear`: what a peer can make us parse takes time in proportion to its length, shown
//! by counting instructions under valgrind. Clocks would lie on a busy machine; instructions do not.

use crate::shell::{self, Verdict};
use std::process::Command;

/// The attacks of testkit/src/bin/attack.rs: inputs that quadratic parsers have been stopped with.
const ATTACKS: [&str; 14] = [
    "head",
    "headers",
    "same-headers",
    "subprotocols",
    "spaces",
    "extensions",
    "parameters",
    "quotes",
    "response",
    "interim",
    "body",
    "proxy",
    "text",
    "fragments",
];

/// Octets of the smaller input; the larger is four times that.
const SIZE: u64 = 10_000;

/// What four times the input may cost: 4 is linear, 16 quadratic.
const MOST: f64 = 5.0;

pub(crate) fn command(options: &[String]) -> Result<(), String> {
    if !options.is_empty() {
        return Err(format!("`linear` takes no options, not {options:?}"));
    }
    match step()? {
        Verdict::Passed => Ok(()),
        Verdict::Skipped(why) => Err(why),
    }
}

pub(crate) fn step() -> Result<Verdict, String> {
    if shell::output(Command::new("valgrind").arg("--version")).is_err() {
        return Ok(Verdict::Skipped("there is no valgrind".to_owned()));
    }
    shell::cargo(&["build", "--package", "testkit", "--bin", "attack"])?;
    let mut problems = Vec::new();
    for attack in ATTACKS {
        let nothing = instructions(attack, 0)?;
        let once = instructions(attack, SIZE)?.saturating_sub(nothing).max(1);
        let four = instructions(attack, 4 * SIZE)?.saturating_sub(nothing);
        let ratio = four as f64 / once as f64;
        let per_octet = four as f64 / (4 * SIZE) as f64;
        println!("{attack:<14} {per_octet:>8.1} instructions an octet, ×{ratio:.2} for ×4");
        if ratio > MOST {
            problems.push(format!("{attack}: four times the input costs {ratio:.1} times as much"));
        }
    }
    if problems.is_empty() { Ok(Verdict::Passed) } else { Err(problems.join("\n")) }
}

fn instructions(attack: &str, size: u64) -> Result<u64, String> {
    let out = shell::target().join("attack.cachegrind");
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no"])
        .arg(format!("--cachegrind-out-file={}", out.display()))
        .arg(shell::target().join("debug/attack"))
        .args([attack, &size.to_string()])
        .output()
        .map_err(|e| format!("cannot start valgrind: {e}"))?;
    let printed = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("attack {attack} {size}: {}\n{printed}", output.status));
    }
    counted(&printed).ok_or_else(|| format!("valgrind counted nothing:\n{printed}"))
}

/// The number in `==1== I   refs:      1,234,567`.
fn counted(printed: &str) -> Option<u64> {
    let line = printed.lines().find(|line| line.contains("refs:"))?;
    line.split_once("refs:")?.1.trim().replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_what_valgrind_prints() {
        let printed = "==7== Cachegrind\n==7== \n==7== I   refs:      1,234,567\n";
        assert_eq!(counted(printed), Some(1_234_567));
        assert_eq!(counted("==7== nothing"), None);
    }
}
