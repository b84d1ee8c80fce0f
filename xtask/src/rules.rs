//! `cargo xtask rules`: what the documents promise about the code and no compiler checks.
//!
//! * Every test that docs/THREATS.md names exists.
//! * `unsafe` stands only in its rooms; every other crate that is published forbids it.
//! * Every dependency comes from crates.io under a licence of deny.toml, and none is banned there.
//!   `cargo xtask deny` has cargo-deny say so, for all platforms; this needs nothing installed.

use crate::shell;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders that may say `unsafe`: masking and UTF-8, and the calls of Node-API.
const UNSAFE_ROOMS: [&str; 2] = ["crates/hybi-bytes", "crates/hybi-node"];

/// Allocators that count, for tests and benches: the standard library's trait is `unsafe`.
const COUNTING_ALLOCATORS: [&str; 2] =
    ["crates/hybi-proto/benches/deflate.rs", "crates/hybi-proto/tests/deflate_memory.rs"];

pub(crate) fn command(options: &[String]) -> Result<(), String> {
    if !options.is_empty() {
        return Err(format!("`rules` takes no options, not {options:?}"));
    }
    check()
}

/// `cargo xtask deny`: cargo-deny itself over the workspaces, for all platforms.
pub(crate) fn deny(options: &[String]) -> Result<(), String> {
    if !options.is_empty() {
        return Err(format!("`deny` takes no options, not {options:?}"));
    }
    let (root, deny) = (shell::root(), shell::cargo_tool("deny")?);
    for workspace in [".", "fuzz", "bench"] {
        let manifest = root.join(workspace).join("Cargo.toml");
        let mut command = Command::new(&deny);
        command.arg("--manifest-path").arg(manifest).args(["--log-level", "error"]);
        command.arg("--config").arg(root.join("deny.toml"));
        command.args(["check", "bans", "licenses", "sources"]);
        // It tells what it found on the standard error.
        let status = command.status().map_err(|e| format!("cannot start cargo-deny: {e}"))?;
        if !status.success() {
            return Err(format!("cargo-deny finds fault with {workspace}: {status}"));
        }
    }
    Ok(())
}

pub(crate) fn check() -> Result<(), String> {
    let root = shell::root();
    let mut problems = Vec::new();
    let threats = shell::read(&root.join("docs/THREATS.md"))?;
    let tests = check_threats(&threats, |file| fs::read_to_string(root.join(file)).ok());
    let count = tests.as_ref().map_or_else(Vec::len, |count| *count);
    problems.extend(tests.err().into_iter().flatten());
    problems.extend(check_unsafe(&root)?);
    let (packages, wrong) = check_dependencies(&root)?;
    problems.extend(wrong);
    if problems.is_empty() {
        println!(
            "docs/THREATS.md names {count} tests that exist; `unsafe` is in its rooms; {packages} \
             dependencies have allowed licences and sources"
        );
        return Ok(());
    }
    Err(problems.join("\n"))
}

/// How many tests a page names as `` `file::function` ``, or what is wrong with it.
fn check_threats(page: &str, read: impl Fn(&str) -> Option<String>) -> Result<usize, Vec<String>> {
    let mut problems = Vec::new();
    let mut count = 0;
    for (number, line) in page.lines().enumerate().filter(|(_, line)| line.starts_with('|')) {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let threat = cells.next().unwrap_or("");
        if threat == "threat" || threat.starts_with("---") {
            continue;
        }
        let tests: Vec<_> = line.split('`').skip(1).step_by(2).filter_map(named).collect();
        if tests.is_empty() {
            problems.push(format!("docs/THREATS.md:{}: no test is named", number + 1));
        }
        for (file, name) in tests {
            let found = match read(file) {
                None => Err("there is no such file"),
                Some(text) if declares(&text, name) => Ok(()),
                Some(_) => Err("the file has no such test"),
            };
            match found {
                Ok(()) => count += 1,
                Err(why) => {
                    problems.push(format!("docs/THREATS.md:{}: {file}::{name}: {why}", number + 1))
                }
            }
        }
    }
    if problems.is_empty() { Ok(count) } else { Err(problems) }
}

fn named(code: &str) -> Option<(&str, &str)> {
    let (file, name) = code.split_once("::")?;
    file.contains('/').then_some((file, name))
}

fn declares(text: &str, name: &str) -> bool {
    let is = |line: &str, before: &str, after: char| {
        line.split_once(before)
            .and_then(|(_, rest)| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with(after))
    };
    // Tests of Rust, tables of attacks, and tests of Node.js.
    text.lines().any(|line| {
        is(line, "fn ", '(')
            || is(line, "const ", ':')
            || is(line, "test('", '\'')
            || is(line, "test(`${side}: ", '`')
    })
}

/// Where `unsafe` stands and must not, and which crates do not forbid it.
fn check_unsafe(root: &Path) -> Result<Vec<String>, String> {
    let mut problems = Vec::new();
    for file in rust_files(root)? {
        let shown = file.strip_prefix(root).unwrap_or(&file);
        let rooms = UNSAFE_ROOMS.iter().chain(&COUNTING_ALLOCATORS);
        if rooms.into_iter().any(|room| shown.starts_with(room)) {
            continue;
        }
        for (number, line) in shell::read(&file)?.lines().enumerate() {
            if says_unsafe(line) {
                problems.push(format!(
                    "{}:{}: `unsafe` outside of {}",
                    shown.display(),
                    number + 1,
                    UNSAFE_ROOMS.join(" and ")
                ));
            }
        }
        let is_library = shown.starts_with("crates") && shown.ends_with("src/lib.rs");
        if is_library && !shell::read(&file)?.contains("#![forbid(unsafe_code)]") {
            problems.push(format!("{}: no #![forbid(unsafe_code)]", shown.display()));
        }
    }
    Ok(problems)
}

/// Whether a line of code has the keyword; comments and strings that speak of it do not count.
fn says_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or("");
    ["unsafe {", "unsafe fn", "unsafe impl", "unsafe trait", "unsafe extern", "#[unsafe("]
        .iter()
        .any(|form| {
            code.match_indices(form).any(|(at, _)| code[..at].matches('"').count() % 2 == 0)
        })
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    const NOT_OURS: [&str; 4] = ["target", "node_modules", ".git", "corpus"];

    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder)
            .map_err(|e| format!("cannot read the directory {}: {e}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|e| format!("{}: {e}", folder.display()))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !path.is_symlink() && !NOT_OURS.contains(&name.as_str()) {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// How many packages are depended on, and what is wrong with them.
fn check_dependencies(root: &Path) -> Result<(usize, Vec<String>), String> {
    let deny = shell::read(&root.join("deny.toml"))?;
    let allowed = quoted_in(&deny, "allow = [");
    let banned = banned_in(&deny);
    // Only what this machine builds: what others build need not be downloaded for it.
    let host = shell::output(Command::new("rustc").arg("-vV"))?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    let metadata = shell::metadata(&["--all-features", "--filter-platform", host])?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata names no packages")?;
    let mut problems = Vec::new();
    for package in packages {
        let name = format!("{} {}", text(&package["name"]), text(&package["version"]));
        let license = text(&package["license"]);
        if !is_allowed(license, &allowed) {
            problems.push(format!("{name}: the licence {license:?} is not among {allowed:?}"));
        }
        let source = package["source"].as_str();
        if source.is_some_and(|s| s != "registry+https://github.com/rust-lang/crates.io-index") {
            problems.push(format!("{name} comes from {source:?} and not from crates.io"));
        }
        if banned.contains(&text(&package["name"]).to_owned()) {
            problems.push(format!("{name} is banned by deny.toml"));
        }
    }
    Ok((packages.len(), problems))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// The strings of the list that begins with `start`.
fn quoted_in(toml: &str, start: &str) -> Vec<String> {
    let list = toml.split_once(start).map_or("", |(_, rest)| rest);
    let list = list.split_once(']').map_or(list, |(list, _)| list);
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

fn banned_in(toml: &str) -> Vec<String> {
    toml.lines()
        .filter_map(|line| line.trim().strip_prefix("{ crate = \""))
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect()
}

/// Whether an SPDX expression can be fulfilled with the allowed licences: one of each `OR`, all of
/// each `AND`.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.replace('/', " OR ");
    let all = split_outside(&expression, " AND ");
    if all.len() > 1 {
        return all.iter().all(|part| is_allowed(part, allowed));
    }
    let any = split_outside(&expression, " OR ");
    if any.len() > 1 {
        return any.iter().any(|part| is_allowed(part, allowed));
    }
    let one = expression.trim();
    match one.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(within) => is_allowed(within, allowed),
        None => allowed.iter().any(|license| license == one),
    }
}

/// Splits where no parenthesis is open.
fn split_outside<'a>(expression: &'a str, separator: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in expression.match_indices(separator) {
        let before = &expression[..at];
        if before.matches('(').count() == before.matches(')').count() {
            parts.push(&expression[start..at]);
            start = at + separator.len();
        }
    }
    parts.push(&expression[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threat_without_a_test_or_with_one_that_does_not_exist_is_found() {
        let read = |file: &str| {
            (file == "a/b.rs").then(|| "async fn held_off() {}\nconst TABLE: u8 = 0;".to_owned())
        };
        let page = "| threat | where | test |\n|---|---|---|\n| x | y | `a/b.rs::held_off` |\n\
            | x | `y` | `a/b.rs::TABLE`, `a/b.rs::held_off` |\n";
        assert_eq!(check_threats(page, read), Ok(3));
        for (cell, problem) in [
            ("", "no test is named"),
            ("`held_off`", "no test is named"),
            ("`a/b.rs::held`", "the file has no such test"),
            ("`a/c.rs::held_off`", "there is no such file"),
        ] {
            let problems = check_threats(&format!("| x | y | {cell} |"), read).unwrap_err();
            assert!(problems[0].contains(problem), "{problems:?}");
        }
    }

    #[test]
    fn the_keyword_is_found_and_talk_about_it_is_not() {
        let block = ["unsafe", "{ f() }"].join(" ");
        assert!(says_unsafe(&block));
        assert!(says_unsafe(&["    pub unsafe", "fn f();"].join(" ")));
        assert!(!says_unsafe(&format!("// {block}")));
        assert!(!says_unsafe(&format!("let text = \"{block}\";")));
        assert!(!says_unsafe("#![forbid(unsafe_code)]"));
    }

    #[test]
    fn a_licence_is_allowed_if_one_of_the_choices_is() {
        let allowed = ["MIT".to_owned(), "ISC".to_owned()];
        for good in ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(GPL-3.0 OR MIT) AND ISC"] {
            assert!(is_allowed(good, &allowed), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "MIT AND (GPL-3.0 OR X)"] {
            assert!(!is_allowed(bad, &allowed), "{bad}");
        }
    }
}
