//! [`Acceptor`]: the server's side of the opening handshake: its rules, its time, and what it opens.

use super::answer::{Head, Opened};
use super::deadlines::Deadlines;
use super::origins::Origins;
use super::request::Request;
use super::tls::Security;
use crate::error::Error;
use crate::heartbeat;
use crate::meter::Meter;
use crate::pump::Shared;
use crate::stats::Stats;
use crate::trace;
use crate::transport::Transport;
use crate::websocket::WebSocket;
use bytes::Bytes;
use http::{HeaderMap, Response};
use hybi_proto::handshake::{HeadLimits, Refusal, Upgrade, check_subprotocol};
use hybi_proto::{Connection, ErrorCode, ErrorDetail, Options};
use std::borrow::Cow;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
type Authorize = dyn for<'a> Fn(&'a Request) -> Boxed<'a, Result<(), Refusal>> + Send + Sync;
type SelectSubprotocol = dyn Fn(&[String], &Request) -> Option<String> + Send + Sync;
type ResponseHeaders = dyn Fn(&Request, &mut HeaderMap) + Send + Sync;
pub(super) type Http = dyn Fn(&Request) -> Response<Vec<u8>> + Send + Sync;

/// Decides over opening handshakes and answers them.
///
/// Cloning is cheap. The defaults: every path and every origin is accepted, no subprotocol is
/// chosen unless the client offers one that was named here, and the client has 10 s to send its
/// request. A closure given here that panics is answered with 500.
///
/// With hyper (feature `hyper`) use `Acceptor::upgrade`, and serve hyper's connection
/// `.with_upgrades()`.
#[derive(Clone)]
pub struct Acceptor {
    pub(super) options: Arc<Options>,
    timeout: Option<Duration>,
    pub(super) head_limits: HeadLimits,
    pub(super) rules: Arc<Rules>,
    pub(super) stats: Option<Stats>,
}

/// What was decided in advance, each only if it was asked for.
#[derive(Clone, Default)]
pub(super) struct Rules {
    /// The first setting that was wrong: told when accepting, so that setters can be chained.
    wrong: Option<hybi_proto::Error>,
    pub(super) path: Option<String>,
    pub(super) origins: Origins,
    pub(super) select_subprotocol: Option<Arc<SelectSubprotocol>>,
    pub(super) authorize: Option<Arc<Authorize>>,
    pub(super) response_headers: Option<Arc<ResponseHeaders>>,
    pub(super) http: Option<Arc<Http>>,
}

impl Acceptor {
    /// An acceptor with the defaults.
    pub fn new() -> Self {
        Acceptor {
            options: Arc::new(Options::new()),
            timeout: Some(Duration::from_secs(10)),
            head_limits: HeadLimits::new(),
            rules: Arc::default(),
            stats: None,
        }
    }

    fn rule(mut self, set: impl FnOnce(&mut Rules)) -> Self {
        set(Arc::make_mut(&mut self.rules));
        self
    }

    fn refuse(self, text: impl Into<Cow<'static, str>>) -> Self {
        let wrong = ErrorDetail::new(ErrorCode::InvalidArgument, text);
        self.refuse_if(Err(hybi_proto::Error::Usage(wrong)))
    }

    fn refuse_if(self, checked: Result<(), hybi_proto::Error>) -> Self {
        match checked {
            Ok(()) => self,
            Err(error) => self.rule(|rules| {
                rules.wrong.get_or_insert(error);
            }),
        }
    }

    /// Whether connections can be accepted with these settings.
    pub(super) fn check(&self) -> Result<(), hybi_proto::Error> {
        match &self.rules.wrong {
            Some(error) => Err(error.clone()),
            None => self.options.check(),
        }
    }

    /// What the connections may do, and for how long. What [`Options::check`] refuses is an
    /// [`Error::Usage`] when accepting.
    pub fn options(mut self, options: Options) -> Self {
        self.options = Arc::new(options);
        self
    }

    /// How long the client may take to send its request (default 10 s). Zero is an
    /// [`Error::Usage`] when accepting.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        match timeout.is_zero() {
            true => self.refuse(
                "the timeout of the handshake is zero; it must be longer (Acceptor::no_timeout for none)",
            ),
            false => self,
        }
    }

    /// Lets the client take as long as it wants to send its request.
    pub fn no_timeout(mut self) -> Self {
        self.timeout = None;
        self
    }

    /// How large the request may be (default 16 KiB and 100 headers; more is refused with 431).
    pub fn head_limits(mut self, limits: HeadLimits) -> Self {
        self.head_limits = limits;
        self
    }

    /// Accepts connections on this path only; others are refused with 404. `ws`: `path`.
    ///
    /// It begins with a slash and is compared as requests have it: percent-encoded, without the query. One
    /// that no request can have is an [`Error::Usage`] when accepting.
    pub fn path(self, path: impl Into<String>) -> Self {
        let path = path.into();
        match check_path(&path) {
            Ok(()) => self.rule(|rules| rules.path = Some(path)),
            Err(text) => self.refuse(text),
        }
    }

    /// Which web pages may connect (default [`Origins::any`], as in `ws`); others are refused with
    /// 403. A list with something else than origins is an [`Error::Usage`] when accepting.
    pub fn origins(self, origins: Origins) -> Self {
        if let Some(text) = origins.wrong() {
            return self.refuse(text);
        }
        self.rule(|rules| rules.origins = origins)
    }

    /// The subprotocols spoken here: the first one that the client offers and that is among them is
    /// chosen; none if there is no such. A name that is no token is an [`Error::Usage`] when accepting.
    pub fn subprotocols<I>(self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let checked = names.iter().try_for_each(|name| check_subprotocol(name));
        self.refuse_if(checked).select_subprotocol(move |offered, _| {
            offered.iter().find(|name| names.contains(name)).cloned()
        })
    }

    /// Chooses one of the offered subprotocols, or none. `ws`: `handleProtocols`.
    pub fn select_subprotocol(
        self,
        select: impl Fn(&[String], &Request) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.rule(|rules| rules.select_subprotocol = Some(Arc::new(select)))
    }

    /// Decides whether the client may connect; a [`Refusal`] says with which status, headers and
    /// body it is told that it may not. `ws`: `verifyClient`.
    ///
    /// ```
    /// use hybi::http::{HeaderValue, StatusCode, header};
    /// use hybi::server::{Acceptor, Refusal};
    /// let acceptor = Acceptor::new().authorize(|request| {
    ///     let known = request.header("authorization") == Some("Bearer secret");
    ///     async move {
    ///         if known {
    ///             return Ok(());
    ///         }
    ///         // RFC 9110 §15.5.2: a 401 says how to authenticate.
    ///         Err(Refusal::new(StatusCode::UNAUTHORIZED, "a token is needed")
    ///             .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
    ///     }
    /// });
    /// ```
    pub fn authorize<F, Fut>(self, decide: F) -> Self
    where
        F: Fn(&Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Refusal>> + Send + 'static,
    {
        self.rule(|rules| {
            rules.authorize = Some(Arc::new(move |request| Box::pin(decide(request))));
        })
    }

    /// Adds headers to the 101, for example `Set-Cookie`. `ws`: the event `headers`.
    pub fn response_headers(
        self,
        add: impl Fn(&Request, &mut HeaderMap) + Send + Sync + 'static,
    ) -> Self {
        self.rule(|rules| rules.response_headers = Some(Arc::new(add)))
    }

    /// Answers requests that do not ask for a WebSocket, for example with a page (default: 426).
    /// The connection is closed after the response.
    pub fn http(
        self,
        answer: impl Fn(&Request) -> Response<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        self.rule(|rules| rules.http = Some(Arc::new(answer)))
    }

    /// Counts the handshakes and the connections that come of them in `stats` (default: nothing is
    /// counted).
    pub fn stats(mut self, stats: &Stats) -> Self {
        self.stats = Some(stats.clone());
        self
    }

    /// Reads the client's request from `stream`, decides, and answers.
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream.
    ///
    /// # Errors
    /// [`Error::Handshake`] if the request was refused or is not a WebSocket's; the client has been
    /// told why. [`Error::Timeout`] if it did not come in time, [`Error::Io`]. [`Error::Usage`] if a
    /// setting of the acceptor is wrong, before anything is read.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one without time (`enable_time`), unless there is
    /// [`no_timeout`](Self::no_timeout) and no heartbeat.
    pub async fn accept<S>(&self, stream: S) -> Result<(WebSocket, Request), Error>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        self.check()?;
        let transport = Transport::new(stream);
        let peer = transport.peer_addr();
        let security = Security::default();
        let open = self.accept_transport(transport, peer.as_ref(), &security);
        let (ws, request) = self.in_time(open, peer).await?;
        heartbeat::spawn(ws.shared());
        Ok((ws, request))
    }

    /// As [`accept`](Self::accept), for a request that somebody else has read and parsed: decides over
    /// it, and writes the answer to `stream`. `early` are the octets that were read after the head of
    /// the request, if any; they belong to the WebSocket. `ws`: `noServer` and `handleUpgrade(request,
    /// socket, head)`.
    ///
    /// ```
    /// # async fn example(request: http::Request<()>, stream: tokio::net::TcpStream) -> Result<(), hybi::Error> {
    /// let acceptor = hybi::server::Acceptor::new().path("/chat");
    /// let (mut ws, request) = acceptor.accept_parsed(request, stream, b"").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream.
    ///
    /// # Errors
    /// As [`accept`](Self::accept); the [`timeout`](Self::timeout) is that of the decision.
    pub async fn accept_parsed<S, B>(
        &self,
        request: http::Request<B>,
        stream: S,
        early: &[u8],
    ) -> Result<(WebSocket, Request), Error>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        self.check()?;
        let mut transport = Transport::new(stream);
        let request = Request::new(request.map(|_body| ()), transport.peer_addr());
        let upgrade = Upgrade::of(&request);
        let head = Box::new(Head { request, upgrade, early: Bytes::copy_from_slice(early) });
        let open = async {
            let opened = self.decide(&mut transport, head).await?;
            Ok(self.open(opened, transport))
        };
        let (ws, request) = self.in_time(open, None).await?;
        heartbeat::spawn(ws.shared());
        Ok((ws, request))
    }

    async fn accept_transport(
        &self,
        transport: Transport,
        peer: Option<&SocketAddr>,
        security: &Security,
    ) -> Result<(WebSocket, Request), Error> {
        let mut transport = security.secure(transport).await?;
        let opened = self.handshake_on(&mut transport, peer).await?;
        Ok(self.open(opened, transport))
    }

    /// As [`accept`](Self::accept), for a listener that keeps the time of all its handshakes.
    pub(super) async fn accept_before(
        &self,
        deadlines: &Arc<Deadlines>,
        transport: Transport,
        peer: Option<&SocketAddr>,
        security: &Security,
    ) -> Result<(WebSocket, Request), Error> {
        // Pinned here: a future that is handed on by value takes its room twice.
        let open = pin!(self.accept_transport(transport, peer, security));
        let result = match self.timeout {
            None => Ok(open.await),
            Some(timeout) => deadlines.within(timeout, open).await.ok_or(timeout),
        };
        self.note_outcome(result, peer.copied())
    }

    async fn in_time<T>(
        &self,
        open: impl Future<Output = Result<T, Error>>,
        peer: Option<SocketAddr>,
    ) -> Result<T, Error> {
        let result = match self.timeout {
            None => Ok(open.await),
            Some(timeout) => tokio::time::timeout(timeout, open).await.map_err(|_| timeout),
        };
        self.note_outcome(result, peer)
    }

    /// The outcome of a handshake, or how long it was waited for in vain.
    fn note_outcome<T>(
        &self,
        result: Result<Result<T, Error>, Duration>,
        peer: Option<SocketAddr>,
    ) -> Result<T, Error> {
        let result = result.unwrap_or_else(|timeout| {
            Err(Error::timeout(
                ErrorCode::HandshakeTimeout,
                format!("the client did not finish its opening handshake within {timeout:?}"),
            ))
        });
        // A request that was answered has been told of when it was.
        match &result {
            Ok(_) | Err(Error::Handshake(_)) => {}
            Err(error) => self.note_failure(peer, error),
        }
        result
    }

    /// The handshake came to nothing without an answer.
    pub(super) fn note_failure(&self, peer: Option<SocketAddr>, error: &Error) {
        if let Some(stats) = &self.stats {
            stats.failed();
        }
        trace::failed(peer, error);
    }

    /// The client is told why not.
    pub(super) fn note_refusal(
        &self,
        peer: Option<SocketAddr>,
        path: Option<&str>,
        refusal: &Refusal,
    ) {
        let status = refusal.status().as_u16();
        if let Some(stats) = &self.stats {
            stats.refused(status);
        }
        trace::refused(peer, path, status, refusal.error());
    }

    pub(super) fn open(&self, open: Opened, transport: Transport) -> (WebSocket, Request) {
        let Opened { request, subprotocol, extensions, early } = open;
        let connection = Connection::server(&extensions, &self.options);
        let (peer, path) = (|| request.peer_addr(), request.path());
        let span = trace::Span::new("server", peer, &path, subprotocol.as_deref(), &extensions);
        let meter = Meter::new(self.stats.as_ref(), span);
        let shared =
            Shared::new(connection, transport, self.options.clone(), subprotocol, &early, meter);
        (WebSocket::new(shared), request)
    }
}

impl Default for Acceptor {
    fn default() -> Self {
        Acceptor::new()
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor")
            .field("options", &self.options)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Whether a request can have this path.
pub(super) fn check_path(path: &str) -> Result<(), String> {
    let possible = path.starts_with('/')
        && path.bytes().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'?' | b'#'));
    match possible {
        true => Ok(()),
        false => Err(format!(
            "no request can have the path {path:?}: it must begin with / and have no query, space \
             or other letters than ASCII (percent-encode them)"
        )),
    }
}
