//! conformance/expected/: the verdicts that are committed, the rule they keep, and comparing.

use super::plan::{Role, SECTIONS};
use super::run::Results;
use crate::shell;
use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write;
use std::path::PathBuf;
use std::str::FromStr;

/// The number of a case, `6.4.1`; sorted as numbers are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CaseId(Vec<u16>);

impl CaseId {
    pub(super) fn section(&self) -> u16 {
        self.0[0]
    }
}

impl FromStr for CaseId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split('.').map(str::parse).collect::<Result<_, _>>();
        numbers.map(CaseId).map_err(|_| format!("`{text}` is not the number of a case"))
    }
}

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<_> = self.0.iter().map(u16::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

/// Autobahn's verdict on a case, in its words: how the connection behaved, and how it closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Behavior {
    pub(super) case: String,
    pub(super) closing: String,
}

impl fmt::Display for Behavior {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // WRONG CODE and FAILED BY CLIENT have spaces: a slash between the two verdicts.
        write!(f, "{} / {}", self.case, self.closing)
    }
}

impl FromStr for Behavior {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (case, closing) =
            text.split_once(" / ").ok_or_else(|| format!("`{text}` is not BEHAVIOR / CLOSING"))?;
        Ok(Behavior { case: case.trim().to_owned(), closing: closing.trim().to_owned() })
    }
}

/// What no `--update` can write, and no edit of the files can get past: every case OK.
///
/// NON-STRICT is not enough: 6.4.* ask for failing at the first octet that is not UTF-8.
fn keeps_the_rule(id: &CaseId, behavior: &Behavior) -> bool {
    // Autobahn gives no verdict on these: RFC 6455 leaves open what a peer does after it has sent
    // its Close frame (7.1.6), and with close codes that nobody has registered (7.13.*).
    let without_verdict = matches!(id.0[..], [7, 1, 6] | [7, 13, 1] | [7, 13, 2]);
    match (behavior.case.as_str(), behavior.closing.as_str()) {
        ("INFORMATIONAL", "INFORMATIONAL") => without_verdict,
        ("OK", "OK") => !without_verdict,
        _ => false,
    }
}

/// A case whose verdict is not what it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    id: CaseId,
    expected: Option<Behavior>,
    got: Option<Behavior>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let say = |behavior: &Option<Behavior>, none: &str| match behavior {
            Some(behavior) => behavior.to_string(),
            None => none.to_owned(),
        };
        let got = say(&self.got, "was not run");
        write!(f, "{}: {got}; expected: {}", self.id, say(&self.expected, "no such case"))
    }
}

/// The committed verdicts of one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) role: Role,
    cases: Results,
}

impl Expected {
    pub(super) fn path(role: Role) -> PathBuf {
        shell::root().join(format!("conformance/expected/{role}.txt"))
    }

    pub(super) fn load(role: Role) -> Result<Self, String> {
        let path = Self::path(role);
        let text = shell::read(&path)?;
        Self::parse(role, &text).map_err(|problem| format!("{}: {problem}", path.display()))
    }

    fn parse(role: Role, text: &str) -> Result<Self, String> {
        let mut cases = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            let (id, behavior) =
                line.split_once(' ').ok_or_else(|| format!("`{line}` is not CASE BEHAVIOR"))?;
            let (id, behavior): (CaseId, Behavior) = (id.parse()?, behavior.parse()?);
            if !keeps_the_rule(&id, &behavior) {
                return Err(format!("case {id} must not be expected to be {behavior}"));
            }
            cases.insert(id, behavior);
        }
        for (section, count) in SECTIONS {
            let listed = cases.keys().filter(|id| id.section() == section).count();
            if listed != count {
                return Err(format!("section {section} has {count} cases; {listed} are listed"));
            }
        }
        Ok(Expected { role, cases })
    }

    fn text(&self) -> String {
        let mut text = format!(
            "# What the Autobahn|Testsuite has to say of our {}: case, behavior / closing behavior.\n\
             # Written by `cargo xtask conformance --full --update`; compared by every run.\n",
            self.role
        );
        for (id, behavior) in &self.cases {
            writeln!(text, "{id} {behavior}").expect("writing to a String does not fail");
        }
        text
    }

    pub(super) fn store(&self) -> Result<(), String> {
        shell::write(&Self::path(self.role), &self.text())
    }

    /// The cases of these sections that came out otherwise, were not run, or are not known.
    pub(super) fn compare(&self, sections: &[u16], results: &Results) -> Vec<Difference> {
        let of_sections = self.cases.iter().filter(|(id, _)| sections.contains(&id.section()));
        let missing_or_other = of_sections.filter_map(|(id, expected)| {
            let got = results.get(id);
            (got != Some(expected)).then(|| Difference {
                id: id.clone(),
                expected: Some(expected.clone()),
                got: got.cloned(),
            })
        });
        let unknown = results
            .iter()
            .filter(|(id, _)| !self.cases.contains_key(id))
            .map(|(id, got)| Difference { id: id.clone(), expected: None, got: Some(got.clone()) });
        missing_or_other.chain(unknown).collect()
    }

    /// Takes over these results, as far as they keep the rule; returns those that do not, and the
    /// cases that were not run.
    pub(super) fn replace(&mut self, sections: &[u16], results: &Results) -> Vec<Difference> {
        for (id, behavior) in results.iter().filter(|(id, got)| keeps_the_rule(id, got)) {
            self.cases.insert(id.clone(), behavior.clone());
        }
        self.compare(sections, results)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> CaseId {
        text.parse().unwrap()
    }

    fn behavior(text: &str) -> Behavior {
        text.parse().unwrap()
    }

    fn committed() -> Expected {
        Expected::load(Role::Server).unwrap()
    }

    fn results_of(expected: &Expected, sections: &[u16]) -> Results {
        let cases = expected.cases.clone().into_iter();
        cases.filter(|(id, _)| sections.contains(&id.section())).collect()
    }

    #[test]
    fn the_committed_files_keep_the_rule_and_are_complete() {
        for role in [Role::Server, Role::Client] {
            let expected = Expected::load(role).unwrap();
            assert_eq!(expected.cases.len(), 517);
            assert_eq!(Expected::parse(role, &expected.text()), Ok(expected));
        }
    }

    #[test]
    fn the_rule_refuses_whatever_is_not_ok() {
        for (case, verdict) in [
            ("6.4.1", "NON-STRICT / OK"),
            ("1.1.1", "FAILED / FAILED"),
            ("1.1.1", "OK / UNCLEAN"),
            ("7.9.1", "OK / WRONG CODE"),
            ("1.1.1", "INFORMATIONAL / INFORMATIONAL"),
            ("9.1.1", "UNIMPLEMENTED / OK"),
            ("12.1.1", "UNIMPLEMENTED / OK"),
        ] {
            assert!(!keeps_the_rule(&id(case), &behavior(verdict)), "{case} {verdict}");
        }
        assert!(keeps_the_rule(&id("7.1.6"), &behavior("INFORMATIONAL / INFORMATIONAL")));
    }

    #[test]
    fn a_file_with_a_line_missing_or_against_the_rule_is_refused() {
        let text = committed().text();
        let missing = text.replace("5.9 OK / OK\n", "");
        assert!(Expected::parse(Role::Server, &missing).unwrap_err().contains("section 5"));
        let lax = text.replace("6.4.1 OK / OK", "6.4.1 NON-STRICT / OK");
        assert!(Expected::parse(Role::Server, &lax).unwrap_err().contains("6.4.1"));
    }

    #[test]
    fn a_run_that_is_as_expected_has_no_differences() {
        let expected = committed();
        let results = results_of(&expected, &[1, 10]);
        assert_eq!(expected.compare(&[1, 10], &results), []);
    }

    #[test]
    fn a_case_that_is_other_missing_or_unknown_is_a_difference() {
        let expected = committed();
        let mut results = results_of(&expected, &[1]);
        results.insert(id("1.1.2"), behavior("OK / UNCLEAN"));
        results.remove(&id("1.2.8"));
        results.insert(id("1.3.1"), behavior("OK / OK"));
        let differences: Vec<_> =
            expected.compare(&[1], &results).iter().map(Difference::to_string).collect();
        assert_eq!(
            differences,
            [
                "1.1.2: OK / UNCLEAN; expected: OK / OK",
                "1.2.8: was not run; expected: OK / OK",
                "1.3.1: OK / OK; expected: no such case",
            ]
        );
    }

    #[test]
    fn an_update_takes_what_keeps_the_rule_and_reports_the_rest() {
        let mut expected = committed();
        let mut results = results_of(&expected, &[6, 12]);
        // A case that was not listed before, and one that must not be listed like this.
        expected.cases.remove(&id("12.1.1"));
        results.insert(id("6.4.1"), behavior("NON-STRICT / OK"));
        let differences = expected.replace(&[6, 12], &results);
        assert_eq!(differences.len(), 1);
        assert_eq!(differences[0].id, id("6.4.1"));
        assert_eq!(expected.cases[&id("12.1.1")], behavior("OK / OK"));
        assert_eq!(expected.cases[&id("6.4.1")], behavior("OK / OK"));
    }

    #[test]
    fn cases_are_sorted_as_numbers() {
        assert!(id("2.9") < id("2.10") && id("9.9.9") < id("10.1.1"));
    }
}
