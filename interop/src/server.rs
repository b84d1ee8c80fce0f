//! Our server: one listener for each configuration, and on each the actions that peers ask for by
//! their path.

use crate::configuration::{self, DEFLATE};
use http::{Response, StatusCode};
use hybi::server::{Refusal, Request};
use hybi::{CloseCode, CloseFrame, Error, Event, Server, WebSocket};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// What is listened with beside [`DEFLATE`].
const OTHERS: [&str; 3] = ["plain", "plain;fragments", "deflate;fragments"];

const PAGE: &str = include_str!("../peers/page.html");
const CHECKS: &str = include_str!("../peers/checks.mjs");

/// How each connection to `/seen` was closed by its peer, by the number it was given.
type Seen = watch::Sender<HashMap<String, String>>;

/// Serves until it is ended, and prints `listening on ADDRESS` for the listener that knows the others.
pub(crate) async fn run() -> Result<(), String> {
    // Nobody listens to results: that is what the browser is for.
    let (results, _) = mpsc::unbounded_channel();
    println!("listening on {}", start(results).await?);
    std::future::pending().await
}

/// Starts to serve, and returns the address of the listener that knows the others; what peers send
/// to `/result` comes out of `results`.
pub(crate) async fn start(results: mpsc::UnboundedSender<String>) -> Result<String, String> {
    let seen = Arc::new(Seen::default());
    let mut servers = Vec::new();
    for words in OTHERS.into_iter().chain(DEFLATE) {
        let server = Server::bind("127.0.0.1:0").await.map_err(|e| e.to_string())?;
        let address = server.local_addr().map_err(|e| e.to_string())?.to_string();
        servers.push((words, address, server));
    }
    let lines: Vec<_> =
        servers.iter().map(|(words, address, _)| format!("\"{words}\":\"{address}\"")).collect();
    let table = format!("{{{}}}", lines.join(","));
    let first = servers[0].1.clone();
    for (words, _, server) in servers {
        let mut server = server
            .options(configuration::options(words))
            .subprotocols(["chat.v2", "chat.v1"])
            .authorize(|request| {
                let refused = request.uri().path() == "/refused";
                async move {
                    if refused {
                        return Err(Refusal::new(StatusCode::NOT_FOUND, "nothing is here"));
                    }
                    Ok(())
                }
            })
            .on_error(move |error, _peer| eprintln!("{words}: {error}"));
        // The others answer a plain request as a server does by default.
        if words == "plain" {
            let table = table.clone();
            server = server.http(move |request| file(request, &table));
        }
        let (seen, results) = (seen.clone(), results.clone());
        tokio::spawn(server.serve_with(move |ws, request| {
            let (seen, results) = (seen.clone(), results.clone());
            async move { act(ws, request.uri().path(), &seen, &results).await }
        }));
    }
    Ok(first)
}

fn file(request: &Request, table: &str) -> Response<Vec<u8>> {
    let (kind, body) = match request.uri().path() {
        "/" => ("text/html; charset=utf-8", PAGE),
        "/checks.mjs" => ("text/javascript; charset=utf-8", CHECKS),
        "/servers" => ("application/json", table),
        _ => return Response::builder().status(404).body(Vec::new()).expect("a valid response"),
    };
    let response = Response::builder().header("content-type", kind);
    response.body(body.as_bytes().to_vec()).expect("a valid response")
}

async fn act(
    mut ws: WebSocket,
    path: &str,
    seen: &Seen,
    results: &mpsc::UnboundedSender<String>,
) -> Result<(), Error> {
    match path {
        "/close" => {
            let Some(message) = ws.recv().await? else { return Ok(()) };
            let asked = message.to_string();
            let (code, reason) = asked.split_once(' ').unwrap_or((&asked, ""));
            let code = CloseCode::new(code.parse().map_err(Error::application)?)?;
            return ws.close(code, reason).await;
        }
        "/ping" => {
            let Some(message) = ws.recv().await? else { return Ok(()) };
            ws.ping(message.as_bytes()).await?;
        }
        "/seen" => {
            // One more than all that were given before.
            let id = seen.borrow().len().to_string();
            seen.send_modify(|seen| drop(seen.insert(id.clone(), String::new())));
            ws.send(id.as_str()).await?;
            let mut how = "gone".to_owned();
            while let Some(event) = ws.next_event().await.unwrap_or_default() {
                if let Event::Close(frame) = event {
                    how = describe(frame);
                }
            }
            seen.send_modify(|seen| drop(seen.insert(id, how)));
            return Ok(());
        }
        "/report" => {
            let Some(id) = ws.recv().await? else { return Ok(()) };
            let id = id.to_string();
            let mut seen = seen.subscribe();
            let known = seen.wait_for(|seen| seen.get(&id).is_some_and(|how| !how.is_empty()));
            let how = known.await.map_err(Error::application)?[&id].clone();
            ws.send(how).await?;
        }
        "/cut" => {
            ws.send("hello").await?;
            ws.flush().await?;
            ws.terminate();
            return Ok(());
        }
        "/result" => {
            while let Some(message) = ws.recv().await? {
                // Only the browser's run has a receiver.
                let _ = results.send(message.to_string());
            }
        }
        _ => {}
    }
    while let Some(event) = ws.next_event().await? {
        match event {
            Event::Message(message) => ws.send(message).await?,
            Event::Pong(payload) => {
                ws.send(format!("pong {}", String::from_utf8_lossy(&payload))).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// `4000 the reason`, as the peers say it.
pub(crate) fn describe(frame: Option<CloseFrame>) -> String {
    match frame {
        Some(frame) => format!("{} {}", frame.code, frame.reason).trim_end().to_owned(),
        None => "1005".to_owned(),
    }
}
