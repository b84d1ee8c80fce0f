//! The connection that comes back.

mod common;

use hybi::client::{ConnectionState, Reconnecting, Unsent};
use hybi::{Client, CloseCode, Error, ErrorCode, Message, WebSocket};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// What becomes of an attempt.
enum Attempt {
    Accepted,
    HungUp,
    /// The server answers with this status.
    Refused(u16),
}

/// Servers in memory: the test has their ends of the connections.
struct Servers {
    accepted: mpsc::UnboundedReceiver<WebSocket>,
    attempts: Arc<AtomicU32>,
}

impl Servers {
    /// Attempts go as planned, and succeed after that.
    fn new(plan: impl IntoIterator<Item = Attempt>) -> (Servers, Reconnecting) {
        let plan = Mutex::new(VecDeque::from_iter(plan));
        let (sender, accepted) = mpsc::unbounded_channel();
        let attempts = Arc::new(AtomicU32::new(0));
        let counter = attempts.clone();
        let client = Reconnecting::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            let attempt = plan.lock().unwrap().pop_front().unwrap_or(Attempt::Accepted);
            let sender = sender.clone();
            async move {
                let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
                match attempt {
                    Attempt::Accepted => {
                        tokio::spawn(async move {
                            let _ = sender.send(hybi::accept(theirs).await.unwrap());
                        });
                    }
                    Attempt::HungUp => drop(theirs),
                    Attempt::Refused(status) => {
                        let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
                        theirs.write_all(answer.as_bytes()).await.unwrap();
                    }
                }
                Client::new().connect_over(ours, "ws://example.com/").await
            }
        });
        (Servers { accepted, attempts }, client)
    }

    /// The server's end of the next connection.
    async fn accept(&mut self) -> WebSocket {
        self.accepted.recv().await.unwrap()
    }

    fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }
}

/// Receives in a task of its own, which gives the client back with what it has received.
fn receive(mut client: Reconnecting) -> JoinHandle<(Reconnecting, Result<Option<Message>, Error>)> {
    tokio::spawn(async move {
        let received = client.recv().await;
        (client, received)
    })
}

/// A server on this port that answers each message with its number, and ends with all
/// its connections when the task is aborted.
async fn serve(port: u16, number: u32) -> JoinHandle<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut ws = hybi::accept(stream).await?;
                while let Some(message) = ws.recv().await? {
                    ws.send(format!("{message} {number}")).await?;
                }
                Ok::<_, Error>(())
            });
        }
    })
}

#[tokio::test]
async fn a_server_that_is_killed_again_and_again_is_found_again() {
    // Keeps the port ours while no server listens on it.
    let reserved = TcpSocket::new_v4().unwrap();
    reserved.set_reuseaddr(true).unwrap();
    reserved.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = reserved.local_addr().unwrap().port();
    let mut server = serve(port, 0).await;
    let mut client = Client::new()
        .reconnecting(format!("ws://127.0.0.1:{port}/"))
        .backoff(Duration::from_millis(1), Duration::from_millis(20))
        .on_connect(|ws| async move {
            ws.send("subscribed").await?;
            Ok(ws)
        });
    for number in 0..20 {
        let received = client.recv().await.unwrap().unwrap();
        assert_eq!(received, format!("subscribed {number}").as_str());
        assert_eq!(client.state(), ConnectionState::Open);
        client.send("hello").await.unwrap();
        assert_eq!(client.recv().await.unwrap().unwrap(), format!("hello {number}").as_str());
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
        // For some attempts there is nobody.
        let waiting = tokio::time::timeout(Duration::from_millis(5), client.recv()).await;
        assert!(waiting.is_err(), "{waiting:?}");
        server = serve(port, number + 1).await;
    }
    client.close(CloseCode::NORMAL, "").await.unwrap();
    assert_eq!(client.state(), ConnectionState::Closed);
    assert_eq!(client.recv().await.unwrap(), None);
    server.abort();
}

#[tokio::test(start_paused = true)]
async fn delays_grow_and_are_never_longer_than_the_bound() {
    let failures = (0..12).map(|_| Attempt::HungUp);
    let (mut servers, client) = Servers::new(failures);
    let client = client.backoff(Duration::from_secs(1), Duration::from_secs(8));
    let mut states = client.watch();
    let receiving = receive(client);
    let mut waited = Duration::ZERO;
    let mut expected = 2;
    while expected <= 13 {
        states.changed().await.unwrap();
        if let ConnectionState::Waiting { attempt, delay } = *states.borrow_and_update() {
            assert_eq!(attempt, expected);
            assert!(
                delay <= Duration::from_secs(8.min(1 << (attempt - 2))),
                "{attempt}: {delay:?}"
            );
            waited += delay;
            expected += 1;
        }
    }
    // Twelve delays at random, of which eight are up to 8 s: none at all is out of the question.
    assert!(waited > Duration::from_secs(1), "{waited:?}");
    let server = servers.accept().await;
    server.send("at last").await.unwrap();
    let (client, received) = receiving.await.unwrap();
    assert_eq!(received.unwrap().unwrap(), "at last");
    assert_eq!(client.state(), ConnectionState::Open);
    assert_eq!(servers.attempts(), 13);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_last_does_not_begin_the_delays_anew() {
    let (mut servers, client) = Servers::new([]);
    let client = client.stable_after(Duration::from_secs(10));
    let mut states = client.watch();
    let mut receiving = receive(client);
    for (lasts, next_attempt) in [(1, 2), (9, 3), (11, 1), (1, 2)] {
        let server = servers.accept().await;
        states.wait_for(|state| *state == ConnectionState::Open).await.unwrap();
        tokio::time::sleep(Duration::from_secs(lasts)).await;
        drop(server);
        let waiting = |state: &ConnectionState| matches!(state, ConnectionState::Waiting { .. });
        let state = *states.wait_for(waiting).await.unwrap();
        let ConnectionState::Waiting { attempt, .. } = state else { unreachable!() };
        assert_eq!(attempt, next_attempt, "after {lasts} s");
    }
    assert!(tokio::time::timeout(Duration::ZERO, &mut receiving).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn attempts_end_after_the_most_of_them_with_the_last_error() {
    let (servers, client) = Servers::new((0..9).map(|_| Attempt::Refused(503)));
    let mut client = client.max_attempts(3);
    let error = client.recv().await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 503);
    assert_eq!(servers.attempts(), 3);
    assert_eq!(client.recv().await.unwrap(), None);
    assert_eq!(client.send("x").await.unwrap_err().code(), Some(ErrorCode::ConnectionClosed));
}

#[tokio::test(start_paused = true)]
async fn attempts_that_end_with_a_close_are_told_with_their_number_and_the_last_reason() {
    let (mut servers, client) = Servers::new([]);
    let receiving = receive(client.max_attempts(3));
    for number in 1..=3 {
        let mut server = servers.accept().await;
        server.close(CloseCode::SERVICE_RESTART, &format!("restart {number}\n")).await.unwrap();
    }
    let (mut client, received) = receiving.await.unwrap();
    let error = received.unwrap_err();
    assert!(matches!(error, Error::Closed(_)), "{error:?}");
    let told = "no attempt is left after 3 in a row (Reconnecting::max_attempts); the last connection \
                was closed with 1012 \"restart 3\\n\"";
    assert_eq!(error.to_string(), told);
    assert_eq!(servers.attempts(), 3);
    assert_eq!(client.state(), ConnectionState::Closed);
    assert_eq!(client.recv().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_is_not_to_be_followed_is_the_end_also_at_the_last_attempt() {
    let (mut servers, client) = Servers::new([]);
    let receiving = receive(client.max_attempts(1));
    servers.accept().await.close(CloseCode::NORMAL, "").await.unwrap();
    assert_eq!(receiving.await.unwrap().1.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_good_ends_it_at_once() {
    let (servers, mut client) = Servers::new([Attempt::Refused(403)]);
    let error = client.recv().await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 403);
    assert_eq!(servers.attempts(), 1);
    assert_eq!(client.state(), ConnectionState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_url_ends_it_at_once() {
    let mut client = Client::new().reconnecting("no URL");
    assert_eq!(client.recv().await.unwrap_err().code(), Some(ErrorCode::InvalidUrl));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_goodbye_is_left_and_one_that_restarts_is_not() {
    let (mut servers, client) = Servers::new([]);
    let receiving = receive(client);
    for code in [1001, 1011, 1012, 1013] {
        let mut server = servers.accept().await;
        server.close(CloseCode::new(code).unwrap(), "").await.unwrap();
    }
    servers.accept().await.close(CloseCode::NORMAL, "").await.unwrap();
    let (client, received) = receiving.await.unwrap();
    assert_eq!(received.unwrap(), None);
    assert_eq!(client.state(), ConnectionState::Closed);
    assert_eq!(servers.attempts(), 5);
}

#[tokio::test(start_paused = true)]
async fn the_hook_decides_which_failures_are_followed_by_another_attempt() {
    let (mut servers, client) = Servers::new([Attempt::Refused(403), Attempt::HungUp]);
    let client = client.retry(|failure| {
        let normal = failure.closed.is_some_and(|info| info.code() == 1000);
        assert_eq!(failure.error.is_none(), normal);
        failure.next_attempt <= 4
    });
    let receiving = receive(client);
    servers.accept().await.close(CloseCode::NORMAL, "").await.unwrap();
    servers.accept().await.close(CloseCode::NORMAL, "").await.unwrap();
    assert_eq!(receiving.await.unwrap().1.unwrap(), None);
    assert_eq!(servers.attempts(), 4);
}

#[tokio::test(start_paused = true)]
async fn each_connection_is_prepared_and_a_failure_to_do_so_counts() {
    let (mut servers, client) = Servers::new([]);
    let client = client.on_connect(|mut ws| async move {
        ws.send("log in").await?;
        match ws.recv().await? {
            Some(message) if message == "welcome" => Ok(ws),
            _ => Err(Error::application("not let in")),
        }
    });
    let client = client.retry(|failure| failure.next_attempt < 4);
    let receiving = receive(client);
    for answer in ["welcome", "go away", "go away"] {
        let mut server = servers.accept().await;
        assert_eq!(server.recv().await.unwrap().unwrap(), "log in");
        server.send(answer).await.unwrap();
    }
    let (_, received) = receiving.await.unwrap();
    assert_eq!(received.unwrap_err().to_string(), "not let in");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_does_not_begin_the_attempt_anew() {
    let (mut servers, mut client) = Servers::new([Attempt::HungUp]);
    for _ in 0..100 {
        let step = tokio::time::timeout(Duration::from_millis(1), client.recv()).await;
        assert!(step.is_err());
    }
    assert!(servers.attempts() <= 2);
    let receiving = receive(client);
    servers.accept().await.send("here").await.unwrap();
    assert_eq!(receiving.await.unwrap().1.unwrap().unwrap(), "here");
    assert_eq!(servers.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn by_default_what_is_sent_waits_for_a_connection() {
    let (mut servers, client) = Servers::new([Attempt::HungUp, Attempt::HungUp]);
    let writer = client.writer();
    let sending = tokio::spawn(async move {
        for i in 0..3 {
            writer.send(format!("{i}")).await.unwrap();
        }
        writer
    });
    let _receiving = receive(client);
    let mut server = servers.accept().await;
    for i in 0..3 {
        assert_eq!(server.recv().await.unwrap().unwrap(), format!("{i}").as_str());
    }
    // After a loss, too.
    let writer = sending.await.unwrap();
    drop(server);
    let sending = tokio::spawn(async move { (writer.send("again").await, writer) });
    assert_eq!(servers.accept().await.recv().await.unwrap().unwrap(), "again");
    sending.await.unwrap().0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn sending_alone_connects_too() {
    let (mut servers, mut client) = Servers::new([Attempt::HungUp]);
    let sending = tokio::spawn(async move {
        client.send("hello").await.unwrap();
        client
    });
    assert_eq!(servers.accept().await.recv().await.unwrap().unwrap(), "hello");
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_is_refused_where_that_is_the_rule() {
    let (mut servers, client) = Servers::new([]);
    let client = client.unsent(Unsent::Refuse);
    let writer = client.writer();
    let error = writer.send("too early").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no connection at the moment");
    assert!(matches!(error, Error::Closed(_)));
    let mut states = client.watch();
    let _receiving = receive(client);
    let mut server = servers.accept().await;
    states.wait_for(|state| *state == ConnectionState::Open).await.unwrap();
    writer.send("in time").await.unwrap();
    assert_eq!(server.recv().await.unwrap().unwrap(), "in time");
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_sent_first_and_in_order() {
    let (mut servers, client) = Servers::new([]);
    let mut client = client.unsent(Unsent::Keep(2)).on_connect(|ws| async move {
        ws.send("prepared").await?;
        Ok(ws)
    });
    let writer = client.writer();
    writer.send("1").await.unwrap();
    client.send("2").await.unwrap();
    let error = writer.send("3").await.unwrap_err();
    assert!(error.to_string().ends_with("and 2 messages are kept already"), "{error}");
    let mut states = client.watch();
    let _receiving = receive(client);
    let mut server = servers.accept().await;
    states.wait_for(|state| *state == ConnectionState::Open).await.unwrap();
    writer.send("4").await.unwrap();
    for expected in ["prepared", "1", "2", "4"] {
        assert_eq!(server.recv().await.unwrap().unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_connection_had_accepted_is_not_sent_again() {
    let (mut servers, client) = Servers::new([]);
    let mut states = client.watch();
    let writer = client.writer();
    let _receiving = receive(client);
    let server = servers.accept().await;
    states.wait_for(|state| *state == ConnectionState::Open).await.unwrap();
    writer.send("perhaps").await.unwrap();
    drop(server);
    states.wait_for(|state| *state != ConnectionState::Open).await.unwrap();
    let sending = tokio::spawn(async move { writer.send("surely").await });
    assert_eq!(servers.accept().await.recv().await.unwrap().unwrap(), "surely");
    sending.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_has_come_is_not_lost_when_sending_finds_the_connection_broken() {
    let (mut servers, mut client) = Servers::new([]);
    client.send("hello").await.unwrap();
    let mut server = servers.accept().await;
    server.recv().await.unwrap();
    server.send("the last words").await.unwrap();
    drop(server);
    // Accepted before it is known that nobody is there: this one is lost.
    client.send("hello?").await.unwrap();
    // This one fails on the old connection, waits, and is sent on the new one.
    let sending = tokio::spawn(async move {
        client.send("are you there?").await.unwrap();
        client
    });
    let mut server = servers.accept().await;
    let mut client = sending.await.unwrap();
    assert_eq!(client.recv().await.unwrap().unwrap(), "the last words");
    assert_eq!(server.recv().await.unwrap().unwrap(), "are you there?");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_to_send_is_told_when_it_is_over() {
    let (_servers, client) = Servers::new([]);
    let writer = client.writer();
    let waiting = tokio::spawn({
        let writer = writer.clone();
        async move { writer.send("x").await }
    });
    tokio::task::yield_now().await;
    drop(client);
    let start = Instant::now();
    assert_eq!(waiting.await.unwrap().unwrap_err().code(), Some(ErrorCode::ConnectionClosed));
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(writer.state(), ConnectionState::Closed);
}
