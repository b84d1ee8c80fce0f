//! [`Upgrading`]: a WebSocket that begins as a request to a hyper 1 server, beside its other routes.

use super::Refusal;
use super::acceptor::Acceptor;
use super::answer::{Agreed, Opened};
use super::clients::{self, Clients};
use super::handler::{Serving, Tell};
use super::request::Request;
use crate::error::Error;
use crate::heartbeat;
use crate::transport::Transport;
use crate::websocket::WebSocket;
use bytes::Bytes;
use http::{Response, StatusCode};
use hybi_proto::handshake::Upgrade;
use hybi_proto::{ErrorCode, Extensions};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;

type OnError = dyn Fn(&Error) + Send + Sync;

impl Acceptor {
    /// Decides over a request that a hyper 1 server has read: the 101 to be returned to hyper, and
    /// the WebSocket that there will be when hyper has written it.
    ///
    /// The connection must be served with upgrades enabled
    /// (`hyper::server::conn::http1::Builder::serve_connection(..).with_upgrades()`, or
    /// `serve_connection_with_upgrades` of hyper-util). Deadlines and limits of the request are
    /// hyper's.
    ///
    /// ```
    /// # async fn example(mut request: hyper::Request<hyper::body::Incoming>) {
    /// use hybi::server::Acceptor;
    /// let response = match Acceptor::new().upgrade(&mut request).await {
    ///     Ok((response, upgrading)) => {
    ///         upgrading.serve(|mut ws, _request| async move {
    ///             while let Some(message) = ws.recv().await? {
    ///                 ws.send(message).await?;
    ///             }
    ///             Ok(())
    ///         });
    ///         response.map(|()| String::new())
    ///     }
    ///     Err(refusal) => refusal.into_response(),
    /// };
    /// # }
    /// ```
    ///
    /// # Errors
    /// The [`Refusal`] to be returned to hyper; 500 if a setting of the acceptor is wrong, which its
    /// [`error`](Refusal::error) tells.
    pub async fn upgrade<B>(
        &self,
        request: &mut http::Request<B>,
    ) -> Result<(Response<()>, Upgrading), Refusal> {
        self.upgrade_from(request, None).await
    }

    /// As [`upgrade`](Self::upgrade), for the rules and the handler to know the address of the peer.
    ///
    /// # Errors
    /// As [`upgrade`](Self::upgrade).
    pub async fn upgrade_from<B>(
        &self,
        request: &mut http::Request<B>,
        peer: Option<SocketAddr>,
    ) -> Result<(Response<()>, Upgrading), Refusal> {
        let mut head = http::Request::new(());
        *head.method_mut() = request.method().clone();
        *head.uri_mut() = request.uri().clone();
        *head.version_mut() = request.version();
        *head.headers_mut() = request.headers().clone();
        let copy = Request::new(head, peer);
        let upgrade = match self.check() {
            Ok(()) => Upgrade::of(&copy),
            Err(error) => Err(Refusal::because(StatusCode::INTERNAL_SERVER_ERROR, error)),
        };
        let agreed = self.agree(&copy, &upgrade, Upgrade::respond).await.and_then(|agreed| {
            if request.extensions().get::<OnUpgrade>().is_none() {
                let reason = "this HTTP server was not told to allow upgrades";
                return Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, reason));
            }
            Ok(agreed)
        });
        let Agreed { response, subprotocol, extensions } = agreed
            .inspect_err(|refusal| self.note_refusal(peer, Some(copy.uri().path()), refusal))?;
        let upgrading = Upgrading {
            acceptor: self.clone(),
            on_upgrade: hyper::upgrade::on(request),
            request: copy,
            subprotocol,
            extensions,
            clients: None,
            on_error: None,
        };
        Ok((response, upgrading))
    }
}

/// A WebSocket that opens when hyper has written the 101.
#[must_use = "the connection is closed if nobody serves it"]
pub struct Upgrading {
    acceptor: Acceptor,
    on_upgrade: OnUpgrade,
    request: Request,
    subprotocol: Option<String>,
    extensions: Extensions,
    clients: Option<Clients>,
    on_error: Option<Arc<OnError>>,
}

impl Upgrading {
    /// The client's request.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The subprotocol that was agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Keeps the connection in `clients` while it is [served](Self::serve): hyper's own graceful
    /// shutdown forgets connections that are upgraded, [`Clients::shutdown`] closes them.
    pub fn clients(mut self, clients: &Clients) -> Self {
        self.clients = Some(clients.clone());
        self
    }

    /// Is told if the upgrade fails or the handler of [`serve`](Self::serve) returns an error.
    pub fn on_error(mut self, tell: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.on_error = Some(Arc::new(tell));
        self
    }

    /// Waits until the WebSocket is open, for a task of your own to use it.
    ///
    /// The response must have been returned to hyper: wait in another task.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    ///
    /// # Errors
    /// [`Error::Io`] if the client has gone before.
    pub async fn open(self) -> Result<(WebSocket, Request), Error> {
        let (ws, request) = self.open_without_heartbeat().await?;
        heartbeat::spawn(ws.shared());
        Ok((ws, request))
    }

    async fn open_without_heartbeat(self) -> Result<(WebSocket, Request), Error> {
        let Upgrading { acceptor, on_upgrade, request, subprotocol, extensions, .. } = self;
        let upgraded = on_upgrade.await.map_err(|error| {
            let error = std::io::Error::other(error);
            Error::io(ErrorCode::Io, "the HTTP connection ended before the upgrade", error)
        })?;
        let (transport, early) = unwrap(upgraded);
        Ok(acceptor.open(Opened { request, subprotocol, extensions, early }, transport))
    }

    /// Runs `handler` in a task of its own as soon as the WebSocket is open, as
    /// [`Server::serve`](super::Server::serve) does: batched, with 1000 or 1011 at the end.
    pub fn serve<F, Fut>(mut self, handler: F)
    where
        F: FnOnce(WebSocket, Request) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let clients = self.clients.take();
        let tell = self.on_error.take();
        let tell = tell.map(|tell| Box::new(move |error: &Error| tell(error)) as Tell);
        clients::spawn(clients.as_ref(), move |ticket| {
            Serving::new(self.open_without_heartbeat(), handler, ticket, tell, None::<()>)
        });
    }
}

impl std::fmt::Debug for Upgrading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upgrading").field("request", &self.request).finish_non_exhaustive()
    }
}

/// What is below hyper, and what hyper has read beyond the request. A TCP stream is used directly.
fn unwrap(upgraded: Upgraded) -> (Transport, Bytes) {
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => return direct(parts.io, parts.read_buf),
        Err(upgraded) => upgraded,
    };
    match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => direct(parts.io, parts.read_buf),
        Err(upgraded) => (Transport::new(TokioIo::new(upgraded)), Bytes::new()),
    }
}

fn direct(io: TokioIo<TcpStream>, early: Bytes) -> (Transport, Bytes) {
    let stream = io.into_inner();
    // Messages are written whole: waiting for more to send only costs time.
    let _ = stream.set_nodelay(true);
    (Transport::Tcp(stream), early)
}
