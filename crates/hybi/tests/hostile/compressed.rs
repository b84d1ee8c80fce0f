//! Compressed messages made by hand (RFC 7692), through a whole connection.

use crate::peer::{BOTH, expects_close, open_compressed, wire};
use hex_literal::hex;
use hybi::{ErrorCode, Options};
use testkit::Frame;

/// "Hello" (§7.2.3.1), and once more with the first as context (§7.2.3.2).
const HELLO: [u8; 7] = hex!("f2 48 cd c9 c9 07 00");
const AGAIN: [u8; 5] = hex!("f2 00 11 00 00");
const RSV1: u8 = 4;

#[tokio::test]
async fn a_compressed_message_in_fragments_with_pings_between_and_an_empty_end_is_whole() {
    for side in BOTH {
        let (mut ws, mut peer) = open_compressed(side, &Options::new()).await;
        for (message, fragments) in
            [(&HELLO[..], [1, 3]), (&AGAIN[..], [2, 2]), (&AGAIN[..], [0, 5])]
        {
            let [first, second] = fragments;
            let rest = &message[first..];
            let second = &rest[..second.min(rest.len())];
            let third = &rest[second.len()..];
            for frame in [
                Frame::text(&message[..first]).rsv(RSV1).not_final(),
                Frame::ping("one"),
                Frame::continuation(second).not_final(),
                Frame::pong("unasked"),
                Frame::continuation(third).not_final(),
                Frame::ping("two"),
                Frame::continuation(""),
            ] {
                peer.sends(wire(side, frame)).await;
            }
            assert_eq!(ws.recv().await.unwrap().unwrap(), "Hello");
            ws.flush().await.unwrap();
            for ping in ["one", "two"] {
                let pong = peer.expects_frame().await;
                assert_eq!((pong.opcode, pong.rsv), (10, 0), "a control frame is not compressed");
                assert_eq!(pong.payload, ping.as_bytes());
            }
        }
        // What comes uncompressed between is in no window.
        peer.sends(wire(side, Frame::text("plain"))).await;
        peer.sends(wire(side, Frame::text(AGAIN).rsv(RSV1))).await;
        assert_eq!(ws.recv().await.unwrap().unwrap(), "plain");
        assert_eq!(ws.recv().await.unwrap().unwrap(), "Hello");
    }
}

#[tokio::test]
async fn rsv1_on_a_continuation_or_a_control_frame_fails_with_1002() {
    for side in BOTH {
        for wrong in [
            vec![
                Frame::text(&HELLO[..3]).rsv(RSV1).not_final(),
                Frame::continuation(&HELLO[3..]).rsv(RSV1),
            ],
            vec![Frame::text("Hel").not_final(), Frame::continuation("lo").rsv(RSV1)],
            vec![Frame::ping(HELLO).rsv(RSV1)],
            vec![Frame::pong("").rsv(RSV1)],
            vec![Frame::close(1000, "").rsv(RSV1)],
        ] {
            let (mut ws, mut peer) = open_compressed(side, &Options::new()).await;
            for frame in wrong {
                peer.sends(wire(side, frame)).await;
            }
            let (received, close) = tokio::join!(ws.recv(), expects_close(&mut peer));
            assert_eq!(received.unwrap_err().code(), Some(ErrorCode::UnexpectedRsv1));
            assert_eq!(close, 1002);
        }
    }
}

#[tokio::test]
async fn truncated_corrupt_and_trailing_data_fail_with_1007() {
    for side in BOTH {
        for (wrong, why) in [
            (&HELLO[..5], "truncated"),
            (&hex!("ff")[..], "corrupt: a block of type 3"),
            (&hex!("00 05 00 fa fe")[..], "corrupt: the lengths of a stored block"),
            (&AGAIN[..], "corrupt: it refers to nothing"),
            (&hex!("f2 48 cd c9 c9 07 00 00 00 ff ff")[..], "trailing: the tail"),
            (&hex!("f2 48 cd c9 c9 07 00 21")[..], "trailing"),
            (&hex!("f3 48 cd c9 c9 07 00 ff")[..], "trailing after a final block"),
        ] {
            for cut in [0, wrong.len()] {
                let (mut ws, mut peer) = open_compressed(side, &Options::new()).await;
                let (first, last) = wrong.split_at(cut);
                let first = Frame::binary(first).rsv(RSV1).not_final();
                // What comes after the refusal may not be taken any more.
                let _ = peer.try_sends(wire(side, first)).await;
                let _ = peer.try_sends(wire(side, Frame::continuation(last))).await;
                let (received, close) = tokio::join!(ws.recv(), expects_close(&mut peer));
                let error = received.expect_err(why);
                assert_eq!(error.code(), Some(ErrorCode::InvalidCompressedData), "{why}");
                assert_eq!(close, 1007, "{why}");
            }
        }
    }
}

#[tokio::test]
async fn text_that_is_not_utf_8_once_decompressed_fails_with_1007() {
    for side in BOTH {
        let (mut ws, mut peer) = open_compressed(side, &Options::new()).await;
        // A stored block with the octet ff.
        let stored = hex!("00 01 00 fe ff ff 00");
        peer.sends(wire(side, Frame::text(stored).rsv(RSV1))).await;
        let (received, close) = tokio::join!(ws.recv(), expects_close(&mut peer));
        assert_eq!(received.unwrap_err().code(), Some(ErrorCode::InvalidUtf8));
        assert_eq!(close, 1007);
    }
}
