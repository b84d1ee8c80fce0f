//! Servers that answer what the test says, so that the client sees what no server of ours sends.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A server that reads one head of a request per connection, and answers as it is told.
pub struct Scripted {
    pub port: u16,
    requests: mpsc::UnboundedReceiver<String>,
}

impl Scripted {
    /// `answer` makes the answer to each request; what it leaves open is closed after it.
    pub async fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Scripted::start_with(answer, false).await
    }

    /// As [`start`](Self::start), but the connections stay open after the answer.
    pub async fn start_open(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Scripted::start_with(answer, true).await
    }

    async fn start_with(
        answer: impl Fn(&str) -> String + Send + Sync + 'static,
        stay_open: bool,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let head = read_head(&mut stream).await;
                let _ = stream.write_all(answer(&head).as_bytes()).await;
                let _ = sender.send(head);
                if stay_open {
                    open.push(stream);
                }
            }
        });
        Scripted { port, requests }
    }

    /// The head of the next request.
    pub async fn request(&mut self) -> String {
        self.requests.recv().await.unwrap()
    }

    /// True if every request that came has been looked at.
    pub fn no_more_requests(&mut self) -> bool {
        self.requests.try_recv().is_err()
    }

    pub fn url(&self, path: &str) -> String {
        format!("ws://127.0.0.1:{}{path}", self.port)
    }
}

/// Reads until an empty line.
pub async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(octet) => head.push(octet),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// The value of a header in a head.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The value of `Sec-WebSocket-Accept` that answers this request (RFC 6455 §4.2.2).
pub fn accept(head: &str) -> String {
    use hybi_proto::handshake::SecWebSocketKey;
    let key = header(head, "Sec-WebSocket-Key").unwrap();
    SecWebSocketKey::from_header(key.as_bytes()).unwrap().accept()
}

/// Reads whatever comes first.
pub async fn read_some(stream: &mut TcpStream) {
    let _ = stream.read(&mut [0; 4096]).await.unwrap();
}

/// The 101 that opens a WebSocket in answer to this request.
pub fn switching(head: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept(head)
    )
}

/// A redirect to this place.
pub fn redirect(location: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}
