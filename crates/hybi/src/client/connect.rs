//! [`Client`]: what is asked for, and how it is reached.

use super::attempt::{Answer, Deadline, Place, attempt, handshake, prepare, secure};
use super::dial::Dialer;
use super::idna;
use super::proxy::ProxyChoice;
use super::redirect::{self, Redirect};
#[cfg(any(feature = "tls", feature = "native-tls"))]
use super::tls::Tls;
use crate::error::Error;
use crate::stats::Stats;
use crate::trace;
use crate::transport::Transport;
use crate::websocket::WebSocket;
use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use hybi_proto::handshake::{HeadLimits, RequestOptions, Version};
use hybi_proto::tunnel::ProxyUrl;
use hybi_proto::{Options, Target};
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

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
///
/// # Panics
/// As [`Client::connect`].
pub async fn connect(url: &str) -> Result<WebSocket, Error> {
    Client::new().connect(url).await
}

/// Opens a WebSocket over a stream that exists already; see [`Client::connect_over`].
///
/// # Errors
/// As [`Client::connect`].
///
/// # Panics
/// As [`Client::connect`].
pub async fn connect_over<S>(stream: S, url: &str) -> Result<WebSocket, Error>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    Client::new().connect_over(stream, url).await
}

type OnRequest = dyn Fn(&Target, &mut HeaderMap) -> Result<(), Error> + Send + Sync;
type OnRequestSent = dyn Fn(&Target, &[u8]) + Send + Sync;
type OnRedirect = dyn Fn(&mut Redirect<'_>) -> Result<(), Error> + Send + Sync;

/// What a client asks for, and how it connects. Reusable.
///
/// ```no_run
/// # async fn example() -> Result<(), hybi::Error> {
/// let client = hybi::Client::new()
///     .subprotocol("chat")
///     .origin("https://example.com")
///     .header("x-request-id", "42");
/// let mut ws = client.connect("ws://127.0.0.1:8080/rooms/1").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    pub(super) options: Arc<Options>,
    request: RequestOptions,
    /// The first option that was wrong: told when connecting, so that setters can be chained.
    wrong: Option<Error>,
    handshake_timeout: Option<Duration>,
    pub(super) dialer: Dialer,
    pub(super) proxy: ProxyChoice,
    #[cfg(any(feature = "tls", feature = "native-tls"))]
    pub(super) tls: Tls,
    pub(super) stats: Option<Stats>,
    max_redirects: usize,
    on_request: Option<Arc<OnRequest>>,
    on_request_sent: Option<Arc<OnRequestSent>>,
    on_redirect: Option<Arc<OnRedirect>>,
}

impl Client {
    /// A client with the defaults: version 13, no subprotocol, 30 s for the handshake, the proxy
    /// that the environment asks for, no redirects.
    pub fn new() -> Self {
        Client {
            options: Arc::new(Options::new()),
            request: RequestOptions::new(),
            wrong: None,
            handshake_timeout: Some(Duration::from_secs(30)),
            dialer: Dialer::default(),
            proxy: ProxyChoice::Environment,
            #[cfg(any(feature = "tls", feature = "native-tls"))]
            tls: Tls::shared(),
            stats: None,
            max_redirects: 0,
            on_request: None,
            on_request_sent: None,
            on_redirect: None,
        }
    }

    /// What the connection may do, and for how long. What [`Options::check`] refuses is an
    /// [`Error::Usage`] when connecting.
    pub fn options(mut self, options: Options) -> Self {
        self.options = Arc::new(options);
        self
    }

    fn request(mut self, set: impl FnOnce(RequestOptions) -> RequestOptions) -> Self {
        self.request = set(self.request);
        self
    }

    // ---- the request ----

    /// Adds a header to the request. `ws`: `headers`.
    ///
    /// `Host` and `Authorization` replace those made from the URL. A name or value that no header
    /// can have, and a header that belongs to the handshake (`Upgrade`, `Connection`,
    /// `Sec-WebSocket-*`), is an [`Error::Usage`] when connecting.
    pub fn header<V>(mut self, name: impl AsRef<str>, value: V) -> Self
    where
        V: TryInto<HeaderValue>,
    {
        let name = name.as_ref();
        match (HeaderName::try_from(name), value.try_into()) {
            (Ok(name), Ok(value)) => self.request(|request| request.header(name, value)),
            (Err(_), _) => {
                self.refuse(format!("{name:?} is no name that a header can have"));
                self
            }
            (Ok(name), Err(_)) => {
                self.refuse(format!(
                    "the value of the header {name} has characters that a header cannot carry"
                ));
                self
            }
        }
    }

    /// Adds these headers to the request; see [`header`](Self::header).
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        let mut last = None;
        for (name, value) in headers {
            // A map repeats no name that it has several values for.
            last = name.or(last);
            if let Some(name) = last.clone() {
                self = self.request(|request| request.header(name, value));
            }
        }
        self
    }

    /// Sends user name and password as Basic authentication (RFC 7617), as user info in the URL
    /// would. `ws`: `auth`.
    pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
        if user.contains(':') {
            self.refuse("the user name has a colon, which Basic authentication cannot carry");
            return self;
        }
        if user.chars().chain(password.chars()).any(char::is_control) {
            self.refuse("the user name or the password has a control character (RFC 7617 §2)");
            return self;
        }
        let credentials = BASE64.encode(format!("{user}:{password}").as_bytes());
        // INVARIANT: base64 has only characters that a header can carry.
        if let Ok(mut value) = HeaderValue::try_from(format!("Basic {credentials}")) {
            value.set_sensitive(true);
            self.request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        self
    }

    /// Offers a subprotocol; call it again for more, in order of preference.
    ///
    /// A server that chooses none of them, or one that was not offered, is refused; see
    /// [`subprotocol_required`](Self::subprotocol_required).
    pub fn subprotocol(self, name: impl Into<String>) -> Self {
        self.request(|request| request.subprotocol(name))
    }

    /// Whether a server that chooses none of the offered subprotocols is refused (default `true`, as
    /// in `ws` and in browsers).
    pub fn subprotocol_required(self, required: bool) -> Self {
        self.request(|request| request.subprotocol_required(required))
    }

    /// Says from which web origin the request comes: `Origin`, or `Sec-WebSocket-Origin` in version
    /// 8. `ws`: `origin`.
    pub fn origin(self, origin: impl Into<String>) -> Self {
        self.request(|request| request.origin(origin))
    }

    /// Speaks this version of the protocol (default 13). `ws`: `protocolVersion`.
    pub fn version(self, version: Version) -> Self {
        self.request(|request| request.version(version))
    }

    /// Looks at each request at the last moment before it is sent, also after redirects: adds
    /// headers, such as a signature that must be fresh, or refuses to send it. `ws`:
    /// `finishRequest`.
    ///
    /// ```
    /// # fn signature(path: &str) -> http::HeaderValue { http::HeaderValue::from_static("") }
    /// let client = hybi::Client::new().on_request(|target, headers| {
    ///     headers.insert("x-signature", signature(target.path_and_query()));
    ///     Ok(())
    /// });
    /// ```
    pub fn on_request(
        mut self,
        hook: impl Fn(&Target, &mut HeaderMap) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Self {
        self.on_request = Some(Arc::new(hook));
        self
    }

    /// Is shown each request as it is sent, its first line and all of its headers, also after
    /// redirects: for logs. Credentials are among them.
    pub fn on_request_sent(
        mut self,
        hook: impl Fn(&Target, &[u8]) + Send + Sync + 'static,
    ) -> Self {
        self.on_request_sent = Some(Arc::new(hook));
        self
    }

    // ---- the answer ----

    /// How long connecting may take, from dialling to the server's answer (default 30 s). It begins
    /// anew with each redirect. `ws`: `handshakeTimeout`.
    ///
    /// Zero is an [`Error::Usage`] when connecting, as for the other times.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        if timeout.is_zero() {
            self.refuse(
                "handshake_timeout is zero; it must be longer (no_handshake_timeout for none)",
            );
        }
        self.handshake_timeout = Some(timeout);
        self
    }

    /// Lets connecting take as long as it will.
    pub fn no_handshake_timeout(mut self) -> Self {
        self.handshake_timeout = None;
        self
    }

    /// How large the head of the answer may be (default 16 KiB and 100 headers).
    pub fn head_limits(self, limits: HeadLimits) -> Self {
        self.request(|request| request.head_limits(limits))
    }

    /// How much of the body of an answer other than 101 is kept for
    /// [`Error::response`](crate::Error::response), in bytes (default 65536).
    pub fn max_rejection_body(self, bytes: usize) -> Self {
        self.request(|request| request.max_rejection_body(bytes))
    }

    /// Follows so many redirects (default 0: none, a redirect is an answer other than 101). `ws`:
    /// `followRedirects`, whose `maxRedirects` is 10.
    ///
    /// `Authorization`, `Cookie`, `Proxy-Authorization` and `Host`, and user info in the URL, are
    /// not sent to another origin: another host or port, `ws` after `wss`, TCP after a Unix socket.
    /// From TCP to a Unix socket no redirect is followed.
    pub fn follow_redirects(mut self, limit: usize) -> Self {
        self.max_redirects = limit;
        self
    }

    /// Looks at each redirect before it is followed: changes the headers of the next request, or
    /// refuses to go there. `ws`: the event `redirect`.
    ///
    /// ```
    /// let client = hybi::Client::new().follow_redirects(10).on_redirect(|redirect| {
    ///     match redirect.to.secure() {
    ///         true => Ok(()),
    ///         false => Err(hybi::Error::application(format!("{} is not wss", redirect.to))),
    ///     }
    /// });
    /// ```
    pub fn on_redirect(
        mut self,
        hook: impl Fn(&mut Redirect<'_>) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Self {
        self.on_redirect = Some(Arc::new(hook));
        self
    }

    // ---- the way there ----

    /// How a `wss:` server proves who it is, and what the client shows: [`Tls`], an
    /// `Arc<rustls::ClientConfig>` or a `native_tls::TlsConnector` of your own.
    #[cfg(any(feature = "tls", feature = "native-tls"))]
    pub fn tls(mut self, tls: impl Into<Tls>) -> Self {
        self.tls = tls.into();
        self
    }

    /// Connects through this proxy: `http://`, `socks5://` or `socks5h://`, with user and password
    /// if it wants them. A URL that is wrong is an [`Error::Usage`] when connecting. `ws`: `agent`.
    ///
    /// With `socks5h` and `http` the proxy looks up the name of the server, with `socks5` the client
    /// does.
    ///
    /// Default: what the environment asks for, as in curl. `HTTPS_PROXY` is for `wss`, `HTTP_PROXY`
    /// for `ws`, `ALL_PROXY` for both, each in small letters too; `NO_PROXY` lists exceptions.
    /// `localhost` and the loopback addresses are never reached through a proxy of the environment,
    /// nor are Unix sockets.
    pub fn proxy(mut self, url: &str) -> Self {
        match ProxyUrl::parse(url) {
            Ok(proxy) => self.proxy = ProxyChoice::Always(proxy),
            Err(error) => self.wrong = self.wrong.or(Some(error.into())),
        }
        self
    }

    /// Connects without a proxy, whatever the environment asks for.
    pub fn no_proxy(mut self) -> Self {
        self.proxy = ProxyChoice::Never;
        self
    }

    /// Looks names up by this instead of the operating system: it is given the host and the port,
    /// and answers with addresses in order of preference. `ws`: `lookup`.
    ///
    /// ```
    /// let client = hybi::Client::new().resolver(|host, port| {
    ///     let own = host == "chat.internal";
    ///     async move {
    ///         match own {
    ///             true => Ok(vec![([10, 0, 0, 7], port).into()]),
    ///             false => Err(std::io::ErrorKind::NotFound.into()),
    ///         }
    ///     }
    /// });
    /// ```
    pub fn resolver<F, Fut>(mut self, resolve: F) -> Self
    where
        F: Fn(&str, u16) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        self.dialer.resolve = Some(Arc::new(move |host, port| Box::pin(resolve(host, port))));
        self
    }

    /// Connects from this address of the machine (default: the system chooses). Only addresses of
    /// its family are tried. `ws`: `localAddress`.
    pub fn local_address(mut self, address: IpAddr) -> Self {
        self.dialer.local_address = Some(address);
        self
    }

    /// How long the name look-up and TCP's own handshake may take (default: only
    /// [`handshake_timeout`](Self::handshake_timeout) bounds them).
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        if timeout.is_zero() {
            self.refuse("connect_timeout is zero; it must be longer (leave it out for none)");
        }
        self.dialer.timeout = Some(timeout);
        self
    }

    /// Lets the operating system look after the connection when nothing has come for so long
    /// (default: never). [`Options::ping_interval`] does so too, from end to end.
    pub fn tcp_keep_alive(mut self, after: Duration) -> Self {
        if after.is_zero() {
            self.refuse("tcp_keep_alive is zero; it must be longer (leave it out for none)");
        }
        self.dialer.keep_alive = Some(after);
        self
    }

    // ---- connecting ----

    /// Connects to a `ws:`, `wss:`, `http:`, `https:` or `ws+unix:/path/to.sock:/path` URL.
    ///
    /// # Cancel safety
    /// Dropping the future gives the attempt up.
    ///
    /// # Errors
    /// [`Error::Usage`] if the URL or an option is wrong, before anything is dialled;
    /// [`Error::Io`] if the server cannot be reached, [`Error::Proxy`] if the proxy is the reason; [`Error::Tls`] if the server does not
    /// prove who it is; [`Error::Handshake`] if it refuses or does not speak WebSocket (see
    /// [`Error::response`]); [`Error::Limit`] if its answer is too large; [`Error::Timeout`].
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one without I/O and time (`enable_all`; `#[tokio::main]` has
    /// both).
    pub async fn connect(&self, url: &str) -> Result<WebSocket, Error> {
        self.connect_with_response(url).await.map(|(ws, _)| ws)
    }

    /// As [`connect`](Self::connect); gives the server's 101 response as well, for its headers.
    /// `ws`: the event `upgrade`.
    ///
    /// After `wss:` its extensions have a `TlsInfo`, as have those of an [`Error::response`].
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// # Panics
    /// As [`connect`](Self::connect).
    pub async fn connect_with_response(
        &self,
        url: &str,
    ) -> Result<(WebSocket, Response<()>), Error> {
        let target = self.target(url)?;
        // Boxed: the future of a task that connects should not be as large as the handshake.
        let opened = Box::pin(self.follow(&target)).await;
        opened.inspect_err(|error| self.note_failure(&target, error))
    }

    /// Counts attempts, connections, messages and octets in `stats` (default: nothing is counted);
    /// see [`Stats`].
    pub fn stats(mut self, stats: &Stats) -> Self {
        self.stats = Some(stats.clone());
        self
    }

    /// Opens a WebSocket over a stream that exists already; `url` gives the host and path to ask
    /// for, and with `wss:` TLS is spoken over the stream. No proxy is used, and no redirect
    /// followed.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one without time (`enable_time`), unless there is neither a
    /// timeout of the handshake nor a heartbeat.
    pub async fn connect_over<S>(&self, stream: S, url: &str) -> Result<WebSocket, Error>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let target = self.target(url)?;
        let transport = Transport::new(stream);
        Box::pin(async {
            let mut deadline = Deadline::after(self.handshake_timeout);
            let mut prepared = prepare(self, &target, self.request_for(&target, &self.request)?)?;
            let opened = deadline.within(pin!(secure(self, transport, &target, &prepared))).await?;
            match handshake(self, opened, &target, &mut prepared, &mut deadline).await? {
                Answer::Open(ws, _) => Ok(ws),
                Answer::Redirect(_, response) => Err(redirect::not_followed(response)),
            }
        })
        .await
        .inspect_err(|error| self.note_failure(&target, error))
    }

    fn note_failure(&self, target: &Target, error: &Error) {
        if let Some(stats) = &self.stats {
            stats.failed();
        }
        trace::connect_failed(&Place(target), error);
    }

    /// Where the URL leads, if nothing is wrong with it or with the options.
    pub(super) fn target(&self, url: &str) -> Result<Target, Error> {
        if let Some(error) = &self.wrong {
            return Err(error.clone());
        }
        self.options.check()?;
        Ok(Target::parse(&idna::ascii_host(url)?)?)
    }

    /// Connects to the target, or where it redirects to.
    async fn follow(&self, first: &Target) -> Result<(WebSocket, Response<()>), Error> {
        let mut target = Cow::Borrowed(first);
        let mut request = self.request.clone().follow_redirects(self.max_redirects > 0);
        let mut visited = Vec::new();
        loop {
            let mut deadline = Deadline::after(self.handshake_timeout);
            let mut prepared = prepare(self, &target, self.request_for(&target, &request)?)?;
            let answer = attempt(self, &target, &mut prepared, &mut deadline).await?;
            let (location, response) = match answer {
                Answer::Open(ws, response) => return Ok((ws, response)),
                Answer::Redirect(location, response) => (location, response),
            };
            let next = target.join(&idna::ascii_host(&location)?)?;
            visited.push(target.clone().into_owned());
            if visited.len() > self.max_redirects {
                return Err(redirect::too_many(&visited, &next, response));
            }
            request.redirected(&target, &next);
            if let Some(hook) = &self.on_redirect {
                hook(&mut Redirect {
                    from: &target,
                    to: &next,
                    response: &response,
                    headers: request.headers_mut(),
                })?;
            }
            target = Cow::Owned(next);
        }
    }

    /// Tells whoever wants to know what is sent.
    pub(super) fn show_request(&self, target: &Target, head: &[u8]) {
        if let Some(hook) = &self.on_request_sent {
            hook(target, head);
        }
    }

    /// The request as it is sent to this target.
    fn request_for(
        &self,
        target: &Target,
        request: &RequestOptions,
    ) -> Result<RequestOptions, Error> {
        let mut request = request.clone();
        if let Some(hook) = &self.on_request {
            hook(target, request.headers_mut())?;
        }
        Ok(request)
    }

    fn refuse(&mut self, text: impl Into<Cow<'static, str>>) {
        self.wrong.get_or_insert_with(|| Error::usage(text));
    }
}

impl Default for Client {
    fn default() -> Self {
        Client::new()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("options", &self.options)
            .field("request", &self.request)
            .field("handshake_timeout", &self.handshake_timeout)
            .field("dialer", &self.dialer)
            .field("proxy", &self.proxy)
            .field("max_redirects", &self.max_redirects)
            .finish_non_exhaustive()
    }
}
