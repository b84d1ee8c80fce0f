//! `cargo xtask test`: every check of the project, one after the other, and a table at the end.
//!
//! A new check is one more entry of [`STEPS`].

use crate::bench;
use crate::conformance::{self, Extent};
use crate::errors;
use crate::features;
use crate::fuzz;
use crate::interop;
use crate::linear;
use crate::npm_package;
use crate::rfc;
use crate::rules;
use crate::shell::{self, Verdict};
use crate::sound;
use std::time::{Duration, Instant};

/// One line of the table.
struct Step {
    name: &'static str,
    /// Whether it also runs without `--full`: then it takes no more than a few minutes.
    quick: bool,
    run: fn(Extent) -> Result<Verdict, String>,
}

const STEPS: &[Step] = &[
    Step {
        name: "unit and integration tests",
        quick: true,
        run: |_| cargo(&["test", "--workspace", "--tests", "--examples", "--no-fail-fast"]),
    },
    Step {
        name: "documentation tests",
        quick: true,
        run: |_| cargo(&["test", "--workspace", "--doc", "--no-fail-fast"]),
    },
    Step {
        name: "docs/ERRORS.md",
        quick: true,
        run: |_| errors::check().map(|()| Verdict::Passed),
    },
    Step {
        name: "docs/COMPLIANCE.md",
        quick: true,
        run: |_| rfc::check().map(|()| Verdict::Passed),
    },
    Step { name: "rules", quick: true, run: |_| rules::check().map(|()| Verdict::Passed) },
    Step { name: "fuzz: seeds and noise", quick: false, run: |_| fuzz::step() },
    Step { name: "features of hybi", quick: false, run: |_| features::step() },
    Step { name: "linear parsing", quick: false, run: |_| linear::step() },
    Step { name: "loom", quick: false, run: |_| sound::loom_step() },
    Step { name: "instructions of the codec", quick: false, run: |_| bench::step() },
    Step { name: "bench, quick", quick: false, run: |_| bench::guard_step() },
    Step { name: "npm package", quick: true, run: |_| npm_package::step() },
    Step { name: "conformance", quick: true, run: conformance::step },
    Step { name: "conformance, npm package", quick: true, run: conformance::npm_step },
    Step { name: "interop", quick: false, run: |_| interop::step() },
];

fn cargo(arguments: &[&str]) -> Result<Verdict, String> {
    shell::cargo(arguments).map(|()| Verdict::Passed)
}

pub(crate) fn command(options: &[String]) -> Result<(), String> {
    let extent = match options {
        [] => Extent::Quick,
        [option] if option == "--full" => Extent::Full,
        other => return Err(format!("`test` takes only --full, not {other:?}")),
    };
    let mut rows = Vec::new();
    for step in STEPS.iter().filter(|step| step.quick || extent == Extent::Full) {
        println!("\n=== {} ===", step.name);
        let start = Instant::now();
        let result = in_ci_nothing_is_skipped((step.run)(extent), shell::in_ci());
        match &result {
            Ok(Verdict::Passed) => {}
            Ok(Verdict::Skipped(why)) => println!("SKIPPED: {why}"),
            Err(problem) => println!("FAILED: {problem}"),
        }
        rows.push(Row { name: step.name, result, took: start.elapsed() });
    }
    print!("\n{}", table(&rows));
    if extent == Extent::Quick {
        println!("\nThis was the quick run; `cargo xtask test --full` is what CI runs.");
    }
    println!("\n{}", closing_line(&rows));
    if rows.iter().any(|row| row.result.is_err()) {
        return Err("not every step passed".to_owned());
    }
    Ok(())
}

fn in_ci_nothing_is_skipped(
    result: Result<Verdict, String>,
    in_ci: bool,
) -> Result<Verdict, String> {
    match result {
        Ok(Verdict::Skipped(why)) if in_ci => {
            Err(format!("skipped, which CI does not allow: {why}"))
        }
        other => other,
    }
}

/// What became of a step.
struct Row {
    name: &'static str,
    result: Result<Verdict, String>,
    took: Duration,
}

fn table(rows: &[Row]) -> String {
    let mut table = format!("{:<28} {:<8} {:>8}\n", "step", "result", "seconds");
    for Row { name, result, took } in rows {
        let (word, why) = match result {
            Ok(Verdict::Passed) => ("passed", ""),
            Ok(Verdict::Skipped(why)) => ("SKIPPED", first_line(why)),
            Err(problem) => ("FAILED", first_line(problem)),
        };
        let line = format!("{name:<28} {word:<8} {:>8.1}  {why}", took.as_secs_f64());
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("")
}

/// `3 passed, 0 failed`, and the skipped ones if there are any: alone on a line, for whoever counts.
fn closing_line(rows: &[Row]) -> String {
    let count = |test: fn(&Result<Verdict, String>) -> bool| {
        rows.iter().filter(|row| test(&row.result)).count()
    };
    let passed = count(|result| *result == Ok(Verdict::Passed));
    let failed = count(Result::is_err);
    let line = format!("{passed} passed, {failed} failed");
    match rows.len() - passed - failed {
        0 => line,
        skipped => format!("{line}, {skipped} skipped"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &'static str, result: Result<Verdict, String>) -> Row {
        Row { name, result, took: Duration::from_millis(1250) }
    }

    #[test]
    fn the_closing_line_counts_steps_and_names_skips_only_where_there_are_any() {
        let mut rows = vec![row("a", Ok(Verdict::Passed)), row("b", Err("no".to_owned()))];
        assert_eq!(closing_line(&rows), "1 passed, 1 failed");
        rows.push(row("c", Ok(Verdict::Skipped("no Python".to_owned()))));
        assert_eq!(closing_line(&rows), "1 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn the_table_says_why_in_one_line() {
        let rows = [row("a", Ok(Verdict::Passed)), row("b", Err("first\nsecond".to_owned()))];
        let table = table(&rows);
        assert_eq!(table.lines().count(), 3);
        assert!(table.contains("passed        1.2\n") || table.contains("passed        1.3\n"));
        assert!(table.contains("FAILED") && table.ends_with("first\n"));
    }

    #[test]
    fn a_skip_is_a_failure_in_ci_only() {
        let skipped = || Ok(Verdict::Skipped("no Python".to_owned()));
        assert_eq!(in_ci_nothing_is_skipped(skipped(), false), skipped());
        assert!(in_ci_nothing_is_skipped(skipped(), true).unwrap_err().contains("no Python"));
        assert_eq!(in_ci_nothing_is_skipped(Ok(Verdict::Passed), true), Ok(Verdict::Passed));
    }
}
