//! [`Script`]: a peer that does what is written down, octet for octet.

use crate::frame::{Received, hex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;

/// What a server appends to the client's key (RFC 6455 §4.2.2).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A scripted peer: sends octets and expects octets, and knows nothing else.
///
/// Its methods panic where the other side does not follow the script.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use testkit::Script;
/// use tokio::io::AsyncWriteExt;
/// let (mut peer, mut stream) = Script::pair();
/// stream.write_all(b"\x89\x00").await.unwrap();
/// peer.expects(b"\x89\x00").await;
/// peer.sends(b"\x8a\x00").await;
/// # }
/// ```
#[derive(Debug)]
pub struct Script<S> {
    stream: S,
    /// What has been read and not yet been expected.
    read: Vec<u8>,
}

impl Script<DuplexStream> {
    /// A scripted peer and the stream to it, in memory (64 KiB each way).
    pub fn pair() -> (Self, DuplexStream) {
        let (near, far) = tokio::io::duplex(64 * 1024);
        (Script::new(near), far)
    }
}

impl Script<TcpStream> {
    /// Ends the TCP connection with a RST.
    pub fn resets(self) {
        self.stream.set_zero_linger().expect("SO_LINGER can be set");
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Script<S> {
    /// A peer at the other end of `stream`.
    pub fn new(stream: S) -> Self {
        Script { stream, read: Vec::new() }
    }

    /// Sends these octets.
    pub async fn sends(&mut self, octets: impl AsRef<[u8]>) {
        let octets = octets.as_ref();
        if let Err(error) = self.stream.write_all(octets).await {
            panic!("the script could not send {}: {error}", hex(octets));
        }
        self.stream.flush().await.expect("what was sent can be flushed");
    }

    /// Sends these octets if the other side still takes them.
    ///
    /// # Errors
    /// What the stream says if it does not.
    pub async fn try_sends(&mut self, octets: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(octets.as_ref()).await
    }

    /// Sends these octets one by one, and lets other tasks run after each.
    pub async fn sends_one_by_one(&mut self, octets: impl AsRef<[u8]>) {
        for octet in octets.as_ref() {
            self.sends([*octet]).await;
            tokio::task::yield_now().await;
        }
    }

    /// Expects exactly these octets next.
    pub async fn expects(&mut self, octets: impl AsRef<[u8]>) {
        let expected = octets.as_ref();
        while self.read.len() < expected.len() {
            let same = self.read.iter().zip(expected).take_while(|(a, b)| a == b).count();
            let differs = same < self.read.len();
            if differs || self.reads_more().await == 0 {
                panic!("expected {}\n but read {}", hex(expected), hex(&self.read));
            }
        }
        let rest = self.read.split_off(expected.len());
        let read = std::mem::replace(&mut self.read, rest);
        assert!(read == expected, "expected {}\n but read {}", hex(expected), hex(&read));
    }

    /// Expects a whole frame next, whatever is in it.
    pub async fn expects_frame(&mut self) -> Received {
        loop {
            if let Some((frame, len)) = Received::first(&self.read) {
                self.read.drain(..len);
                return frame;
            }
            assert!(
                self.reads_more().await > 0,
                "expected a frame but read {} and the end",
                hex(&self.read)
            );
        }
    }

    /// Reads once, at most so many octets, and forgets them; how many came. 0 at the end.
    pub async fn reads_up_to(&mut self, octets: usize) -> usize {
        let mut buffer = vec![0; octets];
        self.stream.read(&mut buffer).await.expect("the script can read")
    }

    /// Expects the end of the stream next, and nothing before it.
    pub async fn expects_eof(&mut self) {
        let more = self.reads_more().await;
        assert!(more == 0 && self.read.is_empty(), "expected the end but read {}", hex(&self.read));
    }

    /// Expects an HTTP head next, up to and with its empty line.
    pub async fn expects_head(&mut self) -> String {
        loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let rest = self.read.split_off(end + 4);
                let head = std::mem::replace(&mut self.read, rest);
                return String::from_utf8(head).expect("a head is text");
            }
            assert!(
                self.reads_more().await > 0,
                "expected an HTTP head but read {:?} and the end",
                String::from_utf8_lossy(&self.read)
            );
        }
    }

    /// The server's part of the opening handshake: expects a request, answers 101, and sends
    /// `first` in the same write. Returns the request.
    pub async fn accepts(&mut self, first: impl AsRef<[u8]>) -> String {
        self.accepts_with("", first).await
    }

    /// As [`accepts`](Self::accepts), with these header lines (each with its CRLF) in the 101.
    pub async fn accepts_with(&mut self, lines: &str, first: impl AsRef<[u8]>) -> String {
        let request = self.expects_head().await;
        let key = header(&request, "sec-websocket-key").expect("a request has a key");
        let digest = sha1_smol::Sha1::from([key, GUID].concat()).digest().bytes();
        let mut octets = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n{lines}\r\n",
            data_encoding::BASE64.encode(&digest)
        )
        .into_bytes();
        octets.extend_from_slice(first.as_ref());
        self.sends(octets).await;
        request
    }

    /// The client's part of the opening handshake with the key of RFC 6455 §1.3: sends a request
    /// and `first` in the same write, expects a 101. Returns the response.
    pub async fn opens(&mut self, path: &str, first: impl AsRef<[u8]>) -> String {
        self.opens_with(path, "", first).await
    }

    /// As [`opens`](Self::opens), with these header lines (each with its CRLF) in the request.
    pub async fn opens_with(&mut self, path: &str, lines: &str, first: impl AsRef<[u8]>) -> String {
        let mut octets = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
        )
        .into_bytes();
        octets.extend_from_slice(first.as_ref());
        self.sends(octets).await;
        let response = self.expects_head().await;
        assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
        let accept = header(&response, "sec-websocket-accept");
        assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{response}");
        response
    }

    /// Closes this side of the connection; the other may still send.
    pub async fn closes(&mut self) {
        self.stream.shutdown().await.expect("a stream can be shut down");
    }

    /// The stream, and what has been read from it and not been expected.
    pub fn into_parts(self) -> (S, Vec<u8>) {
        (self.stream, self.read)
    }

    /// Reads what there is; 0 at the end.
    async fn reads_more(&mut self) -> usize {
        match self.stream.read_buf(&mut self.read).await {
            Ok(octets) => octets,
            Err(error) => panic!("the script could not read after {}: {error}", hex(&self.read)),
        }
    }
}

/// The value of a header of this (lower-case) name.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;
    use hex_literal::hex;

    #[tokio::test]
    async fn two_scripts_that_fit_each_other_both_end() {
        let (mut server, stream) = Script::pair();
        let mut client = Script::new(stream);
        let serving = tokio::spawn(async move {
            let request = server.accepts(hex!("81 02 6869")).await;
            assert!(request.starts_with("GET /chat HTTP/1.1\r\n"));
            assert_eq!(server.expects_frame().await.payload, b"Hello");
            server.expects_eof().await;
        });
        client.opens("/chat", []).await;
        client.expects(hex!("81 02")).await;
        client.expects(b"hi").await;
        client.sends_one_by_one(Frame::text("Hello").masked([1, 2, 3, 4]).octets()).await;
        client.closes().await;
        serving.await.unwrap();
    }

    #[tokio::test]
    #[should_panic(expected = "expected 01 02 03\n but read 01 05")]
    async fn octets_that_differ_are_noticed_before_all_have_come() {
        let (mut script, mut stream) = Script::pair();
        stream.write_all(&[1, 5]).await.unwrap();
        script.expects([1, 2, 3]).await;
    }

    #[tokio::test]
    #[should_panic(expected = "expected the end but read 00")]
    async fn octets_before_the_end_are_noticed() {
        let (mut script, mut stream) = Script::pair();
        stream.write_all(&[0]).await.unwrap();
        script.expects_eof().await;
    }

    #[tokio::test]
    async fn a_reset_is_an_error_at_the_other_end() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        Script::new(accepted).resets();
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
}
