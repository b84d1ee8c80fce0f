//! The plots of the report: a bar for each server, the range of its rounds as a line, everything relative to the base.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Result;
use crate::cells::Cell;
use crate::report::Spread;
use crate::results::Results;

const WIDTH: i32 = 900;
const LEFT: i32 = 190;
const RIGHT: i32 = 150;
const ROW: i32 = 16;
const TITLE: i32 = 30;
/// Bars longer than this many times the base are cut off.
const LONGEST: f64 = 3.0;

const OURS: RGBColor = RGBColor(0x1b, 0x7f, 0x5c);
const FLOOR: RGBColor = RGBColor(0xb0, 0xb0, 0xb0);
const OTHERS: RGBColor = RGBColor(0x6d, 0x8f, 0xc9);
const TEXT: RGBColor = RGBColor(0x33, 0x33, 0x33);

/// Draws the cells of one part of the report into `file`.
///
/// # Errors
/// The file cannot be written.
pub fn plot(file: &Path, cells: &[(&Cell, Results)]) -> Result<()> {
    let rows: Vec<_> = cells.iter().map(|(cell, results)| (*cell, ratios(cell, results))).collect();
    let count: usize = rows.iter().map(|(_, ratios)| ratios.len()).sum();
    let height = TITLE * rows.len() as i32 + ROW * count as i32 + 16;
    let area = SVGBackend::new(file, (WIDTH as u32, height as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let style = |size: i32, horizontal: HPos| {
        ("sans-serif", size).into_font().color(&TEXT).pos(Pos::new(horizontal, VPos::Center))
    };
    let mut y = 8;
    for (cell, ratios) in &rows {
        let what = if cell.workload.is_memory() { "memory" } else { "CPU" };
        let title =
            format!("{}: {what} per {}, {} = 1", cell.title, cell.workload.unit(), cell.base);
        area.draw(&Text::new(title, (8, y + TITLE / 2), style(14, HPos::Left)))?;
        y += TITLE;
        let longest = ratios.iter().map(|(_, ratio)| ratio.max).fold(1.0, f64::max).min(LONGEST);
        let x = |ratio: f64| {
            LEFT + (f64::from(WIDTH - LEFT - RIGHT) * ratio.min(LONGEST) / longest) as i32
        };
        for (server, ratio) in ratios {
            let color = match *server {
                name if name.starts_with("hybi") => OURS,
                name if name.starts_with("raw") => FLOOR,
                _ => OTHERS,
            };
            let middle = y + ROW / 2;
            area.draw(&Text::new(
                (*server).to_owned(),
                (LEFT - 6, middle),
                style(12, HPos::Right),
            ))?;
            let bar = [(LEFT, y + 2), (x(ratio.median), y + ROW - 2)];
            area.draw(&Rectangle::new(bar, color.filled()))?;
            let range = vec![(x(ratio.min), middle), (x(ratio.max), middle)];
            area.draw(&PathElement::new(range, TEXT.stroke_width(1)))?;
            let figure = format!("{:.2} ({:.2}–{:.2})", ratio.median, ratio.min, ratio.max);
            area.draw(&Text::new(figure, (x(ratio.max) + 6, middle), style(12, HPos::Left)))?;
            y += ROW;
        }
    }
    area.present()?;
    Ok(())
}

fn ratios(cell: &Cell, results: &Results) -> Vec<(&'static str, Spread)> {
    let base = results.series.iter().find(|series| series.server == cell.base);
    let ratio = |series: &crate::report::Series| Some((series.server, series.ratio(base?)?));
    results.series.iter().filter_map(ratio).collect()
}
