//! `cargo xtask conformance`: the Autobahn|Testsuite against our server and our client, and its
//! verdicts against those that are committed.

mod autobahn;
mod expected;
mod plan;
mod run;

pub(crate) use plan::Extent;

use crate::shell::{self, Verdict};
use autobahn::Autobahn;
use expected::{Difference, Expected};
use plan::{Options, Plan, Role, Subject};
use run::{Program, Results};
use std::thread;
use std::time::Instant;

pub(crate) fn command(options: &[String]) -> Result<(), String> {
    match conformance(&Options::parse(options)?)? {
        Verdict::Passed => Ok(()),
        Verdict::Skipped(why) if shell::in_ci() => Err(why),
        Verdict::Skipped(why) => {
            println!("SKIPPED: {why}");
            Ok(())
        }
    }
}

/// The step of `cargo xtask test`.
pub(crate) fn step(extent: Extent) -> Result<Verdict, String> {
    conformance(&Options::of(extent))
}

/// The step of `cargo xtask test` about the npm package, with either codec.
pub(crate) fn npm_step(extent: Extent) -> Result<Verdict, String> {
    for subject in [Subject::Npm, Subject::NpmWithoutNative] {
        match conformance(&Options::of_npm(subject, extent))? {
            Verdict::Passed => {}
            skipped => return Ok(skipped),
        }
    }
    Ok(Verdict::Passed)
}

fn conformance(options: &Options) -> Result<Verdict, String> {
    let expected: Vec<Expected> =
        options.roles.iter().map(|role| Expected::load(*role)).collect::<Result<_, _>>()?;
    let autobahn = match Autobahn::install() {
        Ok(autobahn) => autobahn,
        Err(why) => return Ok(Verdict::Skipped(format!("Autobahn|Testsuite: {why}"))),
    };
    let program = match &options.program {
        Some(path) => Program::at(path.clone()),
        None => Program::build(options.subject)?,
    };

    // Two cores, and each role keeps one busy: the roles side by side, the runs of a role in turn.
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let lanes: Vec<_> = expected
            .into_iter()
            .map(|expected| {
                let (autobahn, program) = (&autobahn, &program);
                scope.spawn(move || Outcome::of(expected, options, autobahn, program))
            })
            .collect();
        lanes.into_iter().map(|lane| lane.join().expect("a lane does not panic")).collect()
    });

    let problems: Vec<String> = outcomes.into_iter().flat_map(|o| o.problems(options)).collect();
    if problems.is_empty() {
        return Ok(Verdict::Passed);
    }
    Err(format!("{} of the runs failed\n{}", problems.len(), problems.join("\n")))
}

/// What the runs of one role came to.
struct Outcome {
    role: Role,
    expected: Expected,
    runs: Vec<(Plan, Result<Results, String>)>,
}

impl Outcome {
    fn of(expected: Expected, options: &Options, autobahn: &Autobahn, program: &Program) -> Self {
        let role = expected.role;
        let mut runs = Vec::new();
        for plan in options.plans(role) {
            println!("{plan}: runs");
            let start = Instant::now();
            let results = run::run(&plan, autobahn, program);
            let seconds = start.elapsed().as_secs_f64();
            match &results {
                Ok(results) => println!("{plan}: {} cases in {seconds:.1} s", results.len()),
                Err(_) => println!("{plan}: did not come to its end, after {seconds:.1} s"),
            }
            runs.push((plan, results));
        }
        Outcome { role, expected, runs }
    }

    /// One paragraph for each run that is not as it has to be.
    fn problems(mut self, options: &Options) -> Vec<String> {
        let mut problems = Vec::new();
        for (plan, results) in &self.runs {
            let results = match results {
                Ok(results) => results,
                Err(problem) => {
                    problems.push(format!("{plan}: {problem}"));
                    continue;
                }
            };
            let differences = if options.update {
                self.expected.replace(&plan.sections, results)
            } else {
                self.expected.compare(&plan.sections, results)
            };
            if !differences.is_empty() {
                problems.push(describe(plan, &differences));
            }
        }
        if options.update && problems.is_empty() {
            match self.expected.store() {
                Ok(()) => println!("wrote {}", Expected::path(self.role).display()),
                Err(problem) => problems.push(problem),
            }
        }
        problems
    }
}

fn describe(plan: &Plan, differences: &[Difference]) -> String {
    let mut text = format!("{plan}: {} cases are not as they have to be", differences.len());
    for difference in differences {
        text.push_str(&format!("\n    {difference}"));
    }
    text.push_str(&format!("\n    (report: {})", plan.directory().join("index.html").display()));
    text
}
