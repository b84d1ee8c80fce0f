//! The programs that the Autobahn|Testsuite tests.
//!
//! `conformance server --listen ADDR [--split] [--deflate]` echoes what Autobahn's fuzzing client
//! sends; `conformance client --url URL --agent NAME [--split] [--deflate]` lets its fuzzing server
//! run every case against our client. `--split` receives in one task and sends in another.

#![forbid(unsafe_code)]

use hybi::{Client, DeflateOptions, Error, Limits, Message, Options, Server, WebSocket};
use std::process::ExitCode;
use tokio::sync::{mpsc, oneshot};

const USAGE: &str = "usage: conformance server --listen ADDR [--split] [--deflate]
       conformance client --url URL --agent NAME [--split] [--deflate]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let result = match Arguments::parse(std::env::args().skip(1)) {
        Some(Arguments { role: Role::Server { listen }, split, deflate }) => {
            serve(&listen, options(deflate), split).await
        }
        Some(Arguments { role: Role::Client { url, agent }, split, deflate }) => {
            run_cases(&url, &agent, options(deflate), split).await
        }
        None => Err(Error::application(USAGE)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

enum Role {
    Server { listen: String },
    Client { url: String, agent: String },
}

struct Arguments {
    role: Role,
    split: bool,
    deflate: bool,
}

impl Arguments {
    /// Reads the command line; `None` if it is not as [`USAGE`] says.
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let role = arguments.next()?;
        let (mut split, mut deflate) = (false, false);
        let (mut listen, mut url, mut agent) = (None, None, None);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--split" => split = true,
                "--deflate" => deflate = true,
                "--listen" => listen = Some(arguments.next()?),
                "--url" => url = Some(arguments.next()?),
                "--agent" => agent = Some(arguments.next()?),
                _ => return None,
            }
        }
        let role = match role.as_str() {
            "server" => Role::Server { listen: listen? },
            "client" => Role::Client { url: url?, agent: agent? },
            _ => return None,
        };
        Some(Arguments { role, split, deflate })
    }
}

fn options(deflate: bool) -> Options {
    // Cases 9.3.1 and 9.4.1 send 4 MiB in fragments of 64 bytes, then an empty one: 65537 fragments,
    // and the default allows 16384.
    let options = Options::new().limits(Limits::new().max_fragments(65537));
    if deflate { options.compression(DeflateOptions::new()) } else { options.no_compression() }
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

async fn echo(ws: WebSocket, split: bool) -> Result<(), Error> {
    if split { echo_between_tasks(ws).await } else { echo_in_turn(ws).await }
}

async fn echo_in_turn(mut ws: WebSocket) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

/// Receives in this task and sends in another, one message at a time: a message that came before a
/// violation is echoed before the Close frame, as Autobahn wants it.
async fn echo_between_tasks(ws: WebSocket) -> Result<(), Error> {
    let (mut reader, writer) = ws.split();
    let (received, mut to_send) = mpsc::channel::<(Message, oneshot::Sender<()>)>(1);
    let sending = tokio::spawn(async move {
        while let Some((message, sent)) = to_send.recv().await {
            writer.send(message).await?;
            // Not waited for any more if receiving was dropped meanwhile.
            let _ = sent.send(());
        }
        Ok(())
    });
    let receiving = async move {
        while let Some(message) = reader.recv().await? {
            let (sent, is_sent) = oneshot::channel();
            // Either fails only when sending has ended with an error, which is returned below.
            if received.send((message, sent)).await.is_err() || is_sent.await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let received = receiving.await;
    sending.await.map_err(Error::application)?.and(received)
}
