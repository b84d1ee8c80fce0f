//! The command `hybi`: a WebSocket server to try things with, and a client for people and pipes.
//!
//! Here is only the way from the arguments to an exit status. [`args`] says what may be asked for,
//! [`serve`] is the server; [`connect`] is the client, with [`pipe`] and [`terminal`] as its two
//! faces.

#![forbid(unsafe_code)]

mod args;
mod certificate;
mod client;
mod connect;
mod failure;
mod pipe;
mod render;
mod serve;
mod signals;
mod terminal;

use args::{Args, Command};
use clap::Parser;
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(args.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.text.is_empty() {
                render::note(&failure.text);
            }
            ExitCode::from(failure.status)
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::broken(format!("the runtime could not be started: {error}")))?;
    let result = match command {
        Command::Serve(args) => runtime.block_on(serve::run(args)),
        Command::Connect(args) => runtime.block_on(connect::run(args)),
    };
    // Whatever still runs is of no interest any more; nothing may delay the end.
    runtime.shutdown_background();
    result
}
