//! Instructions a message, counted by callgrind.

use std::process::Command;

use crate::{Result, find};

/// Messages of the shorter run; the longer one does as many more as are counted.
const BEFORE: usize = 4_000;
const COUNTED: usize = 20_000;

/// Instructions per message of a case.
pub(crate) fn per_message(case: &str) -> Result<f64> {
    let (short, long) = (run(case, BEFORE)?, run(case, BEFORE + COUNTED)?);
    Ok((long.instructions - short.instructions) / (long.messages - short.messages))
}

struct Run {
    instructions: f64,
    messages: f64,
}

fn run(case: &str, messages: usize) -> Result<Run> {
    // Rounds are whole: what is done may be more than what was asked for.
    let round = (find(case)?.prepare)()();
    let done = messages.div_ceil(round) * round;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["--run", case, &messages.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error} (Debian: apt-get install valgrind)"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    let (true, Some((_, count))) = (output.status.success(), collected) else {
        return Err(format!("valgrind: {}: {said}", output.status).into());
    };
    Ok(Run { instructions: count.trim().parse()?, messages: done as f64 })
}

/// Compares every case in the file, a name and the most instructions a line, with what it takes now.
pub(crate) fn check(file: &str) -> Result<()> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let mut over = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (case, most) = line.split_once('\t').ok_or_else(|| format!("{file}: {line}"))?;
        let most: f64 = most.parse()?;
        let count = per_message(case)?;
        let verdict = if count <= most { "ok" } else { "TOO MANY" };
        println!("{case:32} {count:8.1} of at most {most:8.1}  {verdict}");
        over += usize::from(count > most);
    }
    match over {
        0 => Ok(()),
        over => Err(format!(
            "{over} cases take more instructions a message than {file} allows: find out why, or raise the bound and \
             say so in the commit"
        )
        .into()),
    }
}
