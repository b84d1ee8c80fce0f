//! What is run: which sections of the suite, in which role, with whole connections or split halves.

use crate::shell;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How much is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Seconds: the sections about the protocol itself, with whole connections.
    Quick,
    /// Minutes: every section; what CI runs.
    Full,
}

/// Which side of the connection is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Server => "server",
            Role::Client => "client",
        })
    }
}

/// What of ours is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// The crate `hybi`.
    Crate,
    /// The npm package with its native half.
    Npm,
    /// The npm package in JavaScript alone.
    NpmWithoutNative,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Subject::Crate => "crate",
            Subject::Npm => "npm",
            Subject::NpmWithoutNative => "npm-js",
        })
    }
}

/// The sections of the suite and how many cases each has.
pub(super) const SECTIONS: [(u16, usize); 11] = [
    (1, 16),   // framing
    (2, 11),   // pings and pongs
    (3, 7),    // reserved bits
    (4, 10),   // opcodes
    (5, 20),   // fragmentation
    (6, 145),  // UTF-8
    (7, 37),   // closing handshake
    (9, 54),   // limits and performance: a minute
    (10, 1),   // autofragmentation
    (12, 90),  // compression, payloads: minutes
    (13, 126), // compression, parameters: minutes
];

/// Seconds altogether.
const PROTOCOL: [u16; 8] = [1, 2, 3, 4, 5, 6, 7, 10];
const PROTOCOL_AND_LIMITS: [u16; 9] = [1, 2, 3, 4, 5, 6, 7, 9, 10];
/// Each a run of its own: compression is on in these alone, and Autobahn reports at the end of a
/// run, so that what went wrong in one does not cost the minutes of the other. Once per role: with
/// split halves as well they would cost CI ten minutes more and show nothing that the other
/// sections do not, since compression sits below the halves.
const COMPRESSION: [u16; 2] = [12, 13];

/// One run of the suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) subject: Subject,
    pub(super) role: Role,
    pub(super) split: bool,
    pub(super) sections: Vec<u16>,
}

impl Plan {
    /// Where the specification, the logs and the reports of this run go.
    pub(super) fn directory(&self) -> PathBuf {
        let sections: Vec<_> = self.sections.iter().map(u16::to_string).collect();
        let halves = if self.split { "split" } else { "whole" };
        let name = format!("{}-{}-{halves}-{}", self.subject, self.role, sections.join("-"));
        shell::target().join("autobahn/report").join(name)
    }

    /// How long this may take before it counts as stuck: several times what it takes on a machine
    /// with nothing else to do.
    pub(super) fn patience(&self) -> Duration {
        let minutes: u64 = self
            .sections
            .iter()
            .map(|section| match section {
                9 => 8,
                12 | 13 => 40,
                _ => 1,
            })
            .sum();
        Duration::from_secs(60 * minutes)
    }

    /// Whether our side offers or accepts permessage-deflate.
    pub(super) fn deflate(&self) -> bool {
        self.sections.iter().any(|section| COMPRESSION.contains(section))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let halves = if self.split { "split halves" } else { "whole connections" };
        let sections: Vec<_> = self.sections.iter().map(u16::to_string).collect();
        write!(f, "{} {}, {halves}, sections {}", self.subject, self.role, sections.join(" "))
    }
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    extent: Extent,
    sections: Option<Vec<u16>>,
    split: bool,
    pub(super) subject: Subject,
    pub(super) roles: Vec<Role>,
    pub(super) update: bool,
    pub(super) program: Option<PathBuf>,
}

impl Options {
    pub(super) fn of(extent: Extent) -> Self {
        Options {
            extent,
            sections: None,
            split: false,
            subject: Subject::Crate,
            roles: vec![Role::Server, Role::Client],
            update: false,
            program: None,
        }
    }

    /// What CI runs of the npm package: all that is about the protocol for both codecs, the limits
    /// for the native one. Compression, which takes many minutes, is for `--full` by hand.
    pub(super) fn of_npm(subject: Subject, extent: Extent) -> Self {
        let mut sections = PROTOCOL.to_vec();
        if extent == Extent::Full && subject == Subject::Npm {
            sections.push(9);
        }
        Options { subject, sections: Some(sections), ..Options::of(Extent::Quick) }
    }

    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Options::of(Extent::Quick);
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--full" => options.extent = Extent::Full,
                "--split" => options.split = true,
                "--update" => options.update = true,
                "--program" => options.program = Some(PathBuf::from(value()?)),
                "--sections" => options.sections = Some(sections(value()?)?),
                "--subject" => {
                    options.subject = match value()?.as_str() {
                        "crate" => Subject::Crate,
                        "npm" => Subject::Npm,
                        "npm-js" => Subject::NpmWithoutNative,
                        other => {
                            return Err(format!(
                                "--subject is crate, npm or npm-js, not `{other}`"
                            ));
                        }
                    };
                }
                "--role" => {
                    options.roles = match value()?.as_str() {
                        "server" => vec![Role::Server],
                        "client" => vec![Role::Client],
                        other => return Err(format!("--role is server or client, not `{other}`")),
                    };
                }
                other => return Err(format!("`conformance` does not take `{other}`")),
            }
        }
        if options.subject != Subject::Crate && (options.split || options.update) {
            return Err("the npm package has no halves, and is compared with the crate".to_owned());
        }
        if options.extent == Extent::Full && (options.sections.is_some() || options.split) {
            return Err("--full says itself which sections, whole and split".to_owned());
        }
        Ok(options)
    }

    /// The runs of one role, in order.
    pub(super) fn plans(&self, role: Role) -> Vec<Plan> {
        let subject = self.subject;
        let plan =
            |split, sections: &[u16]| Plan { subject, role, split, sections: sections.to_vec() };
        match (self.extent, &self.sections) {
            (Extent::Full, _) if subject != Subject::Crate => {
                let compression = COMPRESSION.map(|section| plan(false, &[section]));
                [plan(false, &PROTOCOL_AND_LIMITS)].into_iter().chain(compression).collect()
            }
            (Extent::Full, _) => {
                let halves = [false, true].map(|split| plan(split, &PROTOCOL_AND_LIMITS));
                let compression = COMPRESSION.map(|section| plan(false, &[section]));
                halves.into_iter().chain(compression).collect()
            }
            (Extent::Quick, Some(sections)) => {
                let (compression, others): (Vec<u16>, Vec<u16>) =
                    sections.iter().partition(|section| COMPRESSION.contains(section));
                let others = (!others.is_empty()).then(|| plan(self.split, &others));
                let compression = compression.iter().map(|section| plan(self.split, &[*section]));
                others.into_iter().chain(compression).collect()
            }
            (Extent::Quick, None) => vec![plan(self.split, &PROTOCOL)],
        }
    }
}

fn sections(list: &str) -> Result<Vec<u16>, String> {
    let mut sections = list
        .split(',')
        .map(|section| {
            let number = section.trim().parse().ok();
            let known = number.filter(|n| SECTIONS.iter().any(|(section, _)| section == n));
            known.ok_or_else(|| format!("`{section}` is no section; they are 1–7, 9, 10, 12, 13"))
        })
        .collect::<Result<Vec<u16>, _>>()?;
    sections.sort_unstable();
    sections.dedup();
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&arguments)
    }

    #[test]
    fn a_full_run_has_every_section_whole_and_all_but_compression_split() {
        for role in [Role::Server, Role::Client] {
            let plans = parse("--full").unwrap().plans(role);
            let run = |split| {
                let of_kind = plans.iter().filter(|plan| plan.split == split);
                let mut sections: Vec<u16> =
                    of_kind.flat_map(|plan| plan.sections.clone()).collect();
                sections.sort_unstable();
                sections
            };
            assert_eq!(run(false), SECTIONS.map(|(section, _)| section));
            assert_eq!(run(true), PROTOCOL_AND_LIMITS);
        }
    }

    #[test]
    fn a_full_run_of_the_npm_package_has_every_section_once() {
        let plans = parse("--subject npm-js --full").unwrap().plans(Role::Server);
        let mut sections: Vec<u16> = plans.iter().flat_map(|plan| plan.sections.clone()).collect();
        sections.sort_unstable();
        assert_eq!(sections, SECTIONS.map(|(section, _)| section));
        assert!(plans.iter().all(|plan| plan.subject == Subject::NpmWithoutNative && !plan.split));
    }

    #[test]
    fn a_quick_run_has_the_sections_that_take_seconds() {
        let plans = parse("").unwrap().plans(Role::Client);
        assert_eq!(plans.len(), 1);
        assert_eq!(plans[0].sections, PROTOCOL);
        assert!(!plans[0].split);
    }

    #[test]
    fn chosen_sections_run_apart_from_those_about_compression() {
        let options = parse("--sections 13,12,1,2,1 --role server --split").unwrap();
        assert_eq!(options.roles, [Role::Server]);
        let plans = options.plans(Role::Server);
        assert_eq!(
            plans.iter().map(|p| p.sections.clone()).collect::<Vec<_>>(),
            [vec![1, 2], vec![12], vec![13]]
        );
        assert_eq!(plans.iter().map(Plan::deflate).collect::<Vec<_>>(), [false, true, true]);
        assert!(plans.iter().all(|plan| plan.split));
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        for line in [
            "--sections 8",
            "--sections",
            "--role both",
            "--full --split",
            "--fast",
            "--subject ws",
            "--subject npm --split",
            "--subject npm --update",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
