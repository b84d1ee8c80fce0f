//! Rooms: what one sends, all others in the same room get. The path of the URL is the room.
//!
//! `cargo run --example broadcast -- 127.0.0.1:8080`

use hybi::{Error, Group, Server};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Serves for good.
pub async fn serve(server: Server) -> Result<(), Error> {
    let rooms: Arc<Mutex<HashMap<String, Group>>> = Arc::default();
    server
        .serve_with(move |mut ws, request| {
            let name = request.uri().path().to_owned();
            let rooms = rooms.clone();
            async move {
                let member = {
                    // Joined under the lock: otherwise who leaves last could remove the room
                    // in between.
                    let mut rooms = rooms.lock().unwrap();
                    rooms.entry(name.clone()).or_default().join(&ws.writer())
                };
                ws.send(format!("{} others are here", member.group().len() - 1)).await?;
                while let Some(message) = ws.recv().await? {
                    member.broadcast_to_others(message);
                }
                let mut rooms = rooms.lock().unwrap();
                let room = member.group().clone();
                drop(member);
                if room.is_empty() {
                    rooms.remove(&name);
                }
                Ok(())
            }
        })
        .await
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let server = Server::bind(address).await?;
    println!("listening on ws://{}", server.local_addr()?);
    serve(server).await
}
