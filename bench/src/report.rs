//! The table: medians with their ranges, ratios within a round, and what is wrong with a figure.

use std::fmt::Write as _;

use crate::cells::Cell;
use crate::measure::{Sample, Work};

/// From this share of its core on, the load generator may have been what limited the rate.
const LOAD_IS_BOTTLENECK: f64 = 0.95;
/// Above this share of the window taken by others, a sample is not to be trusted.
const DISTURBED: f64 = 0.02;
/// Above this spread, (max − min) / median of the base's cost, the machine was not steady.
const UNSTEADY: f64 = 0.15;

/// All rounds of one server in one cell.
#[derive(Debug)]
pub struct Series {
    /// The server's name.
    pub server: &'static str,
    /// One sample a round, at the round's position; `None` where the server failed.
    pub samples: Vec<Option<Sample>>,
}

/// A median and the range around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            (values[middle - 1] + values[middle]) / 2.0
        };
        Some(Self { median, min, max })
    }

    /// `median (min–max)`.
    fn show(&self, digits: usize) -> String {
        format!("{:.digits$} ({:.digits$}–{:.digits$})", self.median, self.min, self.max)
    }
}

impl Series {
    fn works(&self) -> impl Iterator<Item = &Work> {
        self.samples.iter().filter_map(|sample| match sample {
            Some(Sample::Work(work)) => Some(work),
            _ => None,
        })
    }

    fn spread(&self, figure: impl Fn(&Work) -> f64) -> Option<Spread> {
        Spread::of(self.works().map(figure))
    }

    /// The figure that is compared between servers: CPU time per unit, or bytes per connection.
    fn figure(sample: &Sample) -> f64 {
        match sample {
            Sample::Work(work) => work.cost(),
            Sample::Idle(bytes) => *bytes,
        }
    }

    /// The figures that are compared.
    pub fn figures(&self) -> Option<Spread> {
        Spread::of(self.samples.iter().flatten().map(Self::figure))
    }

    /// Each round's figure over the base's figure of the same round.
    pub fn ratio(&self, base: &Self) -> Option<Spread> {
        let rounds = self.samples.iter().zip(&base.samples);
        Spread::of(rounds.filter_map(|(own, base)| match (own, base) {
            (Some(own), Some(base)) => Some(Self::figure(own) / Self::figure(base)),
            _ => None,
        }))
    }

    fn remarks(&self) -> String {
        let mut remarks = Vec::new();
        let failed = self.samples.iter().filter(|sample| sample.is_none()).count();
        if failed > 0 {
            remarks.push(format!("failed in {failed} of {} rounds", self.samples.len()));
        }
        if self.spread(Work::load_share).is_some_and(|share| share.median >= LOAD_IS_BOTTLENECK) {
            remarks.push("load generator was the bottleneck".to_owned());
        }
        let disturbed = self.works().filter(|work| work.disturbance() > DISTURBED).count();
        if disturbed > 0 {
            remarks.push(format!("disturbed in {disturbed} of {} rounds", self.samples.len()));
        }
        remarks.join("; ")
    }
}

/// Renders one cell as Markdown; ratios are to the server named `base`.
pub fn table(cell: &Cell, series: &[Series], base: &str) -> String {
    let mut text = String::new();
    let base_series = series.iter().find(|series| series.server == base);
    let is_idle = cell.workload.is_memory();
    let has_wire = series.iter().flat_map(Series::works).any(|work| work.wire.is_some());
    let subject = if cell.workload.is_client() { "client" } else { "server" };
    let unit = cell.workload.unit();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "### {} (`{}`)\n", cell.title, cell.name);
    if is_idle {
        let _ = writeln!(text, "| server | bytes/{unit} (PSS) | ratio to {base} | remarks |");
        let _ = writeln!(text, "|---|--:|--:|---|");
    } else {
        let (wire, column) = if has_wire { ("bytes back | ", "--:|") } else { ("", "") };
        let other = if cell.workload.is_client() { "server" } else { "load" };
        let _ = writeln!(
            text,
            "| {subject} | CPU µs/{unit} | ratio to {base} | per second | {wire}{subject} core | {other} core | remarks |"
        );
        let _ = writeln!(text, "|---|--:|--:|--:|{column}--:|--:|---|");
    }
    for series in series {
        let ratio = base_series.and_then(|base| series.ratio(base));
        let ratio = ratio.map_or("–".to_owned(), |ratio| ratio.show(3));
        let digits = if is_idle { 0 } else { 3 };
        let figure = series.figures().map_or("–".to_owned(), |figures| figures.show(digits));
        let _ = write!(text, "| {} | {figure} | {ratio} | ", series.server);
        if !is_idle {
            let median = |figure: fn(&Work) -> f64| Some(series.spread(figure)?.median);
            let percent = |share: Option<f64>| show(share.map(|share| share * 100.0), " %");
            let _ = write!(text, "{} | ", show(median(Work::rate), ""));
            if has_wire {
                let wire = Spread::of(series.works().filter_map(Work::wire_per_unit));
                let _ = write!(text, "{} | ", show(wire.map(|wire| wire.median), ""));
            }
            let _ = write!(
                text,
                "{} | {} | ",
                percent(median(Work::server_share)),
                percent(median(Work::load_share))
            );
        }
        let _ = writeln!(text, "{} |", series.remarks());
    }
    if let Some(warning) = unsteady(base_series, is_idle) {
        let _ = writeln!(text, "\n**{warning}**");
    }
    text
}

/// A whole number and its unit, or a dash where there was nothing to measure.
fn show(figure: Option<f64>, unit: &str) -> String {
    figure.map_or("–".to_owned(), |figure| format!("{figure:.0}{unit}"))
}

/// The base is measured in every round: what varies there varies because of the machine.
fn unsteady(base: Option<&Series>, is_idle: bool) -> Option<String> {
    let spread = base.filter(|_| !is_idle)?.figures()?;
    let width = (spread.max - spread.min) / spread.median;
    (width > UNSTEADY).then(|| {
        format!(
            "The machine was not steady: the base varied by {:.0} % between rounds. Trust the ratios only as far as their ranges agree.",
            width * 100.0
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cells::CELLS;

    fn work(cost_us: u64, load_share: f64, kept_waiting_ms: u64) -> Option<Sample> {
        Some(Sample::Work(Work {
            units: 1000,
            elapsed: Duration::from_secs(1),
            server: Duration::from_micros(cost_us * 1000),
            load: Duration::from_secs_f64(load_share),
            kept_waiting: Duration::from_millis(kept_waiting_ms),
            stolen_ticks: 0,
            wire: None,
        }))
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let base = Series { server: "a", samples: vec![work(2, 0.5, 0), work(4, 0.5, 0), None] };
        let other = Series {
            server: "b",
            samples: vec![work(4, 0.5, 0), work(8, 0.5, 0), work(1, 0.5, 0)],
        };
        assert_eq!(other.ratio(&base), Some(Spread { median: 2.0, min: 2.0, max: 2.0 }));
    }

    #[test]
    fn the_remarks_name_a_saturated_load_generator_a_disturbance_and_a_failure() {
        let series =
            Series { server: "a", samples: vec![work(2, 0.99, 0), work(2, 0.99, 30), None] };
        assert_eq!(
            series.remarks(),
            "failed in 1 of 3 rounds; load generator was the bottleneck; disturbed in 1 of 3 rounds"
        );
    }

    #[test]
    fn an_unsteady_base_is_said_below_the_table() {
        let steady = Series { server: "a", samples: vec![work(100, 0.5, 0), work(101, 0.5, 0)] };
        assert!(!table(&CELLS[0], &[steady], "a").contains("not steady"));
        let unsteady = Series { server: "a", samples: vec![work(100, 0.5, 0), work(150, 0.5, 0)] };
        assert!(table(&CELLS[0], &[unsteady], "a").contains("not steady"));
    }
}
