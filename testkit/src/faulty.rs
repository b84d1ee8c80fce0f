//! [`Faulty`]: a stream that reads and writes as badly as tokio's traits allow.

use crate::random::Random;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that keeps the contract of [`AsyncRead`] and [`AsyncWrite`] and nothing beyond it.
///
/// Without any setting it passes everything through.
///
/// ```
/// use testkit::Faulty;
/// let (_peer, stream) = tokio::io::duplex(1024);
/// let stream = Faulty::new(stream).max_read(1).max_write(3).pending(42, 2);
/// ```
#[derive(Debug)]
pub struct Faulty<S> {
    inner: S,
    max_read: usize,
    max_write: usize,
    vectored: bool,
    random: Random,
    one_in: u32,
    read: End,
    write: End,
    gate: Gate,
}

/// After how many octets a direction ends, and how.
#[derive(Debug, Default)]
struct End {
    octets: u64,
    /// `None` for the end of the file.
    after: Option<(u64, Option<ErrorKind>)>,
}

impl End {
    /// How many octets may still pass, or how the direction has ended.
    fn left(&self) -> Result<usize, Option<ErrorKind>> {
        match self.after {
            None => Ok(usize::MAX),
            Some((after, how)) if self.octets >= after => Err(how),
            Some((after, _)) => Ok(usize::try_from(after - self.octets).unwrap_or(usize::MAX)),
        }
    }
}

impl<S> Faulty<S> {
    /// A stream without faults so far.
    pub fn new(inner: S) -> Self {
        Faulty {
            inner,
            max_read: usize::MAX,
            max_write: usize::MAX,
            vectored: true,
            random: Random::new(0),
            one_in: 0,
            read: End::default(),
            write: End::default(),
            gate: Gate::default(),
        }
    }

    /// Everything at once that costs no octet: one-octet reads and writes, and every second poll
    /// pending.
    pub fn worst(inner: S, seed: u64) -> Self {
        Faulty::new(inner).max_read(1).max_write(1).pending(seed, 2)
    }

    /// No read returns more octets than this (at least 1).
    pub fn max_read(mut self, octets: usize) -> Self {
        self.max_read = octets.max(1);
        self
    }

    /// No write takes more octets than this (at least 1).
    pub fn max_write(mut self, octets: usize) -> Self {
        self.max_write = octets.max(1);
        self
    }

    /// One poll in `n` on average is [`Poll::Pending`], and wakes the task at once.
    pub fn pending(mut self, seed: u64, n: u32) -> Self {
        self.random = Random::new(seed);
        self.one_in = n;
        self
    }

    /// Whether vectored writes are offered (default: yes).
    pub fn vectored(mut self, vectored: bool) -> Self {
        self.vectored = vectored;
        self
    }

    /// Reading finds the end of the file after so many octets.
    pub fn eof_after(mut self, octets: u64) -> Self {
        self.read.after = Some((octets, None));
        self
    }

    /// Reading fails after so many octets: [`ErrorKind::ConnectionReset`] is what a RST gives.
    pub fn read_error_after(mut self, octets: u64, kind: ErrorKind) -> Self {
        self.read.after = Some((octets, Some(kind)));
        self
    }

    /// Writing fails after so many octets.
    pub fn write_error_after(mut self, octets: u64, kind: ErrorKind) -> Self {
        self.write.after = Some((octets, Some(kind)));
        self
    }

    /// The gate that all writes pass; open at first.
    pub fn write_gate(&self) -> Gate {
        self.gate.clone()
    }

    /// The stream within.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// How many octets have been read.
    pub fn octets_read(&self) -> u64 {
        self.read.octets
    }

    /// How many octets have been written.
    pub fn octets_written(&self) -> u64 {
        self.write.octets
    }

    fn stumble(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.random.one_in(self.one_in) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// How many octets a write may take now.
    fn poll_may_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.gate.poll_open(cx));
        ready!(self.stumble(cx));
        Poll::Ready(match self.write.left() {
            Ok(left) => Ok(left.min(self.max_write)),
            Err(how) => Err(how.unwrap_or(ErrorKind::BrokenPipe).into()),
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Faulty<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.stumble(cx));
        let left = match this.read.left() {
            Ok(left) => left,
            Err(None) => return Poll::Ready(Ok(())),
            Err(Some(kind)) => return Poll::Ready(Err(kind.into())),
        };
        let max = left.min(this.max_read).min(buf.remaining()).min(64 * 1024);
        let mut octets = vec![0; max];
        let mut some = ReadBuf::new(&mut octets);
        ready!(Pin::new(&mut this.inner).poll_read(cx, &mut some))?;
        this.read.octets += some.filled().len() as u64;
        buf.put_slice(some.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Faulty<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let max = ready!(this.poll_may_write(cx))?.min(octets.len());
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, &octets[..max]))?;
        this.write.octets += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut left = ready!(this.poll_may_write(cx))?;
        // One copy, so that a short write may end in the middle of any slice.
        let mut octets = Vec::new();
        for slice in slices {
            let here = left.min(slice.len());
            octets.extend_from_slice(&slice[..here]);
            left -= here;
        }
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, &octets))?;
        this.write.octets += written as u64;
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.gate.poll_open(cx));
        ready!(this.stumble(cx));
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.gate.poll_open(cx));
        ready!(this.stumble(cx));
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}

/// What lets writes through or makes them wait, like a peer that does not read.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<Mutex<GateState>>);

#[derive(Debug, Default)]
struct GateState {
    closed: bool,
    waiting: Vec<Waker>,
}

impl Gate {
    /// From now on writes wait.
    pub fn close(&self) {
        self.lock().closed = true;
    }

    /// Lets writes through again.
    pub fn open(&self) {
        let waiting = {
            let mut state = self.lock();
            state.closed = false;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// True if a write has been waiting since the gate was closed.
    pub fn is_waited_for(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    fn poll_open(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if !state.closed {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, GateState> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn the_worst_stream_loses_no_octet() {
        let (near, far) = duplex(64);
        let (mut near, mut far) = (Faulty::worst(near, 1), Faulty::worst(far, 2));
        let octets: Vec<u8> = (0..=255).collect();
        let sent = octets.clone();
        let writing = tokio::spawn(async move {
            near.write_all(&sent).await.unwrap();
            near.shutdown().await.unwrap();
        });
        let mut received = Vec::new();
        far.read_to_end(&mut received).await.unwrap();
        writing.await.unwrap();
        assert_eq!(received, octets);
        assert_eq!(far.octets_read(), 256);
    }

    #[tokio::test]
    async fn reads_are_as_small_as_asked_and_end_as_asked() {
        let (mut near, far) = duplex(64);
        near.write_all(b"abcdef").await.unwrap();
        let mut far = Faulty::new(far).max_read(2).read_error_after(3, ErrorKind::ConnectionReset);
        let mut buf = [0; 16];
        assert_eq!(far.read(&mut buf).await.unwrap(), 2);
        assert_eq!(far.read(&mut buf).await.unwrap(), 1);
        let error = far.read(&mut buf).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);

        let mut far = Faulty::new(far.into_inner()).eof_after(1);
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"d");
    }

    #[tokio::test]
    async fn a_vectored_write_ends_within_any_slice() {
        let (near, mut far) = duplex(64);
        let mut near = Faulty::new(near).max_write(3).write_error_after(4, ErrorKind::BrokenPipe);
        let slices = [IoSlice::new(b"ab"), IoSlice::new(b"cd")];
        assert_eq!(near.write_vectored(&slices).await.unwrap(), 3);
        assert_eq!(near.write(b"de").await.unwrap(), 1);
        assert_eq!(near.write(b"e").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let mut buf = [0; 4];
        far.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"abcd");
    }

    #[tokio::test]
    async fn writes_wait_at_a_closed_gate_and_go_on_when_it_opens() {
        let (near, mut far) = duplex(64);
        let mut near = Faulty::new(near);
        let gate = near.write_gate();
        gate.close();
        let writing = tokio::spawn(async move { near.write_all(b"late").await });
        while !gate.is_waited_for() {
            tokio::task::yield_now().await;
        }
        gate.open();
        writing.await.unwrap().unwrap();
        let mut buf = [0; 4];
        far.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"late");
    }
}
