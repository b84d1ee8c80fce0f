//! Frames that no honest peer sends.

use crate::peer::{BOTH, Side, expects_close, open, wire};
use hybi::{CloseCode, ErrorCode, Event, Options};
use std::time::Duration;
use testkit::{Frame, KEY, LengthForm};

#[tokio::test]
async fn every_violation_is_told_apart_and_answered_with_its_close_code() {
    use ErrorCode::*;
    for side in BOTH {
        let wrongly_masked = match side {
            Side::Server => (Frame::text("x"), ExpectedMask),
            Side::Client => (Frame::text("x").masked(KEY), UnexpectedMask),
        };
        let (frame, code) = wrongly_masked;
        let table = [
            (frame.octets(), code, 1002),
            (wire(side, Frame::text("x").rsv(4)), UnexpectedRsv1, 1002),
            (wire(side, Frame::text("x").rsv(2)), UnexpectedRsv23, 1002),
            (wire(side, Frame::ping("x").rsv(4)), UnexpectedRsv1, 1002),
            (wire(side, testkit::frame(3, "x")), InvalidOpcode, 1002),
            (wire(side, testkit::frame(15, "x")), InvalidOpcode, 1002),
            (wire(side, Frame::continuation("x")), InvalidOpcode, 1002),
            (wire(side, Frame::ping("x").not_final()), ExpectedFin, 1002),
            (wire(side, Frame::ping([0; 126])), InvalidControlPayloadLength, 1002),
            (wire(side, testkit::frame(8, "x")), InvalidControlPayloadLength, 1002),
            (wire(side, Frame::close(1006, "")), InvalidCloseCode, 1002),
            (wire(side, Frame::close(0, "")), InvalidCloseCode, 1002),
            (wire(side, testkit::frame(8, b"\x03\xe8\xff")), InvalidUtf8, 1007),
            (wire(side, Frame::text(b"\xc0\x80")), InvalidUtf8, 1007),
            (wire(side, Frame::text(b"\xed\xa0\x80")), InvalidUtf8, 1007),
            (wire(side, Frame::text("x").length_form(LengthForm::Medium)), NonMinimalLength, 1002),
            (wire(side, Frame::text("x").length_form(LengthForm::Long)), NonMinimalLength, 1002),
        ];
        for (octets, code, close) in table {
            let (mut ws, mut peer) = open(side, &Options::new()).await;
            peer.sends(&octets).await;
            let error = ws.recv().await.unwrap_err();
            assert_eq!(error.code(), Some(code), "{side:?} {}", testkit::hex(&octets));
            assert_eq!(expects_close(&mut peer).await, close, "{side:?} {code:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_after_the_close_frame_is_not_delivered() {
    for side in BOTH {
        let (mut ws, mut peer) = open(side, &Options::new()).await;
        let mut octets = wire(side, Frame::close(1000, ""));
        octets.extend(wire(side, Frame::text("smuggled")));
        peer.sends(octets).await;
        assert_eq!(ws.recv().await.unwrap(), None);
        assert_eq!(expects_close(&mut peer).await, 1000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_pong_measures_no_round_trip() {
    let options = Options::new().ping_interval(Duration::from_secs(10));
    for side in BOTH {
        let (mut ws, mut peer) = open(side, &options).await;
        let attack = async {
            // Before there is a ping, one that guesses its payload.
            peer.sends(wire(side, Frame::pong([0, 0, 0, 1]))).await;
            let ping = peer.expects_frame().await;
            assert_eq!((ping.opcode, &ping.payload[..]), (9, &[0, 0, 0, 1][..]));
            for wrong in [&b""[..], &[0, 0, 0, 2], &[0, 0, 0, 1, 0], &[0; 125]] {
                peer.sends(wire(side, Frame::pong(wrong))).await;
            }
            peer.sends(wire(side, Frame::text("done"))).await;
        };
        let (message, ()) = tokio::join!(ws.recv(), attack);
        assert_eq!(message.unwrap().unwrap(), "done");
        assert_eq!(ws.round_trip(), None);
    }
}

#[tokio::test]
async fn a_ping_is_answered_with_its_own_octets_and_no_others() {
    for side in BOTH {
        let (mut ws, mut peer) = open(side, &Options::new()).await;
        for len in 0..=125usize {
            // A long one before, so that its octets lie in every buffer that is used again.
            peer.sends(wire(side, Frame::ping([0xaa; 125]))).await;
            peer.sends(wire(side, Frame::ping(vec![0x55; len]))).await;
            assert!(matches!(ws.next_event().await.unwrap(), Some(Event::Ping(_))));
            assert!(matches!(ws.next_event().await.unwrap(), Some(Event::Ping(_))));
            let reading = ws.next_event();
            let expecting = async {
                assert_eq!(peer.expects_frame().await.payload, [0xaa; 125]);
                assert_eq!(peer.expects_frame().await.payload, vec![0x55; len]);
                peer.sends(wire(side, Frame::pong(""))).await;
            };
            let (event, ()) = tokio::join!(reading, expecting);
            assert!(matches!(event.unwrap(), Some(Event::Pong(_))));
        }
    }
}

#[tokio::test]
async fn a_close_frame_carries_code_and_reason_and_no_other_octet() {
    for side in BOTH {
        for len in [0, 1, 2, 3, 61, 122, 123] {
            let (ws, mut peer) = open(side, &Options::new()).await;
            ws.send(vec![0xaa; 70_000]).await.unwrap();
            let reason = "r".repeat(len);
            let closing = ws.writer();
            let expecting = async {
                assert_eq!(peer.expects_frame().await.payload, [0xaa; 70_000]);
                peer.expects_frame().await
            };
            let (closed, close) =
                tokio::join!(closing.close(CloseCode::NORMAL, &reason), expecting);
            closed.unwrap();
            let expected = [&1000u16.to_be_bytes()[..], reason.as_bytes()].concat();
            assert_eq!(close.payload, expected);
        }
        let (ws, _peer) = open(side, &Options::new()).await;
        // 124 octets do not fit: an error, not a frame that is cut.
        let error = ws.writer().close(CloseCode::NORMAL, &"r".repeat(124)).await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::InvalidArgument));
    }
}
