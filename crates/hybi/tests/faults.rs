//! Broken networks: at every octet of a conversation the connection is cut, reset, stalled,
//! half-closed or slowed down. What was accepted is delivered or reported, nothing arrives twice,
//! changed or out of order, and the errors are the documented ones.

use hybi::{Client, CloseCode, Error, ErrorCode, Options, Server, WebSocket};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::{Direction, Fault, FaultProxy};

const MESSAGES: u32 = 5;

/// What the server saw of one connection.
#[derive(Debug, Default)]
struct Seen {
    received: Vec<u32>,
    end: Option<Result<(), Error>>,
}

/// Answers each number with the same number, and keeps what it saw.
async fn server(options: Options) -> (SocketAddr, Arc<Mutex<Seen>>) {
    let server = Server::bind("127.0.0.1:0").await.unwrap().options(options);
    let address = server.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let kept = seen.clone();
    tokio::spawn(server.serve(move |mut ws| {
        let seen = kept.clone();
        async move {
            let result = answer(&mut ws, &seen).await;
            seen.lock().unwrap().end = Some(result.clone());
            result
        }
    }));
    (address, seen)
}

async fn answer(ws: &mut WebSocket, seen: &Mutex<Seen>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        let number = message.as_bytes().try_into().map(u32::from_be_bytes).unwrap();
        seen.lock().unwrap().received.push(number);
        ws.send(message).await?;
    }
    Ok(())
}

/// How far a client got.
#[derive(Debug)]
struct Outcome {
    /// Messages that were answered.
    answered: u32,
    result: Result<(), Error>,
}

async fn converse(url: &str, options: Options) -> Outcome {
    let client = Client::new().options(options).handshake_timeout(Duration::from_millis(400));
    let mut ws = match client.connect(url).await {
        Ok(ws) => ws,
        Err(error) => return Outcome { answered: 0, result: Err(error) },
    };
    let mut answered = 0;
    let result = async {
        for number in 0..MESSAGES {
            ws.send(number.to_be_bytes().to_vec()).await?;
        }
        ws.flush().await?;
        for number in 0..MESSAGES {
            match ws.recv().await? {
                Some(message) => assert_eq!(message.as_bytes(), number.to_be_bytes()),
                None => return Ok(()),
            }
            answered += 1;
        }
        ws.close(CloseCode::NORMAL, "").await
    }
    .await;
    Outcome { answered, result }
}

fn patience() -> Options {
    Options::new()
        .no_compression()
        .ping_interval(Duration::from_millis(100))
        .ping_timeout(Duration::from_millis(200))
        .close_timeout(Duration::from_millis(300))
}

/// One conversation with one fault; checks what holds whatever happens.
async fn strike(direction: Direction, octets: usize, fault: Fault) -> Outcome {
    let (address, seen) = server(patience()).await;
    let proxy = FaultProxy::start(address, direction, octets, fault).await.unwrap();
    let url = format!("ws://{}", proxy.address());
    let outcome = converse(&url, patience()).await;
    let what = format!("{fault:?} {direction:?} after {octets}: {outcome:?}");
    {
        let seen = seen.lock().unwrap();
        // In order, none twice, none that was answered is missing.
        let expected: Vec<u32> = (0..seen.received.len() as u32).collect();
        assert_eq!(seen.received, expected, "{what}");
        assert!(seen.received.len() as u32 >= outcome.answered, "{what}");
    }
    match &outcome.result {
        // Only a conversation that was whole ends well.
        Ok(()) => assert_eq!(outcome.answered, MESSAGES, "{what}"),
        Err(error) => {
            use ErrorCode::*;
            let code = error.code().unwrap();
            let documented = [
                AbnormalClosure, // TCP ended without a Close frame
                ConnectFailed,
                ConnectionClosed,
                HandshakeTimeout,
                InvalidHandshake, // TCP ended within the opening handshake
                Io,
                PeerTimeout,
            ];
            assert!(documented.contains(&code), "{what}");
        }
    }
    drop(proxy);
    outcome
}

/// Octets of the client's side: its request of some 170, five frames of 10 and a Close frame of 8.
/// Every octet of the frames is tried, and some of the handshake.
fn cuts() -> impl Iterator<Item = usize> {
    (0..120).step_by(17).chain(120..240)
}

async fn everywhere(fault: Fault, step: usize) -> (usize, usize) {
    let (mut whole, mut broken) = (0, 0);
    for direction in [Direction::Up, Direction::Down] {
        // Side by side, because some of them wait for a timeout.
        let mut running = tokio::task::JoinSet::new();
        for octets in cuts().step_by(step) {
            running.spawn(strike(direction, octets, fault));
        }
        while let Some(outcome) = running.join_next().await {
            match outcome.unwrap().result {
                Ok(()) => whole += 1,
                Err(_) => broken += 1,
            }
        }
    }
    (whole, broken)
}

#[tokio::test]
async fn a_cut_at_any_octet_is_reported() {
    let (_, broken) = everywhere(Fault::Cut, 1).await;
    assert!(broken > 100, "{broken}");
}

#[tokio::test]
async fn a_reset_at_any_octet_is_reported() {
    let (_, broken) = everywhere(Fault::Reset, 1).await;
    assert!(broken > 100, "{broken}");
}

#[tokio::test]
async fn a_stall_at_any_octet_is_given_up_by_the_heartbeat_or_a_timeout() {
    let (_, broken) = everywhere(Fault::Stall, 3).await;
    assert!(broken > 30, "{broken}");
}

#[tokio::test]
async fn a_direction_that_ends_at_any_octet_is_reported() {
    let (_, broken) = everywhere(Fault::HalfClose, 1).await;
    assert!(broken > 100, "{broken}");
}

#[tokio::test]
async fn octets_that_come_one_by_one_from_any_octet_on_lose_nothing() {
    let (_, broken) = everywhere_patiently().await;
    assert_eq!(broken, 0);
}

/// Slowness alone breaks nothing: with the default times, every conversation ends well.
async fn everywhere_patiently() -> (usize, usize) {
    let (mut whole, mut broken) = (0, 0);
    for direction in [Direction::Up, Direction::Down] {
        for octets in cuts().step_by(5) {
            let (address, _) = server(Options::new()).await;
            let proxy = FaultProxy::start(address, direction, octets, Fault::Drip).await.unwrap();
            let client = Client::new().options(Options::new().no_compression());
            let mut ws = client.connect(&format!("ws://{}", proxy.address())).await.unwrap();
            let result: Result<(), Error> = async {
                for number in 0..MESSAGES {
                    ws.send(number.to_be_bytes().to_vec()).await?;
                    let answer = ws.recv().await?.unwrap();
                    assert_eq!(answer.as_bytes(), number.to_be_bytes());
                }
                ws.close(CloseCode::NORMAL, "").await
            }
            .await;
            match result {
                Ok(()) => whole += 1,
                Err(_) => broken += 1,
            }
        }
    }
    (whole, broken)
}
