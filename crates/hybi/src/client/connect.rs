//! [`Client`]: the client's side of the opening handshake.

use super::dial::dial;
use crate::error::{Error, HandshakeError};
use crate::heartbeat;
use crate::pump::Shared;
use crate::random;
use crate::transport::Transport;
use crate::websocket::WebSocket;
use http::{HeaderName, HeaderValue, Response};
use hybi_proto::handshake::{ClientHandshake, Outcome, RequestOptions, Version};
use hybi_proto::{
    Connection, DeflateOptions, ErrorCode, ErrorDetail, Extensions, Options, Role, Target,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Octets read at once while the response arrives.
const READ: usize = 2048;

/// Connects to a WebSocket server.
///
/// ```no_run
/// # async fn example() -> Result<(), hybi::Error> {
/// let mut ws = hybi::connect("ws://127.0.0.1:8080").await?;
/// ws.send("something").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`Client::connect`].
pub async fn connect(url: &str) -> Result<WebSocket, Error> {
    Client::new().connect(url).await
}

/// Opens a WebSocket over a stream that exists already; `url` gives the host and path to ask for.
///
/// # Errors
/// As [`Client::connect`].
pub async fn connect_over<S>(stream: S, url: &str) -> Result<WebSocket, Error>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    Client::new().connect_over(stream, url).await
}

/// What a client asks for, and how it connects. Reusable.
///
/// ```no_run
/// # async fn example() -> Result<(), hybi::Error> {
/// let client = hybi::Client::new().subprotocol("chat").origin("https://example.com");
/// let mut ws = client.connect("ws://127.0.0.1:8080/rooms/1").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    options: Arc<Options>,
    request: RequestOptions,
    handshake_timeout: Option<Duration>,
}

impl Client {
    /// A client with the defaults: version 13, no subprotocol, 30 s for the handshake.
    pub fn new() -> Self {
        Client {
            options: Arc::new(Options::new()),
            request: RequestOptions::new(),
            handshake_timeout: Some(Duration::from_secs(30)),
        }
    }

    /// What the connection may do, and for how long.
    pub fn options(mut self, options: Options) -> Self {
        self.options = Arc::new(options);
        self
    }

    /// Adds a header to the request.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Offers a subprotocol; call it again for more, in order of preference.
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.request = self.request.subprotocol(name);
        self
    }

    /// Says from which web origin the request comes (`Origin`). `ws`: `origin`.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.request = self.request.origin(origin);
        self
    }

    /// Speaks this version of the protocol (default 13). `ws`: `protocolVersion`.
    pub fn version(mut self, version: Version) -> Self {
        self.request = self.request.version(version);
        self
    }

    /// How long connecting may take, from dialling to the server's answer (default 30 s). `ws`:
    /// `handshakeTimeout`.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = Some(timeout);
        self
    }

    /// Connects to a `ws:`, `http:` or `ws+unix:` URL.
    ///
    /// # Cancel safety
    /// Dropping the future gives the attempt up.
    ///
    /// # Errors
    /// [`Error::Usage`] if the URL or an option is wrong; [`Error::Io`] if the server cannot be
    /// reached; [`Error::Handshake`] if it refuses or does not speak WebSocket (see
    /// [`Error::response`]); [`Error::Timeout`].
    pub async fn connect(&self, url: &str) -> Result<WebSocket, Error> {
        self.connect_with_response(url).await.map(|(ws, _)| ws)
    }

    /// As [`connect`](Self::connect); gives the server's 101 response as well, for its headers.
    /// `ws`: the event `upgrade`.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with_response(
        &self,
        url: &str,
    ) -> Result<(WebSocket, Response<()>), Error> {
        let target = Target::parse(url)?;
        self.within(async {
            let transport = dial(&target).await?;
            self.handshake(transport, &target).await
        })
        .await
    }

    /// Opens a WebSocket over a stream that exists already; `url` gives the host and path to ask
    /// for.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_over<S>(&self, stream: S, url: &str) -> Result<WebSocket, Error>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let target = Target::parse(url)?;
        let (ws, _) = self.within(self.handshake(Transport::new(stream), &target)).await?;
        Ok(ws)
    }

    async fn within<T>(&self, future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        // Boxed: the future of a task that connects should not be as large as the handshake.
        let future = Box::pin(future);
        let Some(timeout) = self.handshake_timeout else { return future.await };
        match tokio::time::timeout(timeout, future).await {
            Ok(result) => result,
            Err(_) => Err(Error::timeout(
                ErrorCode::HandshakeTimeout,
                format!("the opening handshake did not finish within {timeout:?}"),
            )),
        }
    }

    async fn handshake(
        &self,
        mut transport: Transport,
        target: &Target,
    ) -> Result<(WebSocket, Response<()>), Error> {
        let deflate = self.options.deflate(Role::Client);
        let request = self.request.clone().extensions(deflate.map(|deflate| deflate.offer()));
        let mut handshake = ClientHandshake::new(target, &request, random::nonce())?;
        let mut request = Vec::with_capacity(512);
        handshake.encode(&mut request);
        let io = |what: &'static str| move |error| Error::io(ErrorCode::Io, what, error);
        transport.write_all(&request).await.map_err(io("sending the opening handshake failed"))?;
        transport.flush().await.map_err(io("sending the opening handshake failed"))?;

        let mut octets = [0; READ];
        loop {
            let read = transport
                .read(&mut octets)
                .await
                .map_err(io("reading the answer to the opening handshake failed"))?;
            let mut input = &octets[..read];
            let outcome = match read {
                0 => Some(handshake.receive_eof()?),
                _ => handshake.receive(&mut input)?,
            };
            match outcome {
                None => {}
                Some(Outcome::Open { negotiated, response }) => {
                    let extensions = confirm(deflate, negotiated.extensions.as_deref())?;
                    let connection =
                        Connection::client(random::masking_key, &extensions, &self.options);
                    let shared = Shared::new(
                        connection,
                        transport,
                        self.options.clone(),
                        negotiated.subprotocol,
                        input,
                    );
                    heartbeat::spawn(&shared);
                    return Ok((WebSocket::new(shared), response));
                }
                Some(Outcome::Rejected(response)) => return Err(rejected(response)),
                Some(Outcome::Redirect { response, .. }) => {
                    return Err(rejected(response.map(|()| bytes::Bytes::new())));
                }
            }
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        Client::new()
    }
}

/// The extensions that the server's answer agrees on.
fn confirm(deflate: Option<DeflateOptions>, answer: Option<&str>) -> Result<Extensions, Error> {
    match (deflate, answer) {
        (Some(deflate), Some(answer)) => {
            Ok(Extensions::none().with_deflate(deflate.confirm(answer)?))
        }
        _ => Ok(Extensions::none()),
    }
}

/// The error for an answer that is not a 101: its status and the beginning of its body.
fn rejected(response: Response<bytes::Bytes>) -> Error {
    const SHOWN: usize = 200;
    let mut text = format!("the server answered {} instead of 101", response.status());
    let body = String::from_utf8_lossy(response.body());
    let body = body.trim();
    if !body.is_empty() {
        let shown: String = body.chars().take(SHOWN).collect();
        let more = if shown.len() < body.len() { "…" } else { "" };
        text = format!("{text}: {shown}{more}");
    }
    let detail = ErrorDetail::new(ErrorCode::UnexpectedResponse, text);
    Error::Handshake(HandshakeError::with_response(detail, response))
}
