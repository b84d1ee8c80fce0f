//! What must not be guessed, and what must not be told to others.

use crate::peer::{Side, open};
use hybi::Options;
use std::collections::HashSet;

#[tokio::test]
async fn masking_keys_cannot_be_foreseen() {
    let mut keys = Vec::new();
    // Several connections: none begins where another one did.
    for _ in 0..8 {
        let (ws, mut peer) = open(Side::Client, &Options::new()).await;
        for _ in 0..256 {
            ws.send("x").await.unwrap();
            keys.push(peer.expects_frame().await.mask.unwrap());
        }
    }
    let different: HashSet<_> = keys.iter().collect();
    // 2048 of 2^32: two that are equal are expected once in two thousand runs.
    assert!(different.len() >= keys.len() - 1);
    // No bit is fixed, and none follows the one before: 16 standard deviations are allowed.
    let words: Vec<u32> = keys.iter().map(|key| u32::from_be_bytes(*key)).collect();
    let changes: Vec<u32> = words.windows(2).map(|pair| pair[0] ^ pair[1]).collect();
    for words in [words, changes] {
        for bit in 0..32 {
            let ones = words.iter().filter(|word| *word >> bit & 1 == 1).count();
            assert!(ones.abs_diff(words.len() / 2) < 362, "bit {bit}: {ones} of {}", words.len());
        }
    }
}

#[tokio::test]
async fn nonces_of_the_handshake_do_not_repeat() {
    let mut nonces = HashSet::new();
    for _ in 0..100 {
        let (mut peer, stream) = testkit::Script::pair();
        let client = hybi::Client::new();
        let (ws, request) =
            tokio::join!(client.connect_over(stream, "ws://localhost/"), peer.accepts([]));
        ws.unwrap();
        let key = request.lines().find(|line| line.starts_with("Sec-WebSocket-Key: ")).unwrap();
        assert!(nonces.insert(key.to_owned()), "{key}");
    }
}
