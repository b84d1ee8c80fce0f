//! What a ratio may be: for CI, where the machine is anybody's.
//!
//! The bounds are wide. They catch what costs a system call, a wake-up or a buffer a message, not what costs some
//! nanoseconds: for that instructions are counted (`codec/`).

use crate::Result;
use crate::report::Series;

/// The bounds of a file: a line each of cell, server and the most its ratio to the cell's base may be.
#[derive(Debug)]
pub struct Guard(Vec<Bound>);

#[derive(Debug)]
struct Bound {
    cell: String,
    server: String,
    most: f64,
}

impl Guard {
    /// Reads the bounds; lines that begin with `#` are comments.
    ///
    /// # Errors
    /// A line is something else.
    pub fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let bounds = lines.map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            [cell, server, most] => {
                Ok(Bound { cell: cell.to_owned(), server: server.to_owned(), most: most.parse()? })
            }
            _ => Err(format!("not a cell, a server and a ratio: {line}").into()),
        });
        bounds.collect::<Result<_>>().map(Self)
    }

    /// The cells that there are bounds for.
    pub fn cells(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|bound| &bound.cell[..])
    }

    /// What in the samples of `cell` is over its bound, or was not measured; ratios are to the server named `base`.
    pub fn over(&self, cell: &str, series: &[Series], base: &str) -> Vec<String> {
        let find = |name: &str| series.iter().find(|series| series.server == name);
        let bounds = self.0.iter().filter(|bound| bound.cell == cell);
        bounds
            .filter_map(|Bound { server, most, .. }| {
                match find(server).zip(find(base)).and_then(|(own, base)| own.ratio(base)) {
                    None => Some(format!("{cell}: {server} was not measured")),
                    Some(ratio) if ratio.median > *most => Some(format!(
                        "{cell}: {server} is at {:.3} of {base}, at most {most} is allowed",
                        ratio.median
                    )),
                    Some(_) => None,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Sample;

    fn series(server: &'static str, bytes: &[f64]) -> Series {
        Series { server, samples: bytes.iter().map(|bytes| Some(Sample::Idle(*bytes))).collect() }
    }

    #[test]
    fn what_is_over_its_bound_is_told() {
        let guard = Guard::parse("# comment\nidle\thybi\t1.5\n32Bx64\thybi\t2").unwrap();
        let base = || series("base", &[100.0, 200.0, 100.0]);
        let over = |own: &[f64]| guard.over("idle", &[base(), series("hybi", own)], "base");
        assert_eq!(over(&[150.0, 300.0, 900.0]), [""; 0]);
        assert_eq!(
            over(&[150.0, 310.0, 160.0]),
            ["idle: hybi is at 1.550 of base, at most 1.5 is allowed"]
        );
    }

    #[test]
    fn what_was_not_measured_has_not_passed() {
        let guard = Guard::parse("idle\thybi\t1.5").unwrap();
        assert_eq!(
            guard.over("idle", &[series("base", &[1.0])], "base"),
            ["idle: hybi was not measured"]
        );
        assert!(Guard::parse("idle\thybi").is_err());
    }
}
