//! Slow loris at each stage, on a virtual clock: whoever takes too long is given up at a time that
//! has a name.

use crate::peer::{BOTH, Side, expects_close, open, open_on, wire};
use hybi::server::Acceptor;
use hybi::{Client, CloseCode, ClosedBy, Error, ErrorCode, Options};
use std::time::Duration;
use testkit::{Faulty, Frame, Script};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_given_up_after_the_handshake_timeout() {
    let (_peer, stream) = Script::pair();
    let begin = Instant::now();
    let error = Acceptor::new().accept(stream).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::HandshakeTimeout), "{error}");
    assert_eq!(begin.elapsed(), 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_head_in_drops_does_not_put_the_handshake_timeout_off() {
    for side in BOTH {
        let (mut peer, stream) = Script::pair();
        let begin = Instant::now();
        let drip = tokio::spawn(async move {
            let head = match side {
                Side::Server => "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                Side::Client => "HTTP/1.1 101 Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            };
            for octet in head.bytes() {
                peer.sends([octet]).await;
                sleep(SECOND).await;
            }
        });
        let (error, limit) = match side {
            Side::Server => (Acceptor::new().accept(stream).await.unwrap_err(), 10 * SECOND),
            Side::Client => {
                let client = Client::new().handshake_timeout(20 * SECOND);
                let result = client.connect_over(stream, "ws://localhost/").await;
                (result.unwrap_err(), 20 * SECOND)
            }
        };
        assert_eq!(error.code(), Some(ErrorCode::HandshakeTimeout), "{error}");
        assert_eq!(begin.elapsed(), limit);
        drip.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_frame_is_given_up_with_the_heartbeat() {
    let options = Options::new().ping_interval(10 * SECOND).ping_timeout(5 * SECOND);
    for side in BOTH {
        for cut in 1..8 {
            let (mut ws, mut peer) = open(side, &options).await;
            peer.sends(&wire(side, Frame::text("half a frame"))[..cut]).await;
            let begin = Instant::now();
            let error = ws.recv().await.unwrap_err();
            assert_eq!(error.code(), Some(ErrorCode::PeerTimeout), "{error}");
            assert!(begin.elapsed() <= 25 * SECOND, "{:?}", begin.elapsed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_in_drops_is_closed_by_the_idle_timeout() {
    // Each octet proves life to the heartbeat; only whole messages count for the idle timeout.
    let options = Options::new().ping_interval(10 * SECOND).idle_timeout(60 * SECOND);
    for side in BOTH {
        let (mut ws, mut peer) = open(side, &options).await;
        let begin = Instant::now();
        let drip = tokio::spawn(async move {
            let mut octets = wire(side, Frame::binary([7; 20_000]));
            octets.extend(wire(side, Frame::text("never comes")));
            for octet in octets {
                if peer.try_sends([octet]).await.is_err() {
                    return;
                }
                sleep(SECOND).await;
            }
            panic!("20000 s were not enough");
        });
        let error = ws.recv().await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::PeerTimeout), "{error}");
        // The Close frame at 60 s, and then the close timeout, because it is not answered.
        assert_eq!(begin.elapsed(), 90 * SECOND);
        assert_eq!(ws.close_info().unwrap().by(), ClosedBy::Us);
        drop(ws);
        drip.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_message_and_then_silence_is_given_up_with_the_heartbeat() {
    let options = Options::new().ping_interval(10 * SECOND).ping_timeout(5 * SECOND);
    for side in BOTH {
        let (mut ws, mut peer) = open(side, &options).await;
        peer.sends(wire(side, Frame::text("half a message").not_final())).await;
        let error = ws.recv().await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::PeerTimeout), "{error}");
    }
}

/// A peer that reads nothing from now on, and a connection with octets that it does not take.
async fn stuffed(
    side: Side,
    options: &Options,
) -> (hybi::WebSocket, Script<tokio::io::DuplexStream>) {
    let (ws, peer) = open(side, options).await;
    // The pipe holds 64 KiB.
    ws.send(vec![0; 200_000]).await.unwrap();
    assert!(ws.buffered_amount() > 100_000);
    (ws, peer)
}

/// Waits until our side has let go of the stream.
async fn is_let_go(mut peer: Script<tokio::io::DuplexStream>, side: Side) -> Duration {
    let begin = Instant::now();
    let ping = wire(side, Frame::ping(""));
    while peer.try_sends(&ping).await.is_ok() {
        assert!(begin.elapsed() < 1000 * SECOND, "the stream is held for ever");
        sleep(SECOND).await;
    }
    begin.elapsed()
}

#[tokio::test(start_paused = true)]
async fn who_never_reads_is_given_up_with_the_heartbeat() {
    let options = Options::new().ping_interval(10 * SECOND).ping_timeout(5 * SECOND);
    for side in BOTH {
        let (mut ws, peer) = stuffed(side, &options).await;
        let waiting = ws.writer();
        let waiting = tokio::spawn(async move { waiting.send(vec![0; 2_000_000]).await });
        let error = ws.recv().await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::PeerTimeout), "{error}");
        assert!(matches!(waiting.await.unwrap(), Err(Error::Timeout(_))));
        is_let_go(peer, side).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_never_reads_and_breaks_the_rules_is_given_up_after_the_close_timeout() {
    for side in BOTH {
        let (mut ws, mut peer) = stuffed(side, &Options::new()).await;
        peer.sends(wire(side, Frame::text("").rsv(2))).await;
        assert!(matches!(ws.recv().await, Err(Error::Protocol(_))));
        drop(ws);
        assert!(is_let_go(peer, side).await <= 70 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn who_never_reads_and_says_goodbye_is_given_up_after_the_close_timeout() {
    for side in BOTH {
        let (mut ws, mut peer) = stuffed(side, &Options::new()).await;
        peer.sends(wire(side, Frame::close(1000, ""))).await;
        assert_eq!(ws.recv().await.unwrap(), None);
        drop(ws);
        assert!(is_let_go(peer, side).await <= 70 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn who_never_reads_and_is_said_goodbye_to_is_given_up_after_the_close_timeout() {
    for side in BOTH {
        let (mut ws, peer) = stuffed(side, &Options::new()).await;
        let begin = Instant::now();
        assert!(ws.close(CloseCode::NORMAL, "").await.is_err());
        assert_eq!(begin.elapsed(), 30 * SECOND);
        is_let_go(peer, side).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_never_reads_does_not_keep_a_connection_that_nobody_holds_any_more() {
    for side in BOTH {
        let (ws, peer) = stuffed(side, &Options::new()).await;
        drop(ws);
        assert!(is_let_go(peer, side).await <= 70 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_gets_what_was_accepted_before_it_was_dropped() {
    for side in BOTH {
        let (ws, mut peer) = stuffed(side, &Options::new()).await;
        drop(ws);
        // 20 s for 200 kB: less than the close timeout.
        let begin = Instant::now();
        let mut read = 0;
        while read < 200_000 {
            sleep(SECOND).await;
            read += peer.reads_up_to(10_000).await;
        }
        assert!(begin.elapsed() >= 19 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn who_broke_the_rules_and_goes_on_sending_is_listened_to_for_2_s_at_most() {
    for side in BOTH {
        let (mut ws, mut peer) = open(side, &Options::new()).await;
        peer.sends(wire(side, Frame::text("").rsv(2))).await;
        assert!(ws.recv().await.is_err());
        assert_eq!(expects_close(&mut peer).await, 1002);
        drop(ws);
        assert!(is_let_go(peer, side).await <= 3 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_finishes_its_flush_does_not_hold_the_handshake() {
    let (mut peer, stream) = Script::pair();
    let stream = Faulty::new(stream);
    stream.write_gate().close();
    peer.sends(
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    )
    .await;
    let error = Acceptor::new().accept(stream).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::HandshakeTimeout), "{error}");
}

#[tokio::test(start_paused = true)]
async fn no_stage_needs_more_than_one_octet_at_a_time() {
    let octet_by_octet = |stream| Faulty::worst(stream, 7);
    for side in BOTH {
        let (mut ws, mut peer) = open_on(side, &Options::new(), "", octet_by_octet).await;
        peer.sends_one_by_one(wire(side, Frame::text("slow but honest"))).await;
        assert_eq!(ws.recv().await.unwrap().unwrap(), "slow but honest");
    }
}

#[tokio::test(start_paused = true)]
async fn a_network_that_stands_still_for_30_s_loses_nothing() {
    // Some for the heartbeat to ask, and wait for the answer, in vain.
    let patient = Options::new().ping_interval(20 * SECOND).ping_timeout(40 * SECOND);
    for options in [Options::new(), patient] {
        for side in BOTH {
            let (mut ws, mut peer) = open(side, &options).await;
            let arriving = wire(side, Frame::text("cut in two by the stall"));
            peer.sends(&arriving[..9]).await;
            let begin = Instant::now();
            let writer = ws.writer();
            let accepting = async {
                // More than the pipe holds.
                for number in 0..200u32 {
                    let octets = [&number.to_be_bytes()[..], &[7; 1000]].concat();
                    writer.send(octets).await.unwrap();
                }
                writer.flush().await.unwrap();
            };
            let standing_still = async {
                sleep(30 * SECOND).await;
                peer.sends(&arriving[9..]).await;
                let mut number = 0u32;
                while number < 200 {
                    let frame = peer.expects_frame().await;
                    if frame.opcode == 2 {
                        assert_eq!(frame.payload[..4], number.to_be_bytes());
                        number += 1;
                    }
                }
            };
            let (message, (), ()) = tokio::join!(ws.recv(), accepting, standing_still);
            assert_eq!(message.unwrap().unwrap(), "cut in two by the stall");
            assert!(begin.elapsed() >= 30 * SECOND);
            assert!(ws.is_open());
        }
    }
}
