//! What was measured, kept in a file per cell, so that the report can be made from runs of several cells each.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::Result;
use crate::cells::Cell;
use crate::measure::{Sample, Work};
use crate::report::Series;
use crate::servers::{SERVERS, root};

/// The file of what `codec` printed.
pub const CODEC: &str = "codec.md";

/// All that was measured in one cell.
#[derive(Debug)]
pub struct Results {
    /// When and on what it was measured, in one line.
    pub circumstances: String,
    /// One for each server.
    pub series: Vec<Series>,
}

/// Where server and load ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cores {
    /// On a core each.
    Two,
    /// On the same core, by turns.
    One,
}

impl Cores {
    fn folder(self) -> PathBuf {
        let results = root().join("results");
        match self {
            Self::Two => results,
            Self::One => results.join("one-core"),
        }
    }

    fn file(self, cell: &Cell) -> PathBuf {
        self.folder().join(format!("{}.tsv", cell.name))
    }
}

impl Results {
    /// Writes the samples into the cell's file, in place of those of an earlier run.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, cell: &Cell, cores: Cores) -> Result<()> {
        let mut text = format!(
            "# {}\n# server\tround\tunits\telapsed_ns\tserver_ns\tload_ns\twaited_ns\tstolen_ticks\twire_bytes | server\tround\tbytes\n",
            self.circumstances
        );
        for series in &self.series {
            for (round, sample) in series.samples.iter().enumerate() {
                // Writing to a String cannot fail.
                let _ = write!(text, "{}\t{round}", series.server);
                let _ = match sample {
                    None => writeln!(text, "\tfailed"),
                    Some(Sample::Idle(bytes)) => writeln!(text, "\t{bytes:.1}"),
                    Some(Sample::Work(work)) => writeln!(
                        text,
                        "\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
                        work.units,
                        work.elapsed.as_nanos(),
                        work.server.as_nanos(),
                        work.load.as_nanos(),
                        work.kept_waiting.as_nanos(),
                        work.stolen_ticks,
                        work.wire.map_or("-".to_owned(), |wire| wire.to_string()),
                    ),
                };
            }
        }
        let file = cores.file(cell);
        std::fs::create_dir_all(file.parent().unwrap_or(&file))?;
        std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(())
    }

    /// Reads what was saved; `None` if the cell has not been measured.
    ///
    /// # Errors
    /// The file is not as [`save`](Self::save) writes it.
    pub fn load(cell: &Cell, cores: Cores) -> Result<Option<Self>> {
        let file = cores.file(cell);
        if !file.exists() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&file)?;
        Self::parse(&text).map(Some).map_err(|error| format!("{}: {error}", file.display()).into())
    }

    fn parse(text: &str) -> Result<Self> {
        let circumstances = text.lines().next().and_then(|line| line.strip_prefix("# "));
        let circumstances = circumstances.ok_or("the first line does not say when")?.to_owned();
        let mut series: Vec<Series> = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            let [name, _round, rest @ ..] = &fields[..] else {
                return Err(format!("not a sample: {line}").into());
            };
            let server = SERVERS.iter().find(|server| server.name == *name);
            let server = server.ok_or_else(|| format!("{name} is no server"))?.name;
            if series.last().is_none_or(|series| series.server != server) {
                series.push(Series { server, samples: Vec::new() });
            }
            if let Some(series) = series.last_mut() {
                series.samples.push(sample(rest)?);
            }
        }
        Ok(Self { circumstances, series })
    }
}

fn sample(fields: &[&str]) -> Result<Option<Sample>> {
    let nanos = |field: &str| -> Result<Duration> { Ok(Duration::from_nanos(field.parse()?)) };
    Ok(match *fields {
        ["failed"] => None,
        [bytes] => Some(Sample::Idle(bytes.parse()?)),
        [units, elapsed, server, load, waited, stolen, wire] => Some(Sample::Work(Work {
            units: units.parse()?,
            elapsed: nanos(elapsed)?,
            server: nanos(server)?,
            load: nanos(load)?,
            kept_waiting: nanos(waited)?,
            stolen_ticks: stolen.parse()?,
            wire: if wire == "-" { None } else { Some(wire.parse()?) },
        })),
        _ => return Err(format!("{} fields", fields.len()).into()),
    })
}
