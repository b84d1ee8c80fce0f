//! The floor of a WebSocket server on tokio: `raw-tokio` that computes its 101, parses each frame and unmasks what it
//! echoes.
//!
//! What any server has to do for the octets, and nothing else: no messages (a payload is passed on as it comes), no
//! limits, no checks, no API, no allocation. Buffers belong to the thread; between reads a connection keeps its place
//! in a frame.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use data_encoding::BASE64;
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

const BUFFER: usize = 64 << 10;

const BEGINNING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: ";

thread_local! {
    /// What is read into and what is written from.
    static BUFFERS: RefCell<(Vec<u8>, Vec<u8>)> =
        RefCell::new((vec![0; BUFFER], Vec::with_capacity(BUFFER)));
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).expect("usage: raw-frames ADDRESS");
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A peer that resets its connection is the ordinary end of a round.
            tokio::spawn(async move { serve(stream).await.ok() });
        }
    })
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut upgraded = false;
    let mut place = Place::default();
    while let Some(unsent) =
        poll_fn(|cx| poll_turn(&mut stream, cx, &mut upgraded, &mut place)).await?
    {
        stream.write_all(&unsent).await?;
    }
    Ok(())
}

/// One read and its write; returns what the socket did not take, or `None` at the end.
fn poll_turn(
    stream: &mut TcpStream,
    cx: &mut Context<'_>,
    upgraded: &mut bool,
    place: &mut Place,
) -> Poll<io::Result<Option<Vec<u8>>>> {
    BUFFERS.with_borrow_mut(|(input, output)| {
        let before = place.begin(input);
        let mut read = ReadBuf::new(input);
        read.advance(before);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut read))?;
        if read.filled().len() == before {
            return Poll::Ready(Ok(None));
        }
        output.clear();
        if *upgraded {
            place.echo(read.filled(), output);
        } else {
            // The load generator writes its head whole and waits for the answer.
            let Some(key) = accept_key(read.filled()) else {
                return Poll::Ready(Err(ErrorKind::InvalidData.into()));
            };
            *upgraded = true;
            output.extend_from_slice(BEGINNING);
            output.extend_from_slice(&key);
            output.extend_from_slice(b"\r\n\r\n");
        }
        let written = match stream.try_write(output) {
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Poll::Ready(Err(error)),
        };
        // Allocates only for a peer that does not read fast enough.
        Poll::Ready(Ok(Some(output[written..].to_vec())))
    })
}

/// The `Sec-WebSocket-Accept` for this request, if it is an opening handshake.
fn accept_key(request: &[u8]) -> Option<[u8; 28]> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut parsed = httparse::Request::new(&mut headers);
    parsed.parse(request).ok().filter(httparse::Status::is_complete)?;
    let header = |name: &str| {
        let named = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(named.value)
    };
    for name in ["host", "upgrade", "connection", "sec-websocket-version"] {
        header(name)?;
    }
    let mut sha1 = sha1_smol::Sha1::from(header("sec-websocket-key")?);
    sha1.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let mut key = [0; 28];
    BASE64.encode_mut(&sha1.digest().bytes(), &mut key);
    Some(key)
}

/// Where in a frame the last read ended.
#[derive(Default)]
struct Place {
    /// The beginning of a header whose end has not come.
    header: [u8; 14],
    header_len: usize,
    key: [u8; 4],
    /// Octets of the payload that have been echoed, modulo 4.
    offset: usize,
    /// Octets of the payload that are still to come.
    remaining: u64,
}

impl Place {
    /// Puts the octets kept from the last read before those of the next; tells how many.
    fn begin(&self, input: &mut [u8]) -> usize {
        if self.header_len > 0 {
            input[..self.header_len].copy_from_slice(&self.header[..self.header_len]);
        }
        self.header_len
    }

    /// Unmasks `input` into `output`.
    fn echo(&mut self, mut input: &[u8], output: &mut Vec<u8>) {
        self.header_len = 0;
        loop {
            if self.remaining > 0 {
                let here = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(input.len());
                hybi_bytes::mask_append(output, &input[..here], self.key, self.offset);
                self.remaining -= here as u64;
                self.offset = (self.offset + here) % 4;
                input = &input[here..];
            }
            if input.is_empty() {
                return;
            }
            let Some(rest) = self.header(input, output) else {
                self.header_len = input.len();
                self.header[..input.len()].copy_from_slice(input);
                return;
            };
            input = rest;
        }
    }

    /// Echoes a header without its key and returns what follows it; `None` if it is not whole.
    fn header<'a>(&mut self, input: &'a [u8], output: &mut Vec<u8>) -> Option<&'a [u8]> {
        let [first, second, rest @ ..] = input else { return None };
        let short = second & 0x7f;
        let (len, rest) = match (short, rest) {
            (127, rest) => {
                let (len, rest) = rest.split_first_chunk()?;
                (u64::from_be_bytes(*len), rest)
            }
            (126, rest) => {
                let (len, rest) = rest.split_first_chunk()?;
                (u16::from_be_bytes(*len).into(), rest)
            }
            (len, rest) => (len.into(), rest),
        };
        let (key, after) = rest.split_first_chunk()?;
        output.extend_from_slice(&[*first, short]);
        match short {
            126 => output.extend_from_slice(&(len as u16).to_be_bytes()),
            127 => output.extend_from_slice(&len.to_be_bytes()),
            _ => {}
        }
        (self.key, self.offset, self.remaining) = (*key, 0, len);
        Some(after)
    }
}
