//! [`WebSocketService`] and [`WebSocketLayer`]: WebSockets in a stack of tower services.

use super::acceptor::{Acceptor, check_path};
use super::clients::Clients;
use super::request::Request;
use crate::error::Error;
use crate::websocket::WebSocket;
use http::{Response, header};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tower_layer::Layer;
use tower_service::Service;

type Handler = dyn Fn(WebSocket, Request) -> Running + Send + Sync;
type Running = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;
type OnError = dyn Fn(&Error) + Send + Sync;

/// A tower service that answers every request as an opening handshake: with 101, and the handler in
/// a task of its own, or with the reason why not.
///
/// The connection must be served with upgrades enabled, as for
/// [`Acceptor::upgrade`](Acceptor::upgrade). The handler's
/// [`Request::peer_addr`] is the `SocketAddr` among the extensions of the request, if there is one.
/// Cloning is cheap.
#[derive(Clone)]
pub struct WebSocketService {
    acceptor: Acceptor,
    clients: Option<Clients>,
    on_error: Option<Arc<OnError>>,
    handler: Arc<Handler>,
}

impl WebSocketService {
    /// Runs `handler` for each connection, as [`Server::serve_with`](crate::Server::serve_with) does.
    pub fn new<F, Fut>(handler: F) -> Self
    where
        F: Fn(WebSocket, Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let handler = Arc::new(move |ws, request| Box::pin(handler(ws, request)) as Running);
        WebSocketService { acceptor: Acceptor::new(), clients: None, on_error: None, handler }
    }

    /// Decides over the requests (default: [`Acceptor::new`]).
    pub fn acceptor(mut self, acceptor: Acceptor) -> Self {
        self.acceptor = acceptor;
        self
    }

    /// Keeps the connections in `clients`: the graceful shutdown of an HTTP server forgets
    /// connections that are upgraded, [`Clients::shutdown`] closes them (default: they are not kept).
    pub fn clients(mut self, clients: &Clients) -> Self {
        self.clients = Some(clients.clone());
        self
    }

    /// Is told of upgrades that fail and of errors that the handler returns (default: nobody is).
    pub fn on_error(mut self, tell: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.on_error = Some(Arc::new(tell));
        self
    }

    async fn answer(self, mut request: http::Request<()>) -> Response<String> {
        let peer = request.extensions().get::<SocketAddr>().copied();
        match self.acceptor.upgrade_from(&mut request, peer).await {
            Ok((response, mut upgrading)) => {
                if let Some(clients) = &self.clients {
                    upgrading = upgrading.clients(clients);
                }
                if let Some(tell) = self.on_error {
                    upgrading = upgrading.on_error(move |error| tell(error));
                }
                upgrading.serve(move |ws, request| (self.handler)(ws, request));
                response.map(|()| String::new())
            }
            Err(refusal) => refusal.into_response(),
        }
    }
}

impl<B> Service<http::Request<B>> for WebSocketService {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Answering {
        Answering(Box::pin(self.clone().answer(request.map(|_body| ()))))
    }
}

impl std::fmt::Debug for WebSocketService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSocketService").field("acceptor", &self.acceptor).finish_non_exhaustive()
    }
}

/// The answer of a [`WebSocketService`].
pub struct Answering(Pin<Box<dyn Future<Output = Response<String>> + Send>>);

impl Future for Answering {
    type Output = Result<Response<String>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(Ok)
    }
}

impl std::fmt::Debug for Answering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}

/// A tower layer: requests for an upgrade on one path go to a [`WebSocketService`], all others to the
/// service within, those on the same path included. Several layers make several endpoints.
///
/// ```
/// use hybi::server::{WebSocketLayer, WebSocketService};
/// let echo = WebSocketLayer::new("/echo", WebSocketService::new(|mut ws, _request| async move {
///     while let Some(message) = ws.recv().await? {
///         ws.send(message).await?;
///     }
///     Ok(())
/// }));
/// ```
#[derive(Debug, Clone)]
pub struct WebSocketLayer {
    path: Arc<str>,
    service: WebSocketService,
}

impl WebSocketLayer {
    /// Answers requests for an upgrade on `path` with `service`.
    ///
    /// # Panics
    /// If no request can have the path, as axum's `Router::route` does: it must begin with a slash, and
    /// is compared as [`Acceptor::path`] is.
    pub fn new(path: impl Into<Arc<str>>, service: WebSocketService) -> Self {
        let path = path.into();
        check_path(&path).unwrap_or_else(|text| panic!("{text}"));
        WebSocketLayer { path, service }
    }
}

impl<S> Layer<S> for WebSocketLayer {
    type Service = WebSocketRoute<S>;

    fn layer(&self, inner: S) -> WebSocketRoute<S> {
        WebSocketRoute { layer: self.clone(), inner }
    }
}

/// What [`WebSocketLayer`] makes of a service.
#[derive(Debug, Clone)]
pub struct WebSocketRoute<S> {
    layer: WebSocketLayer,
    inner: S,
}

impl<S, B, R> Service<http::Request<B>> for WebSocketRoute<S>
where
    S: Service<http::Request<B>, Response = Response<R>>,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Routing<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Routing<S::Future> {
        let upgrade = request.headers().contains_key(header::UPGRADE);
        if upgrade && request.uri().path() == &*self.layer.path {
            return Routing::Here { answering: self.layer.service.call(request) };
        }
        Routing::Inner { future: self.inner.call(request) }
    }
}

pin_project_lite::pin_project! {
    /// The answer of a [`WebSocketRoute`].
    #[project = RoutingProjection]
    #[derive(Debug)]
    #[allow(missing_docs)]
    pub enum Routing<F> {
        /// By the WebSocket's service.
        Here { answering: Answering },
        /// By the service within.
        Inner { #[pin] future: F },
    }
}

impl<F, R, E> Future for Routing<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: From<String>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            RoutingProjection::Here { answering } => {
                let Ok(response) = ready!(Pin::new(answering).poll(cx));
                Poll::Ready(Ok(response.map(R::from)))
            }
            RoutingProjection::Inner { future } => future.poll(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "no request can have the path \"echo\"")]
    fn a_layer_on_a_path_that_no_request_can_have_is_refused_at_once() {
        WebSocketLayer::new("echo", WebSocketService::new(|_ws, _request| async { Ok(()) }));
    }
}
