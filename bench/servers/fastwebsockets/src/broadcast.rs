//! Broadcast: the task that receives a message writes it to every client, so nothing is woken up per client.
//!
//! fastwebsockets has no broadcast of its own. This is the cheapest one that can be built on it on one thread; a
//! client that does not read would hold up the others.

use std::sync::Arc;

use fastwebsockets::upgrade::UpgradeFut;
use fastwebsockets::{
    FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError, WebSocketWrite,
};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::WriteHalf;
use tokio::sync::Mutex;

type Writer = WebSocketWrite<WriteHalf<TokioIo<Upgraded>>>;

/// Every connection's writing half.
pub(crate) type Clients = Arc<Mutex<Vec<Writer>>>;

/// Registers the connection and passes on what it sends.
pub(crate) async fn serve(upgraded: UpgradeFut, clients: Clients) -> Result<(), WebSocketError> {
    let mut ws = upgraded.await?;
    ws.set_writev(true);
    let (reader, writer) = ws.split(tokio::io::split);
    clients.lock().await.push(writer);
    let mut reader = FragmentCollectorRead::new(reader);
    loop {
        // The load generator sends neither pings nor closes, so nothing is owed in answer.
        let frame = reader
            .read_frame::<_, WebSocketError>(&mut |_| async { unreachable!("nothing is owed") })
            .await?;
        if !matches!(frame.opcode, OpCode::Text | OpCode::Binary) {
            return Ok(());
        }
        let mut clients = clients.lock().await;
        let mut index = 0;
        while index < clients.len() {
            let copy = Frame::new(true, frame.opcode, None, Payload::Borrowed(&frame.payload));
            if clients[index].write_frame(copy).await.is_ok() {
                index += 1;
            } else {
                clients.swap_remove(index);
            }
        }
    }
}
