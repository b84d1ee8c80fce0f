//! [`Server`]: listens, accepts, and runs a handler for each connection.

use super::acceptor::Acceptor;
use super::handler;
use super::request::Request;
use super::{HeadLimits, Refusal};
use crate::error::Error;
use crate::transport::Transport;
use crate::websocket::WebSocket;
use http::{HeaderMap, Response};
use hybi_proto::{ErrorCode, Options};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, ToSocketAddrs};

/// How long to wait when the process has no file descriptors left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type OnError = dyn Fn(&Error) + Send + Sync;

/// A WebSocket server.
///
/// ```no_run
/// # async fn example() -> Result<(), hybi::Error> {
/// hybi::Server::bind("127.0.0.1:8080")
///     .await?
///     .serve(|mut ws| async move {
///         while let Some(message) = ws.recv().await? {
///             ws.send(message).await?;
///         }
///         Ok(())
///     })
///     .await?;
/// # Ok(())
/// # }
/// ```
pub struct Server {
    listener: TcpListener,
    acceptor: Acceptor,
    on_error: Option<Arc<OnError>>,
}

impl Server {
    /// Listens on a TCP address: `"127.0.0.1:8080"`, `("localhost", 8080)`, `"[::]:0"`, …
    ///
    /// # Errors
    /// [`Error::Io`] if the address cannot be listened on: in use, not of this machine, or a port
    /// that needs more rights.
    pub async fn bind(address: impl ToSocketAddrs + std::fmt::Debug) -> Result<Self, Error> {
        let what = format!("cannot listen on {address:?}");
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| Error::io(ErrorCode::Io, what, error))?;
        Ok(Server::from_listener(listener))
    }

    /// A server on a listener that exists already.
    pub fn from_listener(listener: TcpListener) -> Self {
        Server { listener, acceptor: Acceptor::new(), on_error: None }
    }

    /// The address that is listened on; with port 0 asked for, this is the one given.
    ///
    /// # Errors
    /// [`Error::Io`] if the operating system does not tell.
    pub fn local_addr(&self) -> Result<SocketAddr, Error> {
        self.listener.local_addr().map_err(|error| {
            Error::io(ErrorCode::Io, "the address of the listener is not known", error)
        })
    }

    /// Decides with this acceptor instead of the one built by the setters below.
    pub fn acceptor(mut self, acceptor: Acceptor) -> Self {
        self.acceptor = acceptor;
        self
    }

    fn set(mut self, set: impl FnOnce(Acceptor) -> Acceptor) -> Self {
        self.acceptor = set(self.acceptor);
        self
    }

    /// What the connections may do, and for how long.
    pub fn options(self, options: Options) -> Self {
        self.set(|acceptor| acceptor.options(options))
    }

    /// How long a client may take over its opening handshake; see [`Acceptor::timeout`].
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        self.set(|acceptor| acceptor.timeout(timeout))
    }

    /// How large a request may be; see [`Acceptor::head_limits`].
    pub fn head_limits(self, limits: HeadLimits) -> Self {
        self.set(|acceptor| acceptor.head_limits(limits))
    }

    /// Accepts connections on this path only; see [`Acceptor::path`].
    pub fn path(self, path: impl Into<String>) -> Self {
        self.set(|acceptor| acceptor.path(path))
    }

    /// The subprotocols spoken here; see [`Acceptor::subprotocols`].
    pub fn subprotocols<I>(self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.set(|acceptor| acceptor.subprotocols(names))
    }

    /// Decides whether a client may connect; see [`Acceptor::authorize`].
    pub fn authorize<F, Fut>(self, decide: F) -> Self
    where
        F: Fn(&Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Refusal>> + Send + 'static,
    {
        self.set(|acceptor| acceptor.authorize(decide))
    }

    /// Adds headers to the 101; see [`Acceptor::response_headers`].
    pub fn response_headers(
        self,
        add: impl Fn(&Request, &mut HeaderMap) + Send + Sync + 'static,
    ) -> Self {
        self.set(|acceptor| acceptor.response_headers(add))
    }

    /// Answers requests that do not ask for a WebSocket; see [`Acceptor::http`].
    pub fn http(
        self,
        answer: impl Fn(&Request) -> Response<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        self.set(|acceptor| acceptor.http(answer))
    }

    /// Is told of every handshake that failed and every error that a handler returned; the server
    /// goes on. `ws`: the events `wsClientError` and `error`.
    pub fn on_error(mut self, tell: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.on_error = Some(Arc::new(tell));
        self
    }

    /// Runs `handler` in a task of its own for each connection.
    ///
    /// When the handler returns, the connection is closed: with 1000, or with 1011 if it returned an
    /// error or panicked. What it sends while it is polled leaves in one write (see
    /// [`batch`](crate::batch())).
    ///
    /// # Cancel safety
    /// Dropping the future stops accepting; connections that are open go on.
    ///
    /// # Errors
    /// [`Error::Io`] if the listener fails for good; a single connection never ends the server.
    pub async fn serve<F, Fut>(self, handler: F) -> Result<(), Error>
    where
        F: Fn(WebSocket) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.serve_with(move |ws, _request| handler(ws)).await
    }

    /// As [`serve`](Self::serve), for a handler that wants the client's request as well.
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    pub async fn serve_with<F, Fut>(self, handler: F) -> Result<(), Error>
    where
        F: Fn(WebSocket, Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let Server { listener, acceptor, on_error } = self;
        let shared = Arc::new((acceptor, on_error, handler));
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) if is_exhaustion(&error) => {
                    // Connections that end give descriptors back: keep serving those that are open.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
                Err(error) => {
                    return Err(Error::io(ErrorCode::Io, "accepting connections failed", error));
                }
            };
            // Messages are written whole: waiting for more to send only costs time.
            let _ = stream.set_nodelay(true);
            let shared = shared.clone();
            tokio::spawn(async move {
                let (acceptor, on_error, handler) = &*shared;
                // Boxed, so that an idle connection does not keep room for its handshake.
                let opened = Box::pin(acceptor.accept_transport(Transport::Tcp(stream))).await;
                let result = match opened {
                    Ok((ws, request)) => {
                        let connection = ws.shared().clone();
                        handler::run(connection, handler(ws, request)).await
                    }
                    Err(error) => Err(error),
                };
                if let (Err(error), Some(tell)) = (result, on_error) {
                    tell(&error);
                }
            });
        }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("acceptor", &self.acceptor)
            .finish_non_exhaustive()
    }
}

/// The client has gone before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// The process or the system is out of file descriptors or memory for now.
fn is_exhaustion(error: &io::Error) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    matches!(error.raw_os_error(), Some(ENOMEM | ENFILE | EMFILE | ENOBUFS))
}
