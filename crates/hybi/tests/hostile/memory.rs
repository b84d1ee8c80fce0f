//! What an attacker can make a connection hold, measured by counting allocations.
//!
//! Everything runs on one thread, so the figures contain the runtime, the pipe (64 KiB each way) and
//! the attacker: they are compared with what the attack would cost if it worked.

use crate::peer::{BOTH, Side, attacker, expects_close, open, open_compressed, wire};
use allocation_counter::measure;
use bytes::Buf;
use hybi::server::Acceptor;
use hybi::{Client, DeflateOptions, ErrorCode, Limits, Message, Options, WebSocket};
use hybi_proto::{Connection, Extensions};
use testkit::{Frame, Script};
use tokio::io::DuplexStream;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * 1024;

/// Runs `attack` on a connection; the most octets that were held at once on top of those held before.
fn held<F: Future<Output = ()>>(
    side: Side,
    options: Options,
    attack: impl FnOnce(WebSocket, Script<DuplexStream>) -> F,
) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        // The buffers of the thread are made before anything is counted.
        let (ws, mut peer) = open(side, &options).await;
        peer.sends(wire(side, Frame::text("warm"))).await;
        let mut ws = ws;
        assert_eq!(ws.recv().await.unwrap().unwrap(), "warm");
        ws.send("warm").await.unwrap();
        peer.expects_frame().await;
    });
    let (ws, peer) = runtime.block_on(open(side, &options));
    measure(|| runtime.block_on(attack(ws, peer))).bytes_max
}

/// Receives until the connection fails; the code of the error.
async fn fails(mut ws: WebSocket) -> ErrorCode {
    loop {
        match ws.recv().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the connection ended without an error"),
            Err(error) => return error.code().unwrap(),
        }
    }
}

#[test]
fn tiny_fragments_cost_no_more_than_their_octets_and_end_with_1008() {
    for side in BOTH {
        let most = held(side, Options::new(), |ws, mut peer| async move {
            let attack = async {
                peer.sends(wire(side, Frame::binary("x").not_final())).await;
                let thousand = wire(side, Frame::continuation("x").not_final()).repeat(1000);
                while peer.try_sends(&thousand).await.is_ok() {}
                expects_close(&mut peer).await
            };
            let (code, close) = tokio::join!(fails(ws), attack);
            assert_eq!((code, close), (ErrorCode::TooManyBufferedParts, 1008));
        });
        assert!(most < 512 * KIB, "{side:?}: {most}");
    }
}

#[test]
fn empty_fragments_are_counted_and_end_with_1008() {
    for side in BOTH {
        let most = held(side, Options::new(), |ws, mut peer| async move {
            let attack = async {
                peer.sends(wire(side, Frame::text("").not_final())).await;
                let thousand = wire(side, Frame::continuation("").not_final()).repeat(1000);
                while peer.try_sends(&thousand).await.is_ok() {}
                expects_close(&mut peer).await
            };
            let (code, close) = tokio::join!(fails(ws), attack);
            assert_eq!((code, close), (ErrorCode::TooManyBufferedParts, 1008));
        });
        assert!(most < 256 * KIB, "{side:?}: {most}");
    }
}

#[test]
fn the_limit_is_that_of_a_message_however_many_frames_it_comes_in() {
    for side in BOTH {
        let options = Options::new().limits(Limits::new().max_message_size(MIB as usize));
        let most = held(side, options, |ws, mut peer| async move {
            let attack = async {
                peer.sends(wire(side, Frame::binary([7; 1000]).not_final())).await;
                let more = wire(side, Frame::continuation([7; 60_000]).not_final());
                while peer.try_sends(&more).await.is_ok() {}
                expects_close(&mut peer).await
            };
            let (code, close) = tokio::join!(fails(ws), attack);
            assert_eq!((code, close), (ErrorCode::UnsupportedMessageLength, 1009));
        });
        // The message while it grows, and the pipe.
        assert!(most < 4 * MIB, "{side:?}: {most}");
    }
}

#[test]
fn a_claimed_length_allocates_nothing_before_its_octets_come() {
    let limits = Limits::new().max_message_size(usize::MAX);
    for side in BOTH {
        for claimed in [1 << 31, 1 << 40, (1 << 53) - 1] {
            let options = Options::new().limits(limits);
            let most = held(side, options, |mut ws, mut peer| async move {
                peer.sends(wire(side, Frame::binary("only this").claiming(claimed))).await;
                peer.closes().await;
                assert!(ws.recv().await.is_err());
            });
            assert!(most < 256 * KIB, "{side:?} {claimed}: {most}");
        }
    }
}

#[test]
fn lengths_that_overflow_are_refused_with_1009() {
    for side in BOTH {
        for claimed in [1 << 53, i64::MAX as u64, 1 << 63, u64::MAX - 1, u64::MAX] {
            let most = held(side, Options::new(), |ws, mut peer| async move {
                let frame = wire(side, Frame::binary("x").claiming(claimed));
                peer.sends(frame).await;
                let (code, close) = tokio::join!(fails(ws), expects_close(&mut peer));
                assert_eq!((code, close), (ErrorCode::UnsupportedDataPayloadLength, 1009));
            });
            assert!(most < 128 * KIB, "{side:?} {claimed}: {most}");
        }
    }
}

/// What it wants to have written.
fn taken(connection: &mut Connection) -> Vec<u8> {
    let mut octets = Vec::new();
    while let Some(mut outgoing) = connection.take() {
        let some = outgoing.remaining();
        octets.extend_from_slice(&outgoing.copy_to_bytes(some));
        connection.sender().written(some);
    }
    octets
}

/// A compressed message of `len` zeros in frames of at most `frame` octets.
fn bomb(side: Side, len: usize, frame: usize) -> Vec<u8> {
    let offer = DeflateOptions::new();
    let (params, _) = offer.accept("permessage-deflate").unwrap().unwrap();
    let mut attacker = attacker(side, &Extensions::none().with_deflate(params), frame);
    attacker.send(Message::binary(vec![0; len])).unwrap();
    let octets = taken(&mut attacker);
    assert!(octets.len() < len / 500, "{} octets", octets.len());
    octets
}

#[test]
fn a_zip_bomb_stops_at_the_limit_and_not_after_it() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let options = Options::new().limits(Limits::new().max_message_size(MIB as usize));
    for (side, frame) in BOTH.into_iter().flat_map(|side| [(side, usize::MAX), (side, 64)]) {
        let bomb = bomb(side, 64 * MIB as usize, frame);
        let (ws, mut peer) = runtime.block_on(open_compressed(side, &options));
        let attack = async {
            let attack = async {
                // What comes after the refusal may not be taken any more.
                let _ = peer.try_sends(&bomb).await;
                expects_close(&mut peer).await
            };
            let (code, close) = tokio::join!(fails(ws), attack);
            assert_eq!((code, close), (ErrorCode::UnsupportedMessageLength, 1009));
        };
        let most = measure(|| runtime.block_on(attack)).bytes_max;
        // The message with what it was copied from as it grew, the pipe, and the states of the
        // thread, which the first one makes; 64 MiB if it worked.
        assert!(most < 5 * MIB / 2, "{side:?} {frame}: {most}");
    }
}

#[test]
fn a_flood_of_pings_to_a_side_that_reads_holds_nothing() {
    for side in BOTH {
        let most = held(side, Options::new(), |mut ws, mut peer| async move {
            let thousand = wire(side, Frame::ping([1; 125])).repeat(1000);
            let attack = async {
                // 50 000 pings of which no pong is read.
                for _ in 0..50 {
                    peer.sends(&thousand).await;
                }
                peer.sends(wire(side, Frame::text("done"))).await;
            };
            let (message, ()) = tokio::join!(ws.recv(), attack);
            assert_eq!(message.unwrap().unwrap(), "done");
            assert!(ws.buffered_amount() < 8 * 1024, "{}", ws.buffered_amount());
        });
        // The pongs would be 6 MiB.
        assert!(most < 512 * KIB, "{side:?}: {most}");
    }
}

#[test]
fn pongs_that_nobody_asked_for_hold_nothing_and_change_nothing() {
    for side in BOTH {
        let most = held(side, Options::new(), |mut ws, mut peer| async move {
            let attack = async {
                let thousand = wire(side, Frame::pong([1; 125])).repeat(1000);
                for _ in 0..50 {
                    peer.sends(&thousand).await;
                }
                peer.sends(wire(side, Frame::text("done"))).await;
            };
            let (message, ()) = tokio::join!(ws.recv(), attack);
            assert_eq!(message.unwrap().unwrap(), "done");
            assert_eq!((ws.round_trip(), ws.buffered_amount()), (None, 0));
        });
        assert!(most < 512 * KIB, "{side:?}: {most}");
    }
}

#[test]
fn a_peer_that_sends_and_never_reads_makes_a_server_that_echoes_hold_max_buffered() {
    let options = Options::new().max_buffered(100_000);
    let most = held(Side::Server, options, |mut ws, mut peer| async move {
        let echo = tokio::spawn(async move {
            while let Some(message) = ws.recv().await? {
                ws.send(message).await?;
            }
            Ok::<_, hybi::Error>(())
        });
        let thousand = wire(Side::Server, Frame::binary([7; 1000])).repeat(100);
        // The pipes fill, the echo waits in `send`, and nothing more is read.
        let flood = async {
            for _ in 0..1000 {
                peer.sends(&thousand).await;
            }
        };
        tokio::select! {
            () = flood => panic!("100 MB were taken from a peer that reads nothing"),
            () = quiet() => {}
        }
        drop(peer);
        assert!(echo.await.unwrap().is_err());
    });
    assert!(most < MIB, "{most}");
}

/// Long enough for everything else on this thread to have come to rest.
async fn quiet() {
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
}

/// How a connection goes until it ends.
#[derive(Debug, Clone, Copy)]
enum Life {
    /// Messages both ways, then a goodbye.
    Whole,
    /// The same, compressed, until every window is full.
    Compressed,
    /// The peer goes without a word, in the middle of a message.
    Torn,
    /// The peer breaks a rule.
    Failed,
    /// Our side is dropped while the peer reads nothing.
    Unread,
    /// The opening handshake does not end.
    Half,
}

async fn live(side: Side, life: Life) {
    if let Life::Half = life {
        let (mut peer, stream) = Script::pair();
        let silent = async {
            if side == Side::Server {
                peer.sends("GET / HTTP/1.1\r\nHost: ").await;
            }
            peer
        };
        let given_up = async {
            match side {
                Side::Server => drop(Acceptor::new().accept(stream).await.unwrap_err()),
                Side::Client => {
                    drop(Client::new().connect_over(stream, "ws://x/").await.unwrap_err());
                }
            }
        };
        tokio::join!(silent, given_up);
        return;
    }
    let options = Options::new();
    if let Life::Compressed = life {
        let (mut ws, mut peer) = open_compressed(side, &options).await;
        let offer = DeflateOptions::new();
        let (params, _) = offer.accept("permessage-deflate").unwrap().unwrap();
        let mut theirs = attacker(side, &Extensions::none().with_deflate(params), usize::MAX);
        for number in 0..30 {
            let text = format!("{number}, ").repeat(600);
            theirs.send(Message::text(text.clone())).unwrap();
            peer.sends(taken(&mut theirs)).await;
            assert_eq!(ws.recv().await.unwrap().unwrap(), text.as_str());
            ws.send(text).await.unwrap();
            peer.expects_frame().await;
        }
        drop(peer);
        assert!(ws.recv().await.is_err());
        return;
    }
    let (mut ws, mut peer) = open(side, &options).await;
    for text in ["one", "two"] {
        peer.sends(wire(side, Frame::text(text))).await;
        let message = ws.recv().await.unwrap().unwrap();
        ws.send(message).await.unwrap();
        peer.expects_frame().await;
    }
    match life {
        Life::Whole => {
            peer.sends(wire(side, Frame::close(1000, ""))).await;
            assert_eq!(ws.recv().await.unwrap(), None);
        }
        Life::Torn => {
            peer.sends(wire(side, Frame::binary([7; 10_000]).not_final())).await;
            drop(peer);
            assert!(ws.recv().await.is_err());
        }
        Life::Failed => {
            peer.sends(wire(side, Frame::text([0xff]))).await;
            drop(peer);
            assert!(ws.recv().await.is_err());
        }
        Life::Unread => {
            ws.send(Message::binary([7; 500_000].to_vec())).await.unwrap();
            drop(ws);
            // Until our side is given up.
            tokio::time::sleep(std::time::Duration::from_secs(100)).await;
            drop(peer);
        }
        Life::Compressed | Life::Half => unreachable!(),
    }
}

#[test]
fn a_connection_that_has_ended_leaves_nothing() {
    use Life::*;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    for side in BOTH {
        for life in [Whole, Compressed, Torn, Failed, Unread, Half] {
            let lives = |count| {
                runtime.block_on(async {
                    for _ in 0..count {
                        live(side, life).await;
                    }
                });
            };
            // What belongs to the thread is made once.
            lives(3);
            let left = measure(|| lives(50));
            assert_eq!((left.bytes_current, left.count_current), (0, 0), "{side:?} {life:?}");
        }
    }
}
