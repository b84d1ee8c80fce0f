//! [`Chunk`]: a read buffer that belongs to the thread.
//!
//! A connection takes a chunk when octets are there to be read and gives it back when it has worked
//! them off, so that an idle connection owns none.

use crate::transport::Transport;
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// What one read can bring: a message of 64 KiB with its header, which would otherwise take a system
/// call more for its last octets.
pub(crate) const CHUNK: usize = 64 * 1024 + 16;

/// A message that fills so much of a chunk may keep it: it holds little more than its own length.
const KEEP_FROM: usize = CHUNK / 4 * 3;

/// Chunks kept per thread.
const KEEP: usize = 4;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Octets that have been read and not yet worked off.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Beyond `end` what has been read before, as far as memory is initialised.
    octets: Vec<u8>,
    start: u32,
    end: u32,
}

impl Chunk {
    /// An empty chunk from the thread's pool.
    pub(crate) fn take() -> Self {
        let spare = SPARE.with_borrow_mut(Vec::pop);
        let octets = spare.unwrap_or_else(|| Vec::with_capacity(CHUNK));
        Chunk { octets, start: 0, end: 0 }
    }

    /// A chunk of its own size, for octets that came with the handshake.
    pub(crate) fn from_octets(octets: &[u8]) -> Option<Self> {
        (!octets.is_empty()).then(|| Chunk {
            octets: octets.into(),
            start: 0,
            end: octets.len() as u32,
        })
    }

    /// The octets not yet worked off.
    #[inline]
    pub(crate) fn filled(&self) -> &[u8] {
        &self.octets[self.start as usize..self.end as usize]
    }

    /// Reads once into an empty chunk and tells how much has come.
    #[inline]
    pub(crate) fn poll_read(
        &mut self,
        io: &mut Transport,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let read = if io.is_direct() {
            self.octets.clear();
            loop {
                match io.try_read(&mut self.octets) {
                    Poll::Ready(read) => break read?,
                    Poll::Pending => ready!(io.poll_read_ready(cx))?,
                }
            }
        } else {
            // Any other stream may want its room initialised: once, and not for each read.
            self.octets.resize(CHUNK, 0);
            let mut buf = ReadBuf::new(&mut self.octets);
            ready!(Pin::new(io).poll_read(cx, &mut buf))?;
            buf.filled().len()
        };
        (self.start, self.end) = (0, read as u32);
        Poll::Ready(Ok(read))
    }

    /// Only the last `left` octets have not been worked off.
    #[inline]
    pub(crate) fn keep_last(&mut self, left: usize) {
        self.start = self.end - left as u32;
    }

    /// True if what has not been worked off is worth the memory of the chunk.
    #[inline]
    pub(crate) fn is_nearly_whole(&self) -> bool {
        (self.end - self.start) as usize >= KEEP_FROM
    }

    /// The memory, and the place in it where the octets not yet worked off begin, which end it.
    pub(crate) fn memory(&mut self) -> (&mut Vec<u8>, usize) {
        self.octets.truncate(self.end as usize);
        (&mut self.octets, self.start as usize)
    }

    /// Gives a large chunk back to the pool if it holds little: what is left is copied out.
    ///
    /// A handler that stops in the middle of what one read brought would otherwise keep 64 KiB for
    /// some octets.
    pub(crate) fn shrink(&mut self) {
        if self.octets.capacity() == CHUNK && self.filled().len() <= CHUNK / 4 {
            if let Some(small) = Chunk::from_octets(self.filled()) {
                *self = small;
            }
        }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if self.octets.capacity() != CHUNK {
            return;
        }
        let octets = std::mem::take(&mut self.octets);
        // A thread that is ending has no pool any more: the chunk is simply freed then.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < KEEP {
                spare.push(octets);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    async fn read(chunk: &mut Chunk, io: &mut Transport) -> usize {
        std::future::poll_fn(|cx| chunk.poll_read(io, cx)).await.unwrap()
    }

    /// A chunk that holds `octets`, which came over a stream that is not direct.
    async fn chunk_of(octets: &[u8]) -> Chunk {
        let (mut peer, io) = tokio::io::duplex(2 * CHUNK);
        peer.write_all(octets).await.unwrap();
        let mut chunk = Chunk::take();
        read(&mut chunk, &mut Transport::new(io)).await;
        chunk
    }

    #[test]
    fn a_chunk_that_is_given_back_is_taken_again() {
        let chunk = Chunk::take();
        let address = chunk.octets.as_ptr();
        drop(chunk);
        assert_eq!(Chunk::take().octets.as_ptr(), address);
    }

    #[tokio::test]
    async fn one_read_can_bring_a_message_of_64_kib_with_its_header() {
        let octets = vec![7; 64 * 1024 + 14]; // RFC 6455 §5.2: a header is at most 14
        assert!(chunk_of(&octets).await.filled() == octets);
        let chunk = chunk_of(&vec![7; 2 * CHUNK]).await;
        assert_eq!(chunk.filled().len(), CHUNK);
    }

    #[tokio::test]
    async fn each_read_shows_what_it_brought_and_nothing_else() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut direct = Transport::Tcp(listener.accept().await.unwrap().0);
        for len in [40, 3, 20] {
            let chunk = chunk_of(&vec![len; len.into()]).await;
            assert_eq!(chunk.filled(), vec![len; len.into()]);
            drop(chunk);
            peer.write_all(&vec![len + 1; len.into()]).await.unwrap();
            let mut chunk = Chunk::take();
            assert_eq!(read(&mut chunk, &mut direct).await, len.into());
            assert_eq!(chunk.filled(), vec![len + 1; len.into()]);
        }
    }

    #[test]
    fn without_the_runtime_a_read_fails_at_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (_peer, mut io) = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            (peer, Transport::Tcp(listener.accept().await.unwrap().0))
        });
        drop(runtime);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(matches!(Chunk::take().poll_read(&mut io, &mut cx), Poll::Ready(Err(_))));
    }

    #[tokio::test]
    async fn shrinking_keeps_what_is_left() {
        let mut chunk = chunk_of(b"hello").await;
        chunk.keep_last(2);
        chunk.shrink();
        assert_eq!(chunk.filled(), b"lo");
        assert_eq!(chunk.octets.len(), 2);
    }

    #[tokio::test]
    async fn only_what_nearly_fills_a_chunk_is_worth_it() {
        let mut chunk = chunk_of(&vec![7; KEEP_FROM]).await;
        chunk.keep_last(KEEP_FROM - 1);
        assert!(!chunk.is_nearly_whole());
        let mut chunk = chunk_of(&vec![7; KEEP_FROM + 2]).await;
        chunk.keep_last(KEEP_FROM);
        assert!(chunk.is_nearly_whole());
        let (octets, start) = chunk.memory();
        assert_eq!((octets.len(), start), (KEEP_FROM + 2, 2));
    }
}
