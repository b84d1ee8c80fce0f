//! 10,000 clients, one of whom never reads: the others get everything, and memory stays bounded.
//!
//! Over pipes in memory, so that neither file descriptors nor the kernel's buffers decide.

use allocation_counter::measure;
use hybi::server::Acceptor;
use hybi::{Group, Options, SlowClient, WebSocket};
use std::num::NonZeroUsize;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const ROUNDS: usize = 25;
const MESSAGE: usize = 1024;
const MAX_BUFFERED: usize = 16 * 1024;
/// What a pipe holds: room for one message, not for all.
const PIPE: usize = 2 * MESSAGE;

/// The server's end of a connection, and the client's octets.
async fn open(acceptor: &Acceptor) -> (WebSocket, DuplexStream) {
    let (ours, mut theirs) = tokio::io::duplex(PIPE);
    let request = "GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    theirs.write_all(request.as_bytes()).await.unwrap();
    let (ws, _) = acceptor.accept(ours).await.unwrap();
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        response.push(theirs.read_u8().await.unwrap());
    }
    (ws, theirs)
}

/// What became of the messages to the one that never reads.
#[derive(Debug, Default)]
struct Slow {
    dropped: usize,
    kept: usize,
    closed: usize,
    buffered: usize,
}

fn crowd(size: usize, policy: SlowClient) -> Slow {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let acceptor = Acceptor::new().options(Options::new().max_buffered(MAX_BUFFERED));
    let group = Group::with_policy(policy);
    let (mut servers, mut members, mut clients) = (Vec::new(), Vec::new(), Vec::new());
    runtime.block_on(async {
        for _ in 0..size {
            let (ws, client) = open(&acceptor).await;
            members.push(group.join(&ws.writer()));
            servers.push(ws);
            clients.push(client);
        }
        // The pipes get their room.
        group.broadcast(vec![0; MESSAGE]);
        for client in &mut clients[1..] {
            client.read_exact(&mut [0; 4 + MESSAGE]).await.unwrap();
        }
    });
    let mut slow = Slow::default();
    let mut frame = vec![0; 4 + MESSAGE];
    let held = measure(|| {
        runtime.block_on(async {
            for round in 0..ROUNDS {
                let delivery = group.broadcast(vec![round as u8; MESSAGE]);
                slow.dropped += delivery.dropped;
                slow.kept += delivery.kept;
                slow.closed += delivery.closed;
                // Nothing is missed by those who read.
                assert!(delivery.sent >= size - 1, "round {round}: {delivery:?}");
                for client in &mut clients[1..] {
                    client.read_exact(&mut frame).await.unwrap();
                    assert_eq!(frame[..4], [0x82, 126, 4, 0]);
                    assert!(frame[4..].iter().all(|octet| *octet == round as u8), "{round}");
                }
                assert!(servers[1..].iter().all(|ws| ws.buffered_amount() == 0));
            }
        });
    });
    let most = held.bytes_max / 1024;
    println!(
        "{policy:?}, {size} clients: {} bytes more after {ROUNDS} rounds, {most} KiB at most",
        held.bytes_current
    );
    // What may wait for the slow one, in its connection and in the group, and some change.
    assert!(held.bytes_current <= 128 * 1024, "{policy:?}: {held:?}");
    // While a round is queued each connection holds a reference to the one message, no copy.
    assert!(held.bytes_max <= size as u64 * 512 + 128 * 1024, "{policy:?}: {held:?}");
    slow.buffered = servers[0].buffered_amount();
    assert!(slow.buffered <= MAX_BUFFERED + 128, "{slow:?}");
    slow
}

#[test]
fn one_of_10_000_that_never_reads_misses_the_newest() {
    let slow = crowd(10_000, SlowClient::DropNewest);
    // The pipe and the connection hold some, the rest it misses.
    assert!((1..ROUNDS).contains(&slow.dropped), "{slow:?}");
    assert_eq!((slow.closed, slow.kept), (0, 0));
}

#[test]
fn one_of_1000_that_never_reads_misses_the_oldest() {
    let slow = crowd(1000, SlowClient::DropOldest(NonZeroUsize::new(3).unwrap()));
    // Three wait in the group; of every further one an older is dropped.
    assert_eq!(slow.kept, slow.dropped + 3, "{slow:?}");
    assert!(slow.dropped > 0, "{slow:?}");
    assert_eq!(slow.closed, 0);
}

#[test]
fn one_of_1000_that_never_reads_is_closed_with_1013() {
    let slow = crowd(1000, SlowClient::Close);
    // From then on it is gone.
    assert_eq!((slow.closed, slow.dropped, slow.kept), (1, 0, 0), "{slow:?}");
}
