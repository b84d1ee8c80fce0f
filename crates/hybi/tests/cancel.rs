//! Futures dropped at every await point: nothing is lost, nothing comes twice.

use hybi::server::Acceptor;
use hybi::{Client, CloseCode, Error, Message, Options};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use testkit::Faulty;

/// Polls a future once and drops it.
async fn once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Polls futures made by `attempt` once each, until one is ready.
async fn in_attempts<T, F: Future<Output = T>>(mut attempt: impl FnMut() -> F) -> T {
    loop {
        if let Some(output) = once(attempt()).await {
            return output;
        }
        tokio::task::yield_now().await;
    }
}

fn message(number: usize) -> Message {
    let size = [0, 5, 126, 700, 3_000, 70_000][number % 6];
    match number % 2 {
        0 => Message::text(format!("{number} ").repeat(size / 3)),
        _ => Message::binary(vec![number as u8; size]),
    }
}

const MESSAGES: usize = 36;

#[tokio::test]
async fn a_recv_and_a_send_dropped_at_every_poll_lose_nothing() {
    for seed in 0..4 {
        let (near, far) = tokio::io::duplex(1000);
        let options = Options::new().max_buffered(4_000);
        let acceptor = Acceptor::new().options(options.clone());
        let server = tokio::spawn(async move {
            let stream = Faulty::new(far).max_read(97).max_write(89).pending(seed, 3);
            let (mut ws, _) = acceptor.accept(stream).await?;
            let writer = ws.writer();
            while let Some(message) = loop {
                if let Some(result) = once(ws.recv()).await {
                    break result;
                }
                tokio::task::yield_now().await;
            }? {
                in_attempts(|| writer.send(message.clone())).await?;
            }
            Ok::<(), Error>(())
        });
        let stream = Faulty::new(near).max_read(103).max_write(101).pending(seed + 100, 3);
        let client = Client::new().options(options);
        let mut ws = client.connect_over(stream, "ws://localhost/").await.unwrap();
        let writer = ws.writer();
        let sending = tokio::spawn(async move {
            for number in 0..MESSAGES {
                in_attempts(|| writer.send(message(number))).await.unwrap();
            }
        });
        for number in 0..MESSAGES {
            let received = loop {
                if let Some(result) = once(ws.recv()).await {
                    break result.unwrap().unwrap();
                }
                tokio::task::yield_now().await;
            };
            assert_eq!(received, message(number), "message {number}, seed {seed}");
        }
        sending.await.unwrap();
        ws.close(CloseCode::NORMAL, "").await.unwrap();
        server.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_close_dropped_after_its_first_poll_is_finished_by_recv() {
    let (near, far) = tokio::io::duplex(1000);
    let server = tokio::spawn(async move {
        let mut ws = hybi::accept(far).await?;
        while ws.recv().await?.is_some() {}
        Ok::<(), Error>(())
    });
    let mut ws = hybi::connect_over(near, "ws://localhost/").await.unwrap();
    assert!(once(ws.close(CloseCode::GOING_AWAY, "bye")).await.is_none());
    assert!(matches!(ws.send("late").await, Err(Error::Closed(_))));
    assert_eq!(ws.recv().await.unwrap(), None);
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn one_octet_at_a_time_with_pauses_is_as_good_as_any_network() {
    for seed in 0..8 {
        let (near, far) = tokio::io::duplex(64);
        let server = tokio::spawn(async move {
            let mut ws = hybi::accept(Faulty::worst(far, seed)).await?;
            while let Some(message) = ws.recv().await? {
                ws.send(message).await?;
            }
            Ok::<(), Error>(())
        });
        let stream = Faulty::worst(near, seed + 1000);
        let mut ws = hybi::connect_over(stream, "ws://localhost/").await.unwrap();
        for text in ["", "a", "grüße", &"long ".repeat(100)] {
            ws.send(text).await.unwrap();
            assert_eq!(ws.recv().await.unwrap().unwrap(), text);
        }
        ws.close(CloseCode::NORMAL, "").await.unwrap();
        server.await.unwrap().unwrap();
    }
}
