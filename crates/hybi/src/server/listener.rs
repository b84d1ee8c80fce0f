//! [`Server`]: listens, accepts, and runs a handler for each connection.

use super::acceptor::Acceptor;
use super::clients::{self, Clients, Ticket};
use super::handler::{After, Opened, Serving};
use super::origins::Origins;
use super::request::Request;
use super::shutdown::Shutdown;
use super::{HeadLimits, Refusal};
use crate::error::Error;
use crate::transport::Transport;
use crate::websocket::WebSocket;
use http::{HeaderMap, Response};
use hybi_proto::{ErrorCode, Options};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, ToSocketAddrs};

/// How long to wait when the process has no file descriptors left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type OnError = dyn Fn(&Error, Option<SocketAddr>) + Send + Sync;

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
    clients: Option<Clients>,
    shutdown: Shutdown,
    signal: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
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
        Server {
            listener,
            acceptor: Acceptor::new(),
            on_error: None,
            clients: None,
            shutdown: Shutdown::new(),
            signal: None,
        }
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

    /// Which web pages may connect (default: all, as in `ws`); see [`Origins`].
    ///
    /// `Origins::same_origin()` is right for most servers whose clients are browsers.
    pub fn origins(self, origins: Origins) -> Self {
        self.set(|acceptor| acceptor.origins(origins))
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

    /// Is told of every handshake that failed and every error that a handler returned, with the
    /// address of the peer (`None` over a Unix socket); the server goes on. `ws`: the events
    /// `wsClientError` and `error`.
    pub fn on_error(
        mut self,
        tell: impl Fn(&Error, Option<SocketAddr>) + Send + Sync + 'static,
    ) -> Self {
        self.on_error = Some(Arc::new(tell));
        self
    }

    /// Keeps the connections in `clients`, for others to send to (default: they are not kept). `ws`:
    /// `clientTracking`.
    pub fn clients(mut self, clients: &Clients) -> Self {
        self.clients = Some(clients.clone());
        self
    }

    /// Shuts the server down when `signal` is ready: stops accepting, closes the connections, waits
    /// for the handlers, and aborts those that do not return in time. Then `serve` returns. `ws`:
    /// `close()`, which leaves the connections to the caller.
    ///
    /// How it does so is said with [`shutdown`](Self::shutdown).
    ///
    /// ```no_run
    /// # async fn example(ctrl_c: impl Future<Output = ()> + Send + 'static) -> Result<(), hybi::Error> {
    /// hybi::Server::bind("127.0.0.1:8080")
    ///     .await?
    ///     .shutdown_on(ctrl_c)
    ///     .serve(|mut ws| async move {
    ///         while let Some(message) = ws.recv().await? {
    ///             ws.send(message).await?;
    ///         }
    ///         Ok(())
    ///     })
    ///     .await
    /// # }
    /// ```
    pub fn shutdown_on(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.signal = Some(Box::pin(signal));
        self
    }

    /// How to say goodbye (default: 1001, everybody at once, 10 s); see [`Shutdown`].
    pub fn shutdown(mut self, how: Shutdown) -> Self {
        self.shutdown = how;
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
    /// # Returns
    /// After the shutdown, if one was asked for with [`shutdown_on`](Self::shutdown_on).
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
        let Server { listener, acceptor, on_error, clients, shutdown, signal } = self;
        let Some(signal) = signal else {
            return accept_all(
                listener,
                Arc::new(Service { acceptor, on_error, clients, handler }),
            )
            .await;
        };
        let clients = clients.unwrap_or_default();
        let service = Service { acceptor, on_error, clients: Some(clients.clone()), handler };
        let mut accepting = pin!(accept_all(listener, Arc::new(service)));
        let mut signal = signal;
        let failed = poll_fn(|cx| {
            if signal.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            accepting.as_mut().poll(cx).map(Some)
        })
        .await;
        if let Some(failed) = failed {
            return failed;
        }
        // Nobody connects any more: the port is free for the next one.
        drop(accepting);
        clients.shutdown(shutdown).await;
        Ok(())
    }
}

/// What each connection is served with.
struct Service<F> {
    acceptor: Acceptor,
    on_error: Option<Arc<OnError>>,
    clients: Option<Clients>,
    handler: F,
}

async fn accept_all<F, Fut>(listener: TcpListener, service: Arc<Service<F>>) -> Result<(), Error>
where
    F: Fn(WebSocket, Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Error>> + Send + 'static,
{
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
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
        let service = service.clone();
        let clients = service.clients.clone();
        clients::spawn(clients.as_ref(), move |ticket| {
            Serving::opening(Box::pin(open(service, Transport::Tcp(stream), peer, ticket)))
        });
    }
}

/// Opens a connection and calls the handler.
async fn open<F, Fut>(
    service: Arc<Service<F>>,
    transport: Transport,
    peer: SocketAddr,
    ticket: Option<Ticket>,
) -> Option<Opened<Fut>>
where
    F: Fn(WebSocket, Request) -> Fut,
{
    let on_error = service.on_error.clone();
    match service.acceptor.accept_transport(transport).await {
        Ok((ws, request)) => {
            let shared = ws.shared().clone();
            if let Some(ticket) = &ticket {
                ticket.opened(&shared);
            }
            let after: Option<After> = (on_error.is_some() || ticket.is_some()).then(|| {
                let after = move |result: &Result<(), Error>| {
                    if let (Err(error), Some(tell)) = (result, on_error) {
                        tell(error, Some(peer));
                    }
                    drop(ticket);
                };
                Box::new(after) as _
            });
            Some(Opened { shared, handler: (service.handler)(ws, request), after })
        }
        Err(error) => {
            if let Some(tell) = on_error {
                tell(&error, Some(peer));
            }
            None
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
