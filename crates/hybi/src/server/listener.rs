//! [`Server`]: listens, accepts, and runs a handler for each connection.

use super::acceptor::Acceptor;
use super::clients::Clients;
use super::listen::{Listen, Listener};
use super::origins::Origins;
use super::request::Request;
use super::serve::{OnError, Service};
use super::shutdown::Shutdown;
use super::tls::Security;
use super::{HeadLimits, Refusal};
use crate::error::Error;
use crate::stats::Stats;
use crate::websocket::WebSocket;
use http::{HeaderMap, Response};
use hybi_proto::{ErrorCode, Options};
use std::future::{Future, pending};
use std::net::SocketAddr;
#[cfg(any(unix, feature = "tls"))]
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::ToSocketAddrs;

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
    listener: Listener,
    acceptor: Acceptor,
    security: Security,
    on_error: Option<Arc<OnError>>,
    clients: Option<Clients>,
    shutdown: Shutdown,
    signal: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// 0: on the runtime of the caller.
    workers: usize,
}

impl Server {
    /// Listens on a TCP address: `"127.0.0.1:8080"`, `("localhost", 8080)`, `"[::]:0"`, …
    ///
    /// # Errors
    /// [`Error::Io`] if the address cannot be listened on: in use, not of this machine, or a port
    /// that needs more rights.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one without I/O (`enable_io`).
    pub async fn bind(address: impl ToSocketAddrs + std::fmt::Debug) -> Result<Self, Error> {
        Server::bind_with(address, &Listen::new()).await
    }

    /// As [`bind`](Self::bind), with a backlog, for IPv6 only, or with `SO_REUSEPORT`.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    ///
    /// # Panics
    /// As [`bind`](Self::bind).
    pub async fn bind_with(
        address: impl ToSocketAddrs + std::fmt::Debug,
        how: &Listen,
    ) -> Result<Self, Error> {
        Ok(Server::from_listener(how.bind(address).await?))
    }

    /// Listens on a Unix socket.
    ///
    /// The file is removed when the server ends. One that a server has left which did not end
    /// properly is replaced.
    ///
    /// # Errors
    /// [`Error::Io`] if somebody listens on the file, if it is no socket, or if it must not be made.
    ///
    /// # Panics
    /// As [`bind`](Self::bind).
    #[cfg(unix)]
    pub fn bind_unix(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Server::from_listener(Listener::bind_unix(path.as_ref())?))
    }

    /// A server on a listener that exists already: a `TcpListener` or `UnixListener` of tokio.
    pub fn from_listener(listener: impl Into<Listener>) -> Self {
        Server {
            listener: listener.into(),
            acceptor: Acceptor::new(),
            security: Security::default(),
            on_error: None,
            clients: None,
            shutdown: Shutdown::new(),
            signal: None,
            workers: 0,
        }
    }

    /// The address that is listened on; with port 0 asked for, this is the one given.
    ///
    /// # Errors
    /// [`Error::Io`] for a Unix socket, or if the operating system does not tell.
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

    /// Chooses one of the offered subprotocols, or none; see [`Acceptor::select_subprotocol`].
    pub fn select_subprotocol(
        self,
        select: impl Fn(&[String], &Request) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.set(|acceptor| acceptor.select_subprotocol(select))
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

    /// Counts handshakes, connections, messages and octets in `stats` (default: nothing is counted);
    /// see [`Stats`].
    pub fn stats(self, stats: &Stats) -> Self {
        self.set(|acceptor| acceptor.stats(stats))
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

    /// Serves `wss:` with the certificate, and those between it and its authority, in one PEM file,
    /// and the private key in another (or in the same). The TLS handshake counts toward
    /// [`handshake_timeout`](Self::handshake_timeout).
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read, [`Error::Tls`] if there is nothing usable in it.
    #[cfg(feature = "tls")]
    pub fn tls_files(
        mut self,
        certificates: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, Error> {
        self.security = Security::with_files(certificates.as_ref(), key.as_ref())?;
        Ok(self)
    }

    /// Serves `wss:` with a configuration of rustls. Its ALPN protocols should be `http/1.1` or
    /// none.
    #[cfg(feature = "tls")]
    pub fn tls_config(mut self, config: Arc<rustls::ServerConfig>) -> Self {
        self.security = Security::with_config(config);
        self
    }

    /// Serves on so many threads, each with a tokio runtime of its own (default 0: on the runtime of
    /// the caller). A connection stays on the thread that accepted it.
    ///
    /// With [`Listen::reuse_port`] each thread has a socket of its own, and the kernel spreads the
    /// connections evenly; otherwise they share one, and whoever is free first accepts.
    ///
    /// What a handler spawns ends with the thread's runtime, which is when the server has stopped
    /// accepting and the thread has no connection left.
    pub fn workers(mut self, threads: usize) -> Self {
        self.workers = threads;
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
    /// `?` takes hybi's own errors; other errors become one by
    /// [`Error::application`](crate::Error::application):
    ///
    /// ```no_run
    /// # async fn example(server: hybi::Server) -> Result<(), hybi::Error> {
    /// server
    ///     .serve(|mut ws| async move {
    ///         while let Some(message) = ws.recv().await? {
    ///             let text = message.as_text().unwrap_or_default();
    ///             let number: u64 = text.parse().map_err(hybi::Error::application)?;
    ///             ws.send(format!("{}", number / 2)).await?;
    ///         }
    ///         Ok(())
    ///     })
    ///     .await
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// Dropping the future stops accepting; connections that are open go on.
    ///
    /// # Returns
    /// After the shutdown, if one was asked for with [`shutdown_on`](Self::shutdown_on).
    ///
    /// # Errors
    /// [`Error::Io`] if the listener fails for good; a single connection never ends the server.
    /// [`Error::Usage`] at once if a setting is wrong.
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
        let Server { listener, acceptor, security, on_error, clients, shutdown, signal, workers } =
            self;
        acceptor.check()?;
        // Without a way to be shut down, the connections need not be known.
        let clients = clients.or_else(|| signal.is_some().then(Clients::new));
        let stop = async {
            match signal {
                Some(signal) => signal.await,
                None => pending().await,
            }
        };
        let known = clients.clone();
        let service = Arc::new(Service { acceptor, security, on_error, clients, handler });
        let workers = match workers {
            0 => {
                service.serve_here(listener, stop).await?;
                None
            }
            threads => Some(service.serve_on_threads(listener, threads, stop).await?),
        };
        // Nobody is accepted any more: the port is free for the next one.
        if let Some(clients) = known {
            clients.shutdown(shutdown).await;
        }
        if let Some(workers) = workers {
            workers.wait().await;
        }
        Ok(())
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
