//! Sending from threads that are none of the runtime's, and with a runtime that has ended.

use hybi::server::Acceptor;
use hybi::{Client, Error, Group, Message, Server, SlowClient, TrySendError, WebSocket};
use std::num::NonZeroUsize;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, mpsc, oneshot};

/// A client, and what a server has received from it: nothing before `go`.
async fn client_of_a_slow_server() -> (WebSocket, Arc<Notify>, mpsc::UnboundedReceiver<Message>) {
    let go = Arc::new(Notify::new());
    let (tell, received) = mpsc::unbounded_channel();
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    let may_go = go.clone();
    tokio::spawn(server.serve(move |mut ws| {
        let (go, tell) = (may_go.clone(), tell.clone());
        async move {
            go.notified().await;
            while let Some(message) = ws.recv().await? {
                tell.send(message).unwrap();
            }
            Ok(())
        }
    }));
    (hybi::connect(&url).await.unwrap(), go, received)
}

/// Runs what is no task of any runtime.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = oneshot::channel();
    std::thread::spawn(move || drop(done.send(work())));
    result.await.unwrap()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[tokio::test]
async fn a_thread_may_fill_the_transport() {
    let (ws, go, mut received) = client_of_a_slow_server().await;
    let writer = ws.writer();
    let accepted = on_a_thread(move || {
        let full = (0..).find(|_| match writer.try_send(vec![1; 1000]) {
            Ok(()) => false,
            Err(TrySendError::Full(_)) => true,
            Err(error) => panic!("{error}"),
        });
        full.unwrap()
    })
    .await;
    go.notify_one();
    for _ in 0..accepted {
        assert_eq!(received.recv().await.unwrap().len(), 1000);
    }
}

#[tokio::test]
async fn a_thread_may_broadcast_to_those_who_are_behind() {
    let (ws, go, mut received) = client_of_a_slow_server().await;
    let group = Group::with_policy(SlowClient::DropOldest(NonZeroUsize::MIN));
    let _member = group.join(&ws.writer());
    let accepted = on_a_thread(move || {
        let first_kept = (1..).find(|_| {
            let delivery = group.broadcast(vec![1; 1000]);
            assert_eq!(delivery.sent + delivery.kept, 1, "{delivery:?}");
            delivery.kept == 1
        });
        first_kept.unwrap()
    })
    .await;
    go.notify_one();
    for _ in 0..accepted {
        assert_eq!(received.recv().await.unwrap().len(), 1000);
    }
}

#[test]
fn who_receives_is_told_that_nothing_is_written_any_more() {
    let opened_in = runtime();
    let (near, far) = tokio::io::duplex(64);
    let (ws, _peer) = opened_in.block_on(async {
        let (client, acceptor) = (Client::new(), Acceptor::new());
        let connecting = client.connect_over(near, "ws://h/");
        let (client, server) = tokio::join!(connecting, acceptor.accept(far));
        (client.unwrap(), server.unwrap().0)
    });
    drop(opened_in);
    let (mut reader, writer) = ws.split();
    runtime().block_on(async {
        let receiving = tokio::spawn(async move { reader.recv().await });
        tokio::task::yield_now().await; // it waits
        writer.try_send(vec![1; 1000]).unwrap(); // more than the stream takes
        let error = receiving.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Io(_)), "{error:?}");
        assert!(error.to_string().contains("the tokio runtime has ended"), "{error}");
        assert!(writer.send("x").await.is_err());
    });
}
