//! One run of the suite: Autobahn on one side, our program on the other, a report at the end.

use super::autobahn::Autobahn;
use super::expected::{Behavior, CaseId};
use super::plan::{Plan, Role, Subject};
use crate::npm_package;
use crate::shell::{self, Running};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The verdict on each case.
pub(super) type Results = BTreeMap<CaseId, Behavior>;

/// The name under which Autobahn reports on us.
const AGENT: &str = "hybi";

/// The program that is tested: what is put before the arguments.
pub(super) struct Program(Vec<PathBuf>);

impl Program {
    pub(super) fn at(path: PathBuf) -> Self {
        Program(vec![path])
    }

    /// Our own.
    pub(super) fn build(subject: Subject) -> Result<Self, String> {
        match subject {
            Subject::Crate => Self::of_the_crate(),
            Subject::Npm | Subject::NpmWithoutNative => {
                let node = npm_package::build()?;
                Ok(Program(vec![node, shell::root().join("node/conformance/program.mjs")]))
            }
        }
    }

    /// From `conformance/`: optimised, because section 9 sends hundreds of megabytes.
    fn of_the_crate() -> Result<Self, String> {
        shell::cargo(&["build", "--release", "--package", "conformance"])?;
        let name = format!("conformance{}", std::env::consts::EXE_SUFFIX);
        Ok(Program(vec![shell::target().join("release").join(name)]))
    }

    fn command(&self, plan: &Plan) -> Command {
        let mut command = Command::new(&self.0[0]);
        command.args(&self.0[1..]).arg(plan.role.to_string());
        if plan.subject == Subject::NpmWithoutNative {
            command.env("HYBI_NO_NATIVE", "1");
        }
        if plan.split {
            command.arg("--split");
        }
        if plan.deflate() {
            command.arg("--deflate");
        }
        command
    }
}

pub(super) fn run(plan: &Plan, autobahn: &Autobahn, program: &Program) -> Result<Results, String> {
    // An old report must not pass for one of this run.
    let directory = plan.directory();
    shell::fresh_directory(&directory)?;
    match plan.role {
        Role::Server => run_server(plan, &directory, autobahn, program)?,
        Role::Client => run_client(plan, &directory, autobahn, program)?,
    }
    results(&shell::read(&directory.join("index.json"))?)
}

fn run_server(
    plan: &Plan,
    directory: &Path,
    autobahn: &Autobahn,
    program: &Program,
) -> Result<(), String> {
    let mut command = program.command(plan);
    command.args(["--listen", "127.0.0.1:0"]);
    let (mut server, address) = Running::listening(&mut command, &directory.join("ours.log"))?;
    let specification = specification(plan, directory, &format!("ws://{address}"))?;
    let mut command = autobahn.wstest("fuzzingclient", &specification);
    Running::start(&mut command, &directory.join("autobahn.log"))?.finish(plan.patience())?;
    match server.ended()? {
        None => Ok(()),
        Some(status) => {
            Err(format!("our server ended during the run: {status}\n{}", server.last_words()))
        }
    }
}

fn run_client(
    plan: &Plan,
    directory: &Path,
    autobahn: &Autobahn,
    program: &Program,
) -> Result<(), String> {
    let specification = specification(plan, directory, "ws://127.0.0.1:0")?;
    let mut command = autobahn.wstest("fuzzingserver", &specification);
    let log = directory.join("autobahn.log");
    let (_autobahn, address) = Running::listening(&mut command, &log)?;
    let mut command = program.command(plan);
    command.args(["--url", &format!("ws://{address}"), "--agent", AGENT]);
    Running::start(&mut command, &directory.join("ours.log"))?.finish(plan.patience())
}

/// Writes the file that tells Autobahn what to do; returns its path.
fn specification(plan: &Plan, directory: &Path, url: &str) -> Result<PathBuf, String> {
    let cases: Vec<String> = plan.sections.iter().map(|section| format!("{section}.*")).collect();
    let specification = json!({
        "outdir": directory,
        "cases": cases,
        "exclude-cases": [],
        "exclude-agent-cases": {},
        // The fuzzing server reads `url`, the fuzzing client `servers`.
        "url": url,
        "servers": [{ "agent": AGENT, "url": url }],
    });
    let path = directory.join("specification.json");
    shell::write(&path, &specification.to_string())?;
    Ok(path)
}

/// Reads Autobahn's index.json: by agent, by case.
fn results(index: &str) -> Result<Results, String> {
    let index: Value =
        serde_json::from_str(index).map_err(|e| format!("Autobahn's report is not JSON: {e}"))?;
    let cases = index
        .get(AGENT)
        .and_then(Value::as_object)
        .ok_or_else(|| format!("Autobahn's report says nothing of `{AGENT}`"))?;
    let behavior = |(id, case): (&String, &Value)| {
        let verdict = |name: &str| {
            let verdict = case.get(name).and_then(Value::as_str).map(str::to_owned);
            verdict.ok_or_else(|| format!("Autobahn's report has no `{name}` for case {id}"))
        };
        let behavior = Behavior { case: verdict("behavior")?, closing: verdict("behaviorClose")? };
        Ok((id.parse()?, behavior))
    };
    cases.iter().map(behavior).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_gives_both_verdicts_of_each_case() {
        let index = r#"{"hybi": {
            "6.4.1": {"behavior": "NON-STRICT", "behaviorClose": "OK", "duration": 2003},
            "1.1.1": {"behavior": "OK", "behaviorClose": "WRONG CODE", "duration": 3}
        }}"#;
        let results = results(index).unwrap();
        let lines: Vec<_> = results.iter().map(|(id, got)| format!("{id} {got}")).collect();
        assert_eq!(lines, ["1.1.1 OK / WRONG CODE", "6.4.1 NON-STRICT / OK"]);
    }

    #[test]
    fn a_report_without_us_or_without_verdicts_is_no_result() {
        for index in ["{}", "[]", "", r#"{"hybi": {"1.1.1": {"behavior": "OK"}}}"#] {
            assert!(results(index).is_err(), "{index}");
        }
    }
}
