//! Goodbyes that cross, come early, late, twice or split from the end of TCP: in whatever order messages,
//! pings, Close frames and the end come, and whenever our side says goodbye, what came before the peer's
//! Close frame is delivered, nothing after it is, we send one Close frame and nothing behind it, and the
//! end is told as what it is.

use crate::peer::{BOTH, Side, open, wire};
use hybi::{CloseCode, Error, ErrorCode, Message, Options, WebSocket};
use testkit::{Frame, Script, frames};
use tokio::io::{AsyncReadExt, DuplexStream};

/// What a peer does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Message,
    Ping,
    Close,
    Fin,
}

const STEPS: [Step; 4] = [Step::Message, Step::Ping, Step::Close, Step::Fin];

/// Every way to take up to `most` steps; nothing comes after the end of the stream, with which all end.
fn ways(most: usize) -> Vec<Vec<Step>> {
    let mut all = vec![vec![]];
    let mut from = 0;
    for _ in 0..most {
        let last = from..all.len();
        from = last.end;
        for i in last {
            for step in STEPS {
                if all[i].last() != Some(&Step::Fin) {
                    all.push([&all[i][..], &[step]].concat());
                }
            }
        }
    }
    all.iter_mut().filter(|way| way.last() != Some(&Step::Fin)).for_each(|way| way.push(Step::Fin));
    all.sort_by_key(|way| format!("{way:?}"));
    all.dedup();
    all
}

async fn receive(mut ws: WebSocket) -> (Vec<Message>, Result<(), Error>) {
    let mut messages = Vec::new();
    let result = loop {
        match ws.recv().await {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    assert!(matches!(ws.recv().await, Ok(None)), "the end is told once");
    assert!(ws.send("late").await.is_err());
    (messages, result)
}

/// Lets others run until they wait.
async fn rest() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// `closes_at`: before which step our side says goodbye; `reads`: whether it reads meanwhile.
async fn converse(side: Side, way: &[Step], closes_at: Option<usize>, reads: bool) {
    let what = format!("{side:?} {way:?}, we close before {closes_at:?}, reading: {reads}");
    let (ws, mut peer): (WebSocket, Script<DuplexStream>) = open(side, &Options::new()).await;
    let writer = ws.writer();
    let mut reading = None;
    let mut ws = Some(ws);
    if reads {
        reading = ws.take().map(|ws| tokio::spawn(receive(ws)));
    }
    let mut closed = false;
    for (i, step) in way.iter().enumerate() {
        if closes_at == Some(i) {
            // If it has read the end, it says so.
            closed = writer.close(CloseCode::NORMAL, "ours").await.is_ok();
            assert!(closed || reads, "{what}");
        }
        match step {
            // Our side may have closed TCP by now.
            Step::Message => drop(peer.try_sends(wire(side, Frame::text("m"))).await),
            Step::Ping => drop(peer.try_sends(wire(side, Frame::ping("p"))).await),
            Step::Close => drop(peer.try_sends(wire(side, Frame::close(1001, ""))).await),
            Step::Fin => peer.closes().await,
        }
        rest().await;
    }
    let (messages, result) = match (ws, reading) {
        (Some(ws), _) => receive(ws).await,
        (None, Some(reading)) => reading.await.unwrap(),
        (None, None) => unreachable!(),
    };
    drop(writer);

    let goodbye = way.iter().position(|&step| step == Step::Close);
    let before = &way[..goodbye.unwrap_or(way.len())];
    let expected = before.iter().filter(|&&step| step == Step::Message).count();
    assert_eq!(messages.len(), expected, "{what}");
    match (&result, goodbye) {
        (Ok(()), Some(_)) => {}
        (Err(error), None) => assert_eq!(error.code(), Some(ErrorCode::AbnormalClosure), "{what}"),
        _ => panic!("{what}: {result:?}"),
    }

    let (mut stream, mut octets) = peer.into_parts();
    stream.read_to_end(&mut octets).await.unwrap();
    let sent: Vec<_> = frames(&octets).iter().map(|frame| frame.opcode).collect();
    let closes = sent.iter().filter(|&&opcode| opcode == 8).count();
    assert_eq!(closes, usize::from(closed || goodbye.is_some()), "{what}: {sent:?}");
    assert!(closes == 0 || sent.last() == Some(&8), "{what}: {sent:?}");
}

#[tokio::test(start_paused = true)]
async fn goodbyes_in_any_order_lose_nothing_that_came_before_them() {
    let ways = ways(4);
    assert!(ways.len() > 100, "{}", ways.len());
    for side in BOTH {
        for way in &ways {
            for reads in [false, true] {
                converse(side, way, None, reads).await;
                for at in 0..way.len() {
                    converse(side, way, Some(at), reads).await;
                }
            }
        }
    }
}
