//! `cargo xtask errors`: writes docs/ERRORS.md from the table of codes in `hybi-proto`, so that
//! the page and the code cannot differ.

use crate::shell;
use hybi_proto::ErrorCode;
use std::fmt::Write;

const HEAD: &str = "\
# Error codes

Every error has a code that never changes: match on it, log it, count it. In Rust it is
`error.code()`, an `ErrorCode` whose `as_str()` is the text below; in JavaScript it is `error.code`.
The first twelve are those of npm `ws`, letter for letter.

The close code is that of the Close frame which the peer is sent; where there is none, no Close frame
is sent: the connection is not open, or not open any more, or the error is not the connection's.

Generated from `ErrorCode` in `hybi-proto` by `cargo xtask errors`; change it there.

| code | close code | meaning |
|---|---|---|
";

pub(crate) fn command(options: &[String]) -> Result<(), String> {
    match options {
        [] => {
            shell::write(&shell::root().join("docs/ERRORS.md"), &page())?;
            println!("wrote docs/ERRORS.md: {} codes", ErrorCode::ALL.len());
            Ok(())
        }
        [option] if option == "--check" => check(),
        other => Err(format!("`errors` takes only --check, not {other:?}")),
    }
}

/// Compares docs/ERRORS.md with the table.
pub(crate) fn check() -> Result<(), String> {
    // Git may have given the file the line ends of the machine.
    let committed = shell::read(&shell::root().join("docs/ERRORS.md"))?.replace("\r\n", "\n");
    if committed == page() {
        return Ok(());
    }
    Err("docs/ERRORS.md is not what the table of codes says; run `cargo xtask errors`".to_owned())
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for code in ErrorCode::ALL {
        let close_code = code.close_code().map_or_else(|| "–".to_owned(), |c| c.to_string());
        let meaning = code.description().replace('|', "\\|");
        writeln!(page, "| `{code}` | {close_code} | {meaning} |")
            .expect("writing to a String does not fail");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_row_of_three_cells() {
        let page = page();
        let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| `WS_ERR_")).collect();
        assert_eq!(rows.len(), ErrorCode::ALL.len());
        assert!(rows.iter().all(|row| row.replace("\\|", "").matches('|').count() == 4));
        assert!(rows[0].starts_with("| `WS_ERR_EXPECTED_FIN` | 1002 | A control frame"));
    }
}
