//! [`FaultProxy`]: a TCP proxy that does to a connection what networks do.

use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What happens to a direction once so many octets have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Both sides see the end of the stream.
    Cut,
    /// The receiver of this direction sees a RST, the other side the end or a RST.
    Reset,
    /// Nothing passes any more in this direction, and nobody is told.
    Stall,
    /// The receiver sees the end of this direction; the other direction goes on.
    HalfClose,
    /// What comes later passes octet by octet.
    Drip,
}

/// Which way the octets go that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// A proxy on the loopback interface that lets one connection through to `server`, and strikes once.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    struck: oneshot::Receiver<()>,
    task: JoinHandle<io::Result<()>>,
}

impl FaultProxy {
    /// Strikes after `octets` octets in `direction`.
    ///
    /// # Errors
    /// If no port can be listened on.
    pub async fn start(
        server: SocketAddr,
        direction: Direction,
        octets: usize,
        fault: Fault,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (strike, struck) = oneshot::channel();
        let task = tokio::spawn(async move {
            let (client, _) = listener.accept().await?;
            let server = TcpStream::connect(server).await?;
            client.set_nodelay(true)?;
            server.set_nodelay(true)?;
            carry(client, server, direction, octets, fault, strike).await
        });
        Ok(FaultProxy { address, struck, task })
    }

    /// Where the client connects to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the fault has struck; false if the connection ended before.
    pub async fn struck(&mut self) -> bool {
        (&mut self.struck).await.is_ok()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    client: TcpStream,
    server: TcpStream,
    direction: Direction,
    octets: usize,
    fault: Fault,
    strike: oneshot::Sender<()>,
) -> io::Result<()> {
    if fault == Fault::Reset {
        // Whatever becomes of the sockets: closing them resets.
        client.set_zero_linger()?;
        server.set_zero_linger()?;
    }
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let (faulty, honest) = match direction {
        Direction::Up => ((client_read, server_write), (server_read, client_write)),
        Direction::Down => ((server_read, client_write), (client_read, server_write)),
    };
    let (mut from, mut to) = faulty;
    let honest = tokio::spawn(pass(honest.0, honest.1));
    let whole = pass_some(&mut from, &mut to, octets).await?;
    if !whole {
        to.shutdown().await?;
        let _ = honest.await;
        return Ok(());
    }
    // Nobody may be interested in when it strikes.
    let _ = strike.send(());
    match fault {
        Fault::Cut => honest.abort(),
        Fault::Reset => {
            // Dropping this half would end the stream before the RST.
            to.forget();
            honest.abort();
        }
        Fault::Stall => std::future::pending().await,
        Fault::HalfClose => {
            to.shutdown().await?;
            let _ = honest.await;
        }
        Fault::Drip => {
            while pass_some(&mut from, &mut to, 1).await? {
                tokio::task::yield_now().await;
            }
            to.shutdown().await?;
            let _ = honest.await;
        }
    }
    Ok(())
}

/// Passes exactly so many octets; false if the stream ends before.
async fn pass_some(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut octets: usize,
) -> io::Result<bool> {
    let mut buffer = vec![0; 4096];
    while octets > 0 {
        let most = octets.min(buffer.len());
        match from.read(&mut buffer[..most]).await? {
            0 => return Ok(false),
            read => {
                to.write_all(&buffer[..read]).await?;
                octets -= read;
            }
        }
    }
    Ok(true)
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    tokio::io::copy(&mut from, &mut to).await?;
    to.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn through(fault: Fault) -> io::Result<Vec<u8>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        let mut proxy = FaultProxy::start(server, Direction::Down, 3, fault).await.unwrap();
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        accepted.write_all(b"abcdef").await.unwrap();
        assert!(proxy.struck().await);
        accepted.shutdown().await.ok();
        let mut received = Vec::new();
        client.read_to_end(&mut received).await?;
        Ok(received)
    }

    #[tokio::test]
    async fn each_fault_is_seen_as_what_it_is() {
        assert_eq!(through(Fault::HalfClose).await.unwrap(), b"abc");
        assert_eq!(through(Fault::Drip).await.unwrap(), b"abcdef");
        let reset = through(Fault::Reset).await.unwrap_err();
        assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
        // What was not read makes the cut a reset for some.
        match through(Fault::Cut).await {
            Ok(received) => assert_eq!(received, b"abc"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
    }
}
