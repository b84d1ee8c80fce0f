//! tokio's floor: one task per connection that writes back what each read brought.
//!
//! The buffer belongs to the thread and is held only between a read and its write, so an idle connection has none:
//! what is left is the task and the socket.

mod canned;

use std::cell::RefCell;
use std::io::{self, ErrorKind};

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 << 10]);
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).expect("usage: raw-tokio ADDRESS");
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A peer that resets its connection is the ordinary end of a round.
            tokio::spawn(async move { serve(stream).await.ok() });
        }
    })
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut upgraded = false;
    loop {
        stream.readable().await?;
        let mut unsent = Vec::new();
        let end = BUFFER.with_borrow_mut(|buffer| {
            let read = match stream.try_read(buffer) {
                Ok(0) => return Ok(true),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            let mut answer = &buffer[..read];
            if !upgraded {
                // The load generator writes its head whole and waits for the answer.
                upgraded = answer.ends_with(canned::END_OF_HEAD);
                answer = canned::RESPONSE;
            }
            let written = match stream.try_write(answer) {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            };
            // Allocates only for a peer that does not read fast enough.
            unsent.extend_from_slice(&answer[written..]);
            Ok(false)
        })?;
        if end {
            return Ok(());
        }
        stream.write_all(&unsent).await?;
    }
}
