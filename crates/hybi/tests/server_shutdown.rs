//! The graceful shutdown: whatever a handler is doing, its client is told, and the server ends.

use hybi::server::{Clients, Shutdown};
use hybi::{Error, Event, Server, WebSocket};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than any test may take.
const LONG: Duration = Duration::from_secs(300);

/// A server that runs `handler`, its URL, and what shuts it down.
async fn server<F, Fut>(
    how: Shutdown,
    handler: F,
) -> (String, oneshot::Sender<()>, JoinHandle<Result<(), Error>>)
where
    F: Fn(WebSocket) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Error>> + Send + 'static,
{
    let (signal, signalled) = oneshot::channel();
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    let server = server.shutdown(how).shutdown_on(async move { drop(signalled.await) });
    (url, signal, tokio::spawn(server.serve(handler)))
}

async fn expect_close(ws: &mut WebSocket, code: u16) {
    let event = tokio::time::timeout(LONG, ws.next_event()).await.expect("a Close frame");
    let Some(Event::Close(Some(frame))) = event.unwrap() else {
        panic!("a Close frame with a code");
    };
    assert_eq!(frame.code, code);
    assert_eq!(ws.next_event().await.unwrap(), None);
}

#[tokio::test]
async fn handlers_that_receive_end_and_their_clients_are_told() {
    let (ended, count) = (Arc::new(AtomicUsize::new(0)), 20);
    let counter = ended.clone();
    let (url, signal, serving) = server(Shutdown::new().deadline(LONG), move |mut ws| {
        let counter = counter.clone();
        async move {
            ws.send("welcome").await?;
            while ws.recv().await?.is_some() {}
            assert!(matches!(ws.send("late").await, Err(Error::Closed(_))));
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut ws = hybi::connect(&url).await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap(), "welcome");
        clients.push(ws);
    }
    signal.send(()).unwrap();
    for ws in &mut clients {
        expect_close(ws, 1001).await;
    }
    serving.await.unwrap().unwrap();
    assert_eq!(ended.load(Ordering::Relaxed), count);
    assert!(matches!(hybi::connect(&url).await, Err(Error::Io(_))), "nobody listens any more");
}

#[tokio::test]
async fn a_handler_that_waits_in_send_ends_although_its_client_reads_nothing() {
    let (ended, mut handler_ended) = tokio::sync::mpsc::unbounded_channel();
    let how = Shutdown::new().code(hybi::CloseCode::SERVICE_RESTART).deadline(LONG);
    let (url, signal, serving) = server(how, move |ws| {
        let ended = ended.clone();
        async move {
            while ws.send(vec![0; 100_000]).await.is_ok() {}
            let _ = ended.send(());
            Ok(())
        }
    })
    .await;
    let mut ws = hybi::connect(&url).await.unwrap();
    assert!(ws.recv().await.unwrap().is_some());
    signal.send(()).unwrap();
    // Nothing is read before the handler has noticed.
    handler_ended.recv().await.unwrap();
    let mut code = None;
    while let Some(event) = ws.next_event().await.unwrap() {
        if let Event::Close(frame) = event {
            code = frame.map(|frame| frame.code.get());
        }
    }
    assert_eq!(code, Some(1012));
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_handler_that_does_something_else_is_aborted_at_the_deadline() {
    struct Aborted(Arc<AtomicUsize>);
    impl Drop for Aborted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let aborted = Arc::new(AtomicUsize::new(0));
    let counter = aborted.clone();
    let deadline = Duration::from_millis(200);
    let (url, signal, serving) = server(Shutdown::new().deadline(deadline), move |ws| {
        let guard = Aborted(counter.clone());
        async move {
            ws.send("welcome").await?;
            let () = pending().await;
            drop((guard, ws));
            Ok(())
        }
    })
    .await;
    let mut ws = hybi::connect(&url).await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "welcome");
    let silent = tokio::net::TcpStream::connect(&url["ws://".len()..]).await.unwrap();
    let start = Instant::now();
    signal.send(()).unwrap();
    let Some(Event::Close(Some(frame))) = ws.next_event().await.unwrap() else {
        panic!("a Close frame with a code");
    };
    assert_eq!(frame.code, 1001);
    serving.await.unwrap().unwrap();
    // Not before it, and not by some other time limit.
    assert!((deadline..deadline * 100).contains(&start.elapsed()));
    assert_eq!(aborted.load(Ordering::Relaxed), 1);
    drop(silent);
}

#[tokio::test]
async fn the_error_of_a_handler_is_told_and_its_client_gets_1011() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::bind("127.0.0.1:0").await.unwrap().on_error(move |error, peer| {
        tell.send((error.to_string(), peer.unwrap().ip().to_string())).unwrap();
    });
    let url = format!("ws://{}", server.local_addr().unwrap());
    tokio::spawn(server.serve(|_ws| async { Err(Error::application("out of ideas")) }));
    let mut ws = hybi::connect(&url).await.unwrap();
    expect_close(&mut ws, 1011).await;
    let (error, peer) =
        tokio::time::timeout(LONG, told.recv()).await.expect("the error is told").unwrap();
    assert!(error.contains("out of ideas"), "{error}");
    assert_eq!(peer, "127.0.0.1");
}

#[tokio::test]
async fn a_client_that_is_still_in_its_handshake_does_not_hold_the_server_up() {
    let (url, signal, serving) =
        server(Shutdown::new().deadline(LONG), |_ws| async { Ok(()) }).await;
    let silent = tokio::net::TcpStream::connect(&url["ws://".len()..]).await.unwrap();
    // The connection before it has been served: so it has been accepted.
    let mut ws = hybi::connect(&url).await.unwrap();
    assert!(ws.recv().await.unwrap().is_none());
    signal.send(()).unwrap();
    serving.await.unwrap().unwrap();
    drop(silent);
}

#[tokio::test]
async fn with_jitter_the_close_frames_are_spread() {
    let jitter = Duration::from_millis(300);
    let how = Shutdown::new().jitter(jitter).deadline(LONG);
    let (url, signal, serving) = server(how, |mut ws| async move {
        ws.send("welcome").await?;
        while ws.recv().await?.is_some() {}
        Ok(())
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..30 {
        let mut ws = hybi::connect(&url).await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap(), "welcome");
        clients.push(tokio::spawn(async move {
            expect_close(&mut ws, 1001).await;
            Instant::now()
        }));
    }
    signal.send(()).unwrap();
    serving.await.unwrap().unwrap();
    let mut told = Vec::new();
    for client in clients {
        told.push(client.await.unwrap());
    }
    let spread = *told.iter().max().unwrap() - *told.iter().min().unwrap();
    // 30 times at random within 300 ms: that all are within 50 ms has a chance of about 1e-21.
    assert!(spread > Duration::from_millis(50), "{spread:?}");
}

#[tokio::test]
async fn clients_are_known_while_they_are_connected_and_can_be_sent_to() {
    let clients = Clients::new();
    let server = Server::bind("127.0.0.1:0").await.unwrap().clients(&clients);
    let url = format!("ws://{}", server.local_addr().unwrap());
    tokio::spawn(server.serve(|mut ws| async move {
        ws.send("welcome").await?;
        while ws.recv().await?.is_some() {}
        Ok(())
    }));
    let mut one = hybi::connect(&url).await.unwrap();
    assert_eq!(one.recv().await.unwrap().unwrap(), "welcome");
    let first = clients.writers().pop().unwrap();
    let mut two = hybi::connect(&url).await.unwrap();
    assert_eq!(two.recv().await.unwrap().unwrap(), "welcome");
    assert_eq!(clients.len(), 2);
    assert_eq!(clients.broadcast("all"), 2);
    assert_eq!(clients.broadcast_except(&first, "others"), 1);
    assert_eq!(one.recv().await.unwrap().unwrap(), "all");
    assert_eq!(two.recv().await.unwrap().unwrap(), "all");
    assert_eq!(two.recv().await.unwrap().unwrap(), "others");
    drop(first);
    one.close(hybi::CloseCode::NORMAL, "").await.unwrap();
    two.close(hybi::CloseCode::NORMAL, "").await.unwrap();
    assert_eq!(clients.shutdown(Shutdown::new().deadline(LONG)).await, 0);
    assert!(clients.is_empty());
}

#[tokio::test]
async fn who_connects_after_the_shutdown_has_begun_is_told_at_once() {
    let clients = Clients::new();
    // This server goes on accepting: it is not the one that shuts down.
    let server = Server::bind("127.0.0.1:0").await.unwrap().clients(&clients);
    let url = format!("ws://{}", server.local_addr().unwrap());
    tokio::spawn(server.serve(|mut ws| async move {
        while ws.recv().await?.is_some() {}
        Ok(())
    }));
    let how = Shutdown::new().code(hybi::CloseCode::SERVICE_RESTART).deadline(LONG);
    assert_eq!(clients.shutdown(how).await, 0);
    let mut late = hybi::connect(&url).await.unwrap();
    expect_close(&mut late, 1012).await;
}
