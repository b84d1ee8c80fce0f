//! tokio's floor: one task per connection that writes back what each read brought.
//!
//! The buffer belongs to the thread and is held only between a read and its write, so an idle connection has none:
//! what is left is the task and the socket.

mod canned;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nix::sys::socket::setsockopt;
use nix::{setsockopt_impl, sockopt_impl};
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

sockopt_impl!(
    /// What the server of hybi asks the kernel for.
    DeferAccept, SetOnly, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, u32
);

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 << 10]);
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).expect("usage: raw-tokio ADDRESS [--defer-accept]");
    let deferred = std::env::args().nth(2).is_some_and(|argument| argument == "--defer-accept");
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        if deferred {
            setsockopt(&listener, DeferAccept, &1)?;
        }
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
    while let Some(unsent) = poll_fn(|cx| poll_turn(&mut stream, cx, &mut upgraded)).await? {
        stream.write_all(&unsent).await?;
    }
    Ok(())
}

/// One read and its write; returns what the socket did not take, or `None` at the end.
///
/// `poll_read` and not `try_read`: only the former knows that a read that did not fill the buffer took all there was.
fn poll_turn(
    stream: &mut TcpStream,
    cx: &mut Context<'_>,
    upgraded: &mut bool,
) -> Poll<io::Result<Option<Vec<u8>>>> {
    BUFFER.with_borrow_mut(|buffer| {
        let mut read = ReadBuf::new(buffer);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut read))?;
        let mut answer = read.filled();
        if answer.is_empty() {
            return Poll::Ready(Ok(None));
        }
        if !*upgraded {
            // The load generator writes its head whole and waits for the answer.
            *upgraded = answer.ends_with(canned::END_OF_HEAD);
            answer = canned::RESPONSE;
        }
        let written = match stream.try_write(answer) {
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Poll::Ready(Err(error)),
        };
        // Allocates only for a peer that does not read fast enough.
        Poll::Ready(Ok(Some(answer[written..].to_vec())))
    })
}
