//! Our side of the interoperability tests; `cargo xtask interop` starts it.
//!
//! `interop server` is tested by clients that are not ours; `interop client --url URL` tests a server
//! that is not ours, with `--its-deflate` one that wants for compression what the path says;
//! `interop browser --browser PROGRAM --profile DIRECTORY` lets a browser test our
//! server, which gives it the page to do so. README.md beside this crate says what each side does.

#![forbid(unsafe_code)]

mod browser;
mod client;
mod configuration;
mod corpus;
mod server;

use std::process::ExitCode;

const USAGE: &str = "usage: interop server
       interop client --url ws://ADDRESS [--its-deflate]
       interop browser --browser PROGRAM --profile DIRECTORY";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["server"] => server::run().await,
        ["client", "--url", url] => client::run(url, false).await,
        ["client", "--url", url, "--its-deflate"] => client::run(url, true).await,
        ["browser", "--browser", program, "--profile", profile] => {
            browser::run(program, profile).await
        }
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
