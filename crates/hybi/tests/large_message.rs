//! A message far larger than the memory it goes through.
//!
//! 256 MiB here; with all 4 GiB:
//! `HYBI_LARGE_MESSAGE_MIB=4096 cargo test --release -p hybi --test large_message -- --nocapture`

use allocation_counter::measure;
use hybi::server::Acceptor;
use hybi::{Client, DeflateOptions, Options, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MIB: u64 = 1024 * 1024;
const PIECE: usize = 16 * 1024;

fn len() -> u64 {
    let mib = std::env::var("HYBI_LARGE_MESSAGE_MIB").ok().and_then(|mib| mib.parse().ok());
    mib.unwrap_or(256) * MIB
}

async fn pair(options: Options) -> (WebSocket, WebSocket) {
    let (ours, theirs) = tokio::io::duplex(PIECE);
    let acceptor = Acceptor::new().options(options.clone());
    let client = Client::new().options(options);
    let (server, client) =
        tokio::join!(acceptor.accept(ours), client.connect_over(theirs, "ws://test/"));
    (server.unwrap().0, client.unwrap())
}

/// What the heap held at most while a message of `len` octets went from one side to the other.
fn held(from_client: bool, len: u64) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let options = Options::new().no_compression().max_buffered(PIECE);
    let (server, client) = runtime.block_on(pair(options));
    let (sender, mut receiver) = if from_client { (client, server) } else { (server, client) };
    let send = async {
        let mut message = sender.message_writer().await.unwrap();
        let copied = tokio::io::copy(&mut tokio::io::repeat(7).take(len), &mut message).await;
        assert_eq!(copied.unwrap(), len);
        message.shutdown().await.unwrap();
    };
    let receive = async {
        let mut message = receiver.message_reader().await.unwrap().unwrap();
        let mut received = 0;
        while let Some(piece) = message.next_piece().await.unwrap() {
            received += piece.len() as u64;
        }
        assert_eq!(received, len);
    };
    let counted = measure(|| {
        runtime.block_on(async { tokio::join!(send, receive) });
    });
    counted.bytes_max
}

#[test]
fn a_large_message_goes_through_in_little_memory_both_ways() {
    for from_client in [true, false] {
        let small = held(from_client, MIB);
        let large = held(from_client, len());
        println!(
            "{} MiB, from the client: {from_client}: {large} bytes at most (1 MiB: {small})",
            len() / MIB
        );
        // Both ends, the copying and the pipe between them; the read chunks are 64 KiB each.
        assert!(small.max(large) <= 256 * 1024, "{small}, {large}");
        // It does not depend on how large the message is.
        assert!(large <= small + 64 * 1024, "{small}, {large}");
    }
}

#[test]
fn a_compressed_message_that_becomes_large_goes_through_in_little_memory() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let options = Options::new().compression(DeflateOptions::new());
    let (server, mut client) = runtime.block_on(pair(options));
    // 16 MiB that are 16 KiB on the wire.
    let text = "x".repeat(16 * MIB as usize);
    runtime.block_on(async { tokio::join!(async { server.send(text).await.unwrap() }) });
    let counted = measure(|| {
        runtime.block_on(async {
            let mut message = client.message_reader().await.unwrap().unwrap();
            let mut received = 0;
            while let Some(piece) = message.next_piece().await.unwrap() {
                received += piece.len() as u64;
            }
            assert_eq!(received, 16 * MIB);
        });
    });
    println!("16 MiB from 16 KiB: {} bytes at most", counted.bytes_max);
    assert!(counted.bytes_max <= 512 * 1024, "{counted:?}");
}
