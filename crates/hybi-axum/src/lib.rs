//! WebSockets by [`hybi`] in axum 0.8.
//!
//! ```no_run
//! use axum::{Router, response::Response, routing::any};
//! use hybi_axum::WebSocketUpgrade;
//!
//! async fn echo(upgrade: WebSocketUpgrade) -> Response {
//!     upgrade.on_upgrade(|mut ws| async move {
//!         while let Some(message) = ws.recv().await? {
//!             ws.send(message).await?;
//!         }
//!         Ok(())
//!     })
//! }
//!
//! let app: Router = Router::new().route("/echo", any(echo));
//! ```
//!
//! The handler is run as under [`hybi::Server`]: what it sends while it is polled leaves in one
//! write, the connection is closed with 1000 when it returns and with 1011 when it fails.
//!
//! For the graceful shutdown give the connections to a [`Clients`]: axum's own waits only for
//! requests, and an upgraded connection is none any more.
//!
//! ```no_run
//! # async fn example(app: axum::Router, clients: hybi::server::Clients, ctrl_c: impl Future<Output = ()> + Send + 'static) {
//! use hybi::server::Shutdown;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await.unwrap();
//! axum::serve(listener, app).with_graceful_shutdown(ctrl_c).await.unwrap();
//! clients.shutdown(Shutdown::new()).await;
//! # }
//! ```
#![forbid(unsafe_code)]

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use hybi::server::{Acceptor, Clients, Origins, Refusal, Request};
use hybi::{DeflateOptions, Error, Limits, Options, Stats, WebSocket};
use hybi_proto::handshake::Upgrade;
use hyper::upgrade::OnUpgrade;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

type OnError = Arc<dyn Fn(&Error) + Send + Sync>;

/// The extractor: a request that is a valid opening handshake of a WebSocket.
///
/// Use it in a route for `GET` (`any` or `get`), under `axum::serve` or anything else that serves
/// HTTP/1.1 with upgrades. Requests that are no opening handshake are answered with the reason
/// ([`Rejection`]). Whether the client may connect is decided with axum's means, before
/// [`on_upgrade`](Self::on_upgrade) is called; for pages of other sites there is
/// [`origins`](Self::origins).
#[must_use = "the client gets its answer from on_upgrade"]
pub struct WebSocketUpgrade {
    request: http::Request<()>,
    offered: Vec<String>,
    acceptor: Acceptor,
    options: Options,
    subprotocol: Option<String>,
    peer: Option<SocketAddr>,
    clients: Option<Clients>,
    on_error: Option<OnError>,
}

impl WebSocketUpgrade {
    fn set(mut self, set: impl FnOnce(Acceptor) -> Acceptor) -> Self {
        self.acceptor = set(self.acceptor);
        self
    }

    /// What the connection may do, and for how long: limits, compression, heartbeat (default
    /// [`Options::new`]).
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// The largest message that is received, in bytes (default 100 MiB; axum's own extractor has 64
    /// MiB); the other limits are left at their defaults.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.options = self.options.limits(Limits::new().max_message_size(bytes));
        self
    }

    /// Compresses messages if the client offers it (default: no).
    pub fn compression(mut self, deflate: DeflateOptions) -> Self {
        self.options = self.options.compression(deflate);
        self
    }

    /// The subprotocols spoken here: the first one that the client offers and that is among them is
    /// chosen (default: none).
    pub fn subprotocols<I>(self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        self.select_subprotocol(|offered| offered.iter().find(|name| names.contains(name)).cloned())
    }

    /// Chooses one of the offered subprotocols, or none; instead of
    /// [`subprotocols`](Self::subprotocols). One that was not offered is answered with 500. `ws`:
    /// `handleProtocols`.
    pub fn select_subprotocol(mut self, select: impl FnOnce(&[String]) -> Option<String>) -> Self {
        self.subprotocol = if self.offered.is_empty() { None } else { select(&self.offered) };
        self
    }

    /// The subprotocol that will be agreed on: what [`subprotocols`](Self::subprotocols) or
    /// [`select_subprotocol`](Self::select_subprotocol) has chosen.
    pub fn selected_subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Adds headers to the 101, for example `Set-Cookie`.
    pub fn response_headers(
        self,
        add: impl Fn(&Request, &mut HeaderMap) + Send + Sync + 'static,
    ) -> Self {
        self.set(|acceptor| acceptor.response_headers(add))
    }

    /// The client's request.
    pub fn request(&self) -> &http::Request<()> {
        &self.request
    }

    /// The subprotocols that the client offers, the most wanted first.
    pub fn offered_subprotocols(&self) -> &[String] {
        &self.offered
    }

    /// Which web pages may connect (default: all); others are answered with 403.
    pub fn origins(self, origins: Origins) -> Self {
        self.set(|acceptor| acceptor.origins(origins))
    }

    /// The address of the peer, for the handler's [`Request::peer_addr`]. Default: that of axum's
    /// `ConnectInfo<SocketAddr>`, if the app is served
    /// `into_make_service_with_connect_info::<SocketAddr>()`; otherwise it is not known.
    pub fn peer_addr(mut self, peer: SocketAddr) -> Self {
        self.peer = Some(peer);
        self
    }

    /// Keeps the connection in `clients`, for others to send to and for the graceful shutdown
    /// (default: it is not kept).
    pub fn clients(mut self, clients: &Clients) -> Self {
        self.clients = Some(clients.clone());
        self
    }

    /// Counts the connection in `stats` (default: nothing is counted). A request that is no opening
    /// handshake at all ([`Rejection`]) is not counted.
    pub fn stats(self, stats: &Stats) -> Self {
        self.set(|acceptor| acceptor.stats(stats))
    }

    /// Is told if the upgrade fails or the handler returns an error (default: nobody is).
    pub fn on_error(mut self, tell: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.on_error = Some(Arc::new(tell));
        self
    }

    /// Answers the client with 101 and runs `handler` in a task of its own; or says why not.
    pub fn on_upgrade<F, Fut>(self, handler: F) -> Response
    where
        F: FnOnce(WebSocket) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.on_upgrade_with(move |ws, _request| handler(ws))
    }

    /// As [`on_upgrade`](Self::on_upgrade), for a handler that wants the client's request as well.
    pub fn on_upgrade_with<F, Fut>(mut self, handler: F) -> Response
    where
        F: FnOnce(WebSocket, Request) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let subprotocol = self.subprotocol;
        self.acceptor =
            self.acceptor.options(self.options).select_subprotocol(move |_, _| subprotocol.clone());
        let decision = pin!(self.acceptor.upgrade_from(&mut self.request, self.peer));
        // Only `authorize` would have to wait, and there is none: axum has its own means.
        let Poll::Ready(decision) = decision.poll(&mut Context::from_waker(Waker::noop())) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        match decision {
            Ok((response, mut upgrading)) => {
                if let Some(clients) = &self.clients {
                    upgrading = upgrading.clients(clients);
                }
                if let Some(tell) = self.on_error {
                    upgrading = upgrading.on_error(move |error| tell(error));
                }
                upgrading.serve(handler);
                response.map(|()| Body::empty())
            }
            Err(refusal) => Rejection(refusal).into_response(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Rejection> {
        let upgrade = Upgrade::check(&parts.method, parts.version, &parts.headers);
        let offered = upgrade.map_err(Rejection)?.subprotocols().to_vec();
        let mut request = http::Request::new(());
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = parts.uri.clone();
        *request.version_mut() = parts.version;
        *request.headers_mut() = parts.headers.clone();
        if let Some(on_upgrade) = parts.extensions.remove::<OnUpgrade>() {
            request.extensions_mut().insert(on_upgrade);
        }
        let acceptor = Acceptor::new();
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
        Ok(WebSocketUpgrade {
            request,
            offered,
            acceptor,
            options: Options::new(),
            subprotocol: None,
            peer,
            clients: None,
            on_error: None,
        })
    }
}

impl fmt::Debug for WebSocketUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketUpgrade")
            .field("request", &self.request)
            .field("acceptor", &self.acceptor)
            .finish_non_exhaustive()
    }
}

/// Why a request is no opening handshake: 400, 405 or 426, with one line that says why.
#[derive(Debug, Clone)]
pub struct Rejection(Refusal);

impl Rejection {
    /// Status, headers and body.
    pub fn refusal(&self) -> &Refusal {
        &self.0
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.0.into_response().map(Body::from)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Rejection {}
