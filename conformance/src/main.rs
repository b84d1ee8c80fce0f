//! The programs that the Autobahn|Testsuite tests.
//!
//! `conformance server --listen ADDR [--split] [--deflate]` echoes what Autobahn's fuzzing client
//! sends; `conformance client --url URL --agent NAME [--split] [--deflate]` lets its fuzzing server
//! run every case against our client. `--split` echoes from a reader to a writer instead of a whole
//! connection.

#![forbid(unsafe_code)]

use hybi::{Client, DeflateOptions, Error, Options, Server, WebSocket};
use std::collections::HashMap;
use std::process::ExitCode;

const USAGE: &str = "usage: conformance server --listen ADDR [--split] [--deflate]
       conformance client --url URL --agent NAME [--split] [--deflate]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let role = arguments.next().unwrap_or_default();
    let mut values = HashMap::new();
    while let Some(name) = arguments.next() {
        let value = match name.as_str() {
            "--split" | "--deflate" => String::new(),
            _ => arguments.next().unwrap_or_default(),
        };
        values.insert(name, value);
    }
    let value = |name: &str| values.get(name).cloned().unwrap_or_default();
    let split = values.contains_key("--split");
    let options = match values.contains_key("--deflate") {
        true => Options::new().compression(DeflateOptions::new()),
        false => Options::new().no_compression(),
    };
    let result = match role.as_str() {
        "server" => serve(&value("--listen"), options, split).await,
        "client" => run_cases(&value("--url"), &value("--agent"), options, split).await,
        _ => Err(Error::application(USAGE)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(address: &str, options: Options, split: bool) -> Result<(), Error> {
    let server = Server::bind(address).await?.options(options);
    println!("listening on {}", server.local_addr()?);
    server.serve(move |ws| echo(ws, split)).await
}

async fn run_cases(url: &str, agent: &str, options: Options, split: bool) -> Result<(), Error> {
    let client = Client::new().options(options);
    let mut count = client.connect(&format!("{url}/getCaseCount")).await?;
    let cases = count.recv().await?.map_or(0, |count| count.to_string().parse().unwrap_or(0));
    while count.recv().await?.is_some() {}
    if cases == 0 {
        return Err(Error::application("the fuzzing server has no cases"));
    }
    for case in 1..=cases {
        let ws = client.connect(&format!("{url}/runCase?case={case}&agent={agent}")).await?;
        // Most cases end with an error on purpose; Autobahn judges what it saw.
        let _ = echo(ws, split).await;
    }
    let mut done = client.connect(&format!("{url}/updateReports?agent={agent}")).await?;
    while done.recv().await?.is_some() {}
    Ok(())
}

async fn echo(mut ws: WebSocket, split: bool) -> Result<(), Error> {
    if split {
        let (mut reader, writer) = ws.split();
        while let Some(message) = reader.recv().await? {
            writer.send(message).await?;
        }
        return Ok(());
    }
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}
