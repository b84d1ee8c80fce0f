//! Echo as in the first lines of hybi's documentation, and broadcast as in its example.

use std::error::Error;

use hybi::server::{Clients, Listen};
use hybi::{DeflateOptions, Group, Options, Server, WebSocket};
use support::Arguments;
use tokio::runtime::Builder;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::of_process()?;
    let mut runtime = match arguments.threads {
        0 => Builder::new_current_thread(),
        threads => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    runtime.enable_all().build()?.block_on(async {
        let listen = Listen::new().reuse_port(arguments.workers > 0);
        let mut server = Server::bind_with(arguments.address.as_str(), &listen)
            .await?
            .workers(arguments.workers);
        if let Some((certificate, key)) = &arguments.tls {
            server = server.tls_files(certificate, key)?;
        }
        if arguments.deflate {
            server = server.options(Options::new().compression(DeflateOptions::new()));
        }
        if arguments.tracked {
            server = server.clients(&Clients::new());
        }
        if arguments.broadcast {
            return broadcast(server).await;
        }
        server
            .serve(|mut ws: WebSocket| async move {
                while let Some(message) = ws.recv().await? {
                    ws.send(message).await?;
                }
                Ok::<(), hybi::Error>(())
            })
            .await
    })?;
    Ok(())
}

async fn broadcast(server: Server) -> Result<(), hybi::Error> {
    let everyone = Group::new();
    server
        .serve(move |mut ws: WebSocket| {
            let member = everyone.join(&ws.writer());
            async move {
                while let Some(message) = ws.recv().await? {
                    member.broadcast(message);
                }
                Ok(())
            }
        })
        .await
}
