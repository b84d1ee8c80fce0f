//! `docs/PERFORMANCE.md`, made from what `results/` holds.

use std::fmt::Write as _;

use crate::Result;
use crate::cells::{CELLS, Part};
use crate::plots;
use crate::report::table;
use crate::results::{CODEC, Cores, Results};
use crate::servers::root;

const INTRODUCTION: &str = include_str!("document/introduction.md");

impl Part {
    fn title(self) -> &'static str {
        match self {
            Self::Echo => "Echo",
            Self::Tls => "TLS",
            Self::Compression => "Compression",
            Self::Broadcast => "Broadcast",
            Self::Handshakes => "Opening handshakes",
            Self::Memory => "Memory",
            Self::Clients => "Clients",
            Self::Cores => "Several cores",
            Self::Node => "Node.js",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Tls => "tls",
            Self::Compression => "compression",
            Self::Broadcast => "broadcast",
            Self::Handshakes => "handshakes",
            Self::Memory => "memory",
            Self::Clients => "clients",
            Self::Cores => "cores",
            Self::Node => "node",
        }
    }

    fn note(self) -> &'static str {
        match self {
            Self::Echo => include_str!("document/echo.md"),
            Self::Tls => include_str!("document/tls.md"),
            Self::Compression => include_str!("document/compression.md"),
            Self::Broadcast => include_str!("document/broadcast.md"),
            Self::Handshakes => include_str!("document/handshakes.md"),
            Self::Memory => include_str!("document/memory.md"),
            Self::Clients => include_str!("document/clients.md"),
            Self::Cores => include_str!("document/cores.md"),
            Self::Node => include_str!("document/node.md"),
        }
    }
}

/// Writes the page and its plots.
///
/// # Errors
/// A file of results cannot be understood, or the page cannot be written.
pub fn write() -> Result<()> {
    let docs = root().join("../docs");
    let folder = docs.join("performance");
    std::fs::create_dir_all(&folder)?;
    let mut page = format!("{INTRODUCTION}\n");
    let mut circumstances: Vec<String> = Vec::new();
    for part in Part::ALL {
        let mut cells = Vec::new();
        for cell in CELLS.iter().filter(|cell| cell.part == part) {
            if let Some(results) = Results::load(cell, Cores::Two)? {
                cells.push((cell, results));
            }
        }
        if cells.is_empty() {
            continue;
        }
        let (title, file) = (part.title(), part.file());
        plots::plot(&folder.join(format!("{file}.svg")), &cells)?;
        // Writing to a String cannot fail.
        let _ = writeln!(page, "## {title}\n\n{}\n", part.note().trim());
        let _ = writeln!(page, "![{title}: ratios to the base](performance/{file}.svg)\n");
        for (cell, results) in &cells {
            let _ = writeln!(page, "{}", table(cell, &results.series, cell.base));
            if !circumstances.contains(&results.circumstances) {
                circumstances.push(results.circumstances.clone());
            }
        }
    }
    let mut is_first = true;
    for cell in CELLS {
        let Some(results) = Results::load(cell, Cores::One)? else { continue };
        if std::mem::take(&mut is_first) {
            let note = include_str!("document/one-core.md").trim();
            let _ = writeln!(page, "## On one core\n\n{note}\n");
        }
        let _ = writeln!(page, "{}", table(cell, &results.series, cell.base));
        if !circumstances.contains(&results.circumstances) {
            circumstances.push(results.circumstances);
        }
    }
    if let Ok(codec) = std::fs::read_to_string(root().join("results").join(CODEC)) {
        let _ = writeln!(
            page,
            "## The protocol without I/O\n\n{}\n",
            include_str!("document/codec.md").trim()
        );
        let _ = writeln!(page, "{codec}");
    }
    let _ = writeln!(page, "## When and where\n");
    for line in circumstances {
        let _ = writeln!(page, "* {line}");
    }
    std::fs::write(docs.join("PERFORMANCE.md"), page)?;
    Ok(())
}
