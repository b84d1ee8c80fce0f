//! `cargo xtask rfc`: writes docs/COMPLIANCE.md: each requirement of RFC 6455 and RFC 7692, the function
//! that keeps it, and the test that shows it.
//!
//! The list is `xtask/rfc/requirements.txt`. What it cites must exist: `file::function`, and a test must be
//! one. Functions are named rather than lines, so that the page does not change with every edit.

use crate::shell;
use std::collections::{HashMap, HashSet};
use std::fmt::Write;

const LIST: &str = "xtask/rfc/requirements.txt";
const PAGE: &str = "docs/COMPLIANCE.md";

/// A sentence of an RFC.
#[derive(Debug)]
struct Requirement {
    id: String,
    level: String,
    text: String,
    how: How,
}

#[derive(Debug)]
enum How {
    Kept {
        by: String,
        test: String,
    },
    /// Why it is not ours to keep.
    NotOurs(String),
}

#[derive(Debug)]
enum Part {
    Rfc(String),
    Section(String),
    Requirement(Requirement),
}

pub(crate) fn command(options: &[String]) -> Result<(), String> {
    match options {
        [] => {
            let page = page()?;
            shell::write(&shell::root().join(PAGE), &page)?;
            println!("wrote {PAGE}");
            Ok(())
        }
        [option] if option == "--check" => check(),
        other => Err(format!("`rfc` takes only --check, not {other:?}")),
    }
}

/// Compares the page with the list, and the list with the code.
pub(crate) fn check() -> Result<(), String> {
    let committed = shell::read(&shell::root().join(PAGE))?.replace("\r\n", "\n");
    if committed == page()? {
        return Ok(());
    }
    Err(format!("{PAGE} is not what {LIST} says; run `cargo xtask rfc`"))
}

fn page() -> Result<String, String> {
    let root = shell::root();
    let list = shell::read(&root.join(LIST))?;
    let mut sources = HashMap::new();
    let parts = parse(&list, &mut |file, function, is_test| {
        let source = match sources.get(file) {
            Some(source) => source,
            None => {
                let source = shell::read(&root.join(file))?;
                sources.entry(file.to_owned()).or_insert(source)
            }
        };
        defines(source, function, is_test).then_some(()).ok_or_else(|| {
            format!("{file} has no {} {function}", if is_test { "test" } else { "function" })
        })
    })?;
    Ok(render(&parts))
}

/// True if the source has a function, or a test, of this name.
fn defines(source: &str, function: &str, is_test: bool) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(at, line)| {
        let Some(before) = line.find(&format!("fn {function}")) else { return false };
        let after = &line[before + 3 + function.len()..];
        let named = after.starts_with(['(', '<']) && !line.starts_with("//");
        // The attribute is among the lines right above it; a proptest has one too.
        let marked = || {
            lines[at.saturating_sub(4)..at]
                .iter()
                .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
        };
        named && (!is_test || marked())
    })
}

type Exists<'a> = dyn FnMut(&str, &str, bool) -> Result<(), String> + 'a;

fn parse(list: &str, exists: &mut Exists<'_>) -> Result<Vec<Part>, String> {
    let mut files = HashMap::new();
    let (mut parts, mut section, mut number) = (Vec::new(), String::new(), 0);
    let mut pending: Option<(String, String, Option<String>)> = None;
    let mut ids = HashSet::new();
    for (at, line) in list.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |why: &str| format!("{LIST}:{}: {why}: {line}", at + 1);
        let (word, rest) = line.split_once(' ').ok_or_else(|| wrong("a word alone"))?;
        let mut cite = |is_test| {
            let (file, function) =
                rest.split_once("::").ok_or_else(|| wrong("write file::function"))?;
            let path: &String = files.get(file).ok_or_else(|| wrong("no such file is listed"))?;
            exists(path, function, is_test).map_err(|why| wrong(&why))?;
            let name = path.strip_prefix("crates/").unwrap_or(path);
            Ok::<_, String>(format!("[`{name}`](../{path}) `{function}`"))
        };
        match (word, &mut pending) {
            ("file", None) => {
                let (name, path) = rest.split_once(' ').ok_or_else(|| wrong("no path"))?;
                files.insert(name.to_owned(), path.to_owned());
            }
            ("rfc", None) => parts.push(Part::Rfc(rest.to_owned())),
            ("section", None) => {
                section = rest.split(' ').next().unwrap_or("").to_owned();
                number = 0;
                parts.push(Part::Section(rest.to_owned()));
            }
            ("MUST" | "SHOULD" | "MAY", None) => {
                let (level, text) =
                    line.split_once(" | ").ok_or_else(|| wrong("write LEVEL | sentence"))?;
                pending = Some((level.to_owned(), text.to_owned(), None));
            }
            ("kept", Some((_, _, by @ None))) => *by = Some(cite(false)?),
            ("test", Some((_, _, Some(_)))) | ("none", Some((_, _, None))) => {
                let how = if word == "none" { None } else { Some(cite(true)?) };
                let Some((level, text, by)) = pending.take() else { continue };
                number += 1;
                let id = format!("{section}-{number}");
                let rfc = parts.iter().filter(|part| matches!(part, Part::Rfc(_))).count();
                if !ids.insert((rfc, id.clone())) {
                    return Err(wrong("this section stands twice in the list"));
                }
                let how = match (by, how) {
                    (Some(by), Some(test)) => How::Kept { by, test },
                    _ => How::NotOurs(rest.to_owned()),
                };
                parts.push(Part::Requirement(Requirement { id, level, text, how }));
            }
            _ => return Err(wrong("a requirement is kept and has a test, or none and a reason")),
        }
    }
    match pending {
        None => Ok(parts),
        Some((_, text, _)) => Err(format!("{LIST}: the last requirement is not finished: {text}")),
    }
}

fn render(parts: &[Part]) -> String {
    let requirements = || {
        parts.iter().filter_map(|part| match part {
            Part::Requirement(requirement) => Some(requirement),
            _ => None,
        })
    };
    let all = requirements().count();
    let kept = requirements().filter(|one| matches!(one.how, How::Kept { .. })).count();
    let mut page = format!(
        "# Compliance\n\n\
         What RFC 6455 and RFC 7692 ask of a client and a server, in our words and their order: the function \
         that keeps it, and a test that fails if it does not. Beside these tests, every case of the \
         Autobahn|Testsuite passes in both roles (see conformance/).\n\n\
         {all} requirements: {kept} kept, {} not ours to keep, with the reason.\n\n\
         Generated from `{LIST}` by `cargo xtask rfc`, which fails where a function or test is gone.\n",
        all - kept
    );
    for part in parts {
        let written = match part {
            Part::Rfc(title) => write!(page, "\n## RFC {title}\n"),
            Part::Section(title) => {
                write!(
                    page,
                    "\n### §{title}\n\n| | | requirement | kept by | shown by |\n|---|---|---|---|---|\n"
                )
            }
            Part::Requirement(Requirement { id, level, text, how }) => {
                let text = text.replace('|', "\\|");
                match how {
                    How::Kept { by, test } => {
                        writeln!(page, "| {id} | {level} | {text} | {by} | {test} |")
                    }
                    How::NotOurs(why) => {
                        writeln!(page, "| {id} | {level} | {text} | not ours: {why} | |")
                    }
                }
            }
        };
        written.expect("writing to a String does not fail");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(list: &str) -> Result<Vec<Part>, String> {
        parse(list, &mut |file, function, _| match (file, function) {
            ("a.rs", "there") => Ok(()),
            _ => Err(format!("{file} has no {function}")),
        })
    }

    #[test]
    fn a_requirement_needs_a_function_and_a_test_that_exist_or_a_reason() {
        let head = "file a a.rs\nrfc 1 One\nsection 2.1 Two\nMUST | be\n";
        let good =
            parsed(&format!("{head}kept a::there\ntest a::there\nMAY | go\nnone a reason\n"));
        let page = render(&good.unwrap());
        assert!(page.contains("2 requirements: 1 kept, 1 not ours"), "{page}");
        assert!(page.contains("| 2.1-2 | MAY | go | not ours: a reason | |"), "{page}");
        for wrong in [
            "kept a::gone\ntest a::there\n",
            "kept a::there\n",
            "test a::there\n",
            "",
            "kept b::there\n",
        ] {
            assert!(parsed(&format!("{head}{wrong}")).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_test_is_a_function_with_the_attribute() {
        let source = "fn one() {}\n#[test]\nfn two() {}\n// fn three()\n    async fn four<T>(\n";
        assert!(defines(source, "one", false) && !defines(source, "one", true));
        assert!(defines(source, "two", true) && defines(source, "four", false));
        assert!(!defines(source, "three", false) && !defines(source, "tw", false));
    }
}
