//! Streams that break their promises, and ends that come again and again.

use crate::peer::{BOTH, open, open_on, wire};
use hybi::{Error, ErrorCode, Options};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use testkit::Frame;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// What the stream does once the opening handshake is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// A write says that it took more than it was given.
    TookMore,
    /// A write says that it took nothing, again and again.
    TookNothing,
    /// A flush fails.
    FlushFails,
    /// Every read finds the end, and says so as often as it is asked.
    Ends,
    /// Every read fails with an error that others would try again after.
    Interrupted,
}

struct Liar {
    inner: DuplexStream,
    lie: Lie,
    /// Octets of the handshake that are still written honestly.
    honest: Arc<AtomicUsize>,
    reads: Arc<AtomicUsize>,
}

impl Liar {
    fn lies(&self) -> bool {
        self.honest.load(Ordering::SeqCst) == 0
    }
}

impl AsyncRead for Liar {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.lies() {
            self.reads.fetch_add(1, Ordering::SeqCst);
            match self.lie {
                Lie::Ends => return Poll::Ready(Ok(())),
                Lie::Interrupted => return Poll::Ready(Err(io::ErrorKind::Interrupted.into())),
                _ => {}
            }
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Liar {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.lies() {
            match self.lie {
                Lie::TookMore => return Poll::Ready(Ok(octets.len() + 1)),
                Lie::TookNothing => return Poll::Ready(Ok(0)),
                _ => {}
            }
        }
        Pin::new(&mut self.inner).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lies() && self.lie == Lie::FlushFails {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A connection whose stream begins to lie now; how often it has been read since.
async fn lied_to(
    side: crate::peer::Side,
    lie: Lie,
) -> (hybi::WebSocket, testkit::Script<DuplexStream>, Arc<AtomicUsize>) {
    let honest = Arc::new(AtomicUsize::new(1));
    let reads = Arc::new(AtomicUsize::new(0));
    let (switch, count) = (honest.clone(), reads.clone());
    let (ws, peer) =
        open_on(side, &Options::new(), "", move |inner| Liar { inner, lie, honest, reads }).await;
    switch.store(0, Ordering::SeqCst);
    (ws, peer, count)
}

#[tokio::test]
async fn a_write_that_takes_more_than_it_was_given_fails_the_connection_and_nothing_else() {
    for side in BOTH {
        let (ws, _peer, _) = lied_to(side, Lie::TookMore).await;
        let _ = ws.send("a").await;
        let error = ws.send("b").await.unwrap_err();
        assert!(matches!(error, Error::Io(_)), "{error}");
        assert_eq!(ws.buffered_amount(), 0);
    }
}

#[tokio::test]
async fn a_write_that_takes_nothing_fails_the_connection_instead_of_being_tried_for_ever() {
    for side in BOTH {
        let (ws, _peer, _) = lied_to(side, Lie::TookNothing).await;
        let _ = ws.send("a").await;
        assert!(matches!(ws.send("b").await, Err(Error::Io(_))));
    }
}

#[tokio::test]
async fn a_flush_that_fails_is_reported_to_the_next_sender() {
    for side in BOTH {
        let (ws, _peer, _) = lied_to(side, Lie::FlushFails).await;
        let _ = ws.send("a").await;
        assert!(matches!(ws.send("b").await, Err(Error::Io(_))));
    }
}

#[tokio::test]
async fn an_end_that_comes_again_and_again_is_read_once() {
    for side in BOTH {
        let (mut ws, _peer, reads) = lied_to(side, Lie::Ends).await;
        assert_eq!(ws.recv().await.unwrap_err().code(), Some(ErrorCode::AbnormalClosure));
        for _ in 0..1000 {
            assert_eq!(ws.recv().await.unwrap(), None);
        }
        assert_eq!(reads.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn an_error_that_comes_again_and_again_is_told_once() {
    for side in BOTH {
        let (mut ws, _peer, reads) = lied_to(side, Lie::Interrupted).await;
        assert!(matches!(ws.recv().await, Err(Error::Io(_))));
        for _ in 0..1000 {
            assert_eq!(ws.recv().await.unwrap(), None);
        }
        assert_eq!(reads.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn the_end_at_any_octet_is_an_abnormal_closure_and_never_a_loop() {
    for side in BOTH {
        let frames = [
            wire(side, Frame::text("first").not_final()),
            wire(side, Frame::ping("in between")),
            wire(side, Frame::continuation("last")),
        ]
        .concat();
        for cut in 0..=frames.len() {
            let (mut ws, mut peer) = open(side, &Options::new()).await;
            peer.sends(&frames[..cut]).await;
            peer.closes().await;
            if cut == frames.len() {
                assert_eq!(ws.recv().await.unwrap().unwrap(), "firstlast");
            }
            let error = ws.recv().await.unwrap_err();
            assert_eq!(error.code(), Some(ErrorCode::AbnormalClosure), "{cut}: {error}");
            assert_eq!(ws.recv().await.unwrap(), None);
        }
    }
}
