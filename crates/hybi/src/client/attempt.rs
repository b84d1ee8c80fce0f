//! One attempt to connect: the transport, and the opening handshake over it.

use super::connect::Client;
use super::proxy;
use crate::error::{Error, HandshakeError};
use crate::heartbeat;
use crate::meter::Meter;
use crate::pump::Shared;
use crate::random;
use crate::trace;
use crate::transport::Transport;
use crate::websocket::WebSocket;
use bytes::Bytes;
use http::Response;
use hybi_proto::handshake::{ClientHandshake, Outcome, RequestOptions};
use hybi_proto::{Connection, ErrorCode, ErrorDetail, Extensions, Role, Target};
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, Sleep, sleep_until};

/// Octets read at once while the response arrives: as much as most need, and little enough for
/// allocators to have it at hand.
const READ: usize = 1024;

/// How the server answered, if it did not refuse.
pub(super) enum Answer {
    Open(WebSocket, Response<()>),
    /// The `Location`, and the head that it was in.
    Redirect(String, Response<()>),
}

/// When an attempt has taken too long. One timer for all of its steps: to begin one costs a system
/// call more than to keep it.
#[derive(Debug)]
pub(super) struct Deadline(Option<(Pin<Box<Sleep>>, Duration)>);

impl Deadline {
    /// `timeout` from now on; `None` for never.
    pub(super) fn after(timeout: Option<Duration>) -> Self {
        Deadline(timeout.and_then(|timeout| {
            let at = Instant::now().checked_add(timeout)?;
            Some((Box::pin(sleep_until(at)), timeout))
        }))
    }

    /// What the future comes to, if it is ready before the deadline. It is pinned by the caller: to
    /// be moved in here it would have to be copied, which costs more than to wait for it.
    pub(super) async fn within<T>(
        &mut self,
        mut future: Pin<&mut impl Future<Output = Result<T, Error>>>,
    ) -> Result<T, Error> {
        let Some((sleep, timeout)) = &mut self.0 else { return future.await };
        poll_fn(|cx| {
            if let Poll::Ready(result) = future.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            sleep.as_mut().poll(cx).map(|()| {
                Err(Error::timeout(
                    ErrorCode::HandshakeTimeout,
                    format!("the opening handshake did not finish within {timeout:?}"),
                ))
            })
        })
        .await
    }
}

/// A transport to the target, and what came of opening it.
pub(super) struct Opened {
    transport: Transport,
    info: Info,
    /// So many octets of the request have left with the TLS handshake.
    sent: usize,
}

/// What TLS has to tell about itself.
#[cfg(any(feature = "tls", feature = "native-tls"))]
pub(super) struct Info(Option<super::tls::TlsInfo>);
/// There is no TLS to tell of.
#[cfg(not(any(feature = "tls", feature = "native-tls")))]
pub(super) struct Info;

impl Info {
    /// Puts it where the caller finds it.
    fn into<B>(self, response: Response<B>) -> Response<B> {
        #[cfg(any(feature = "tls", feature = "native-tls"))]
        if let Some(info) = self.0 {
            let mut response = response;
            response.extensions_mut().insert(info);
            return response;
        }
        response
    }
}

/// An opening handshake, and the request that begins it. Handed on by reference: each future that it
/// is moved into has a place for it of its own.
pub(super) struct Prepared {
    handshake: ClientHandshake,
    request: Vec<u8>,
}

/// The opening handshake to be done with `target`; what is wrong with the options is told here,
/// before anybody is bothered with them.
pub(super) fn prepare(
    client: &Client,
    target: &Target,
    request: RequestOptions,
) -> Result<Prepared, Error> {
    require_tls(target)?;
    #[cfg(any(feature = "tls", feature = "native-tls"))]
    if target.secure() {
        client.tls.check(target.host())?;
    }
    let deflate = client.options.deflate(Role::Client);
    let request = request.extensions(deflate.map(|deflate| deflate.offer()));
    let handshake = ClientHandshake::new(target, &request, random::nonce())?;
    // The answer is read into it as well.
    let mut request = Vec::with_capacity(READ);
    handshake.encode(&mut request);
    Ok(Prepared { handshake, request })
}

/// Host and path of a target, for a log: the query may be secret.
pub(super) struct Place<'a>(pub(super) &'a Target);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.0.path_and_query().split('?').next().unwrap_or_default();
        write!(f, "{}{path}", self.0.host_header())
    }
}

/// Dials and shakes hands.
pub(super) async fn attempt(
    client: &Client,
    target: &Target,
    prepared: &mut Prepared,
    deadline: &mut Deadline,
) -> Result<Answer, Error> {
    let opened = deadline.within(pin!(open(client, target, prepared))).await?;
    handshake(client, opened, target, prepared, deadline).await
}

/// The transport to `target`: directly or through a proxy, with TLS or without.
async fn open(client: &Client, target: &Target, prepared: &Prepared) -> Result<Opened, Error> {
    let transport = match target.unix_path() {
        Some(path) => Transport::new(super::dial::connect_unix(path).await?),
        None => match client.proxy.for_target(target)? {
            // Boxed, as TLS is: what only some need would make the futures of all larger.
            Some(proxy) => Box::pin(proxy::tunnel(&client.dialer, &proxy, target)).await?,
            None => Transport::Tcp(client.dialer.connect(target.host(), target.port()).await?),
        },
    };
    secure(client, transport, target, prepared).await
}

#[cfg(any(feature = "tls", feature = "native-tls"))]
fn require_tls(_: &Target) -> Result<(), Error> {
    Ok(())
}

#[cfg(not(any(feature = "tls", feature = "native-tls")))]
fn require_tls(target: &Target) -> Result<(), Error> {
    match target.secure() {
        false => Ok(()),
        true => Err(Error::Tls(ErrorDetail::new(
            ErrorCode::Tls,
            "wss: and https: need TLS, which this build of hybi does not have (turn its feature \
             tls or native-tls on)",
        ))),
    }
}

/// Speaks TLS over the transport if the target asks for it.
#[cfg(any(feature = "tls", feature = "native-tls"))]
pub(super) async fn secure(
    client: &Client,
    transport: Transport,
    target: &Target,
    prepared: &Prepared,
) -> Result<Opened, Error> {
    if !target.secure() {
        return Ok(Opened { transport, info: Info(None), sent: 0 });
    }
    let shaking_hands = client.tls.connect(transport, target.host(), &prepared.request);
    let (transport, info, sent) = Box::pin(shaking_hands).await?;
    Ok(Opened { transport, info: Info(Some(info)), sent })
}

/// Speaks TLS over the transport if the target asks for it, which is an error here.
#[cfg(not(any(feature = "tls", feature = "native-tls")))]
pub(super) async fn secure(
    _: &Client,
    transport: Transport,
    target: &Target,
    _: &Prepared,
) -> Result<Opened, Error> {
    require_tls(target).map(|()| Opened { transport, info: Info, sent: 0 })
}

/// The opening handshake over a transport.
pub(super) async fn handshake(
    client: &Client,
    Opened { mut transport, info, sent }: Opened,
    target: &Target,
    Prepared { handshake, request: octets }: &mut Prepared,
    deadline: &mut Deadline,
) -> Result<Answer, Error> {
    client.show_request(target, octets);
    let sending = async {
        let all = async {
            transport.write_all(&octets[sent..]).await?;
            transport.flush().await
        };
        let what = "sending the opening handshake failed";
        all.await.map_err(|error| failed(target, what, error))
    };
    deadline.within(pin!(sending)).await?;

    loop {
        octets.clear();
        let reading = async {
            let what = "reading the answer to the opening handshake failed";
            transport.read_buf(octets).await.map_err(|error| failed(target, what, error))
        };
        let read = deadline.within(pin!(reading)).await;
        let mut input = &octets[..];
        let outcome = match read {
            Ok(0) => Some(handshake.receive_eof()?),
            Ok(_) => match handshake.receive(&mut input) {
                Ok(outcome) => outcome,
                Err(error) => {
                    let head = handshake.refused().cloned();
                    return Err(refused(error, head.map(|head| info.into(head))));
                }
            },
            // What has arrived of a refusal says more than that the rest did not.
            Err(error) => Some(handshake.receive_eof().map_err(|_| error)?),
        };
        match outcome {
            None => {}
            Some(Outcome::Open { negotiated, response }) => {
                let extensions = match confirm(client, negotiated.extensions.as_deref()) {
                    Ok(extensions) => extensions,
                    Err(error) => return Err(refused(error, Some(info.into(response)))),
                };
                let connection =
                    Connection::client(random::masking_key, &extensions, &client.options);
                let subprotocol = negotiated.subprotocol.as_deref();
                let peer = || transport.peer_addr();
                let span =
                    trace::Span::new("client", peer, &Place(target), subprotocol, &extensions);
                let meter = Meter::new(client.stats.as_ref(), span);
                let shared = Shared::new(
                    connection,
                    transport,
                    client.options.clone(),
                    negotiated.subprotocol,
                    input,
                    meter,
                );
                heartbeat::spawn(&shared);
                return Ok(Answer::Open(WebSocket::new(shared), info.into(response)));
            }
            Some(Outcome::Rejected(response)) => return Err(rejected(info.into(response))),
            Some(Outcome::Redirect { location, response }) => {
                return Ok(Answer::Redirect(location, info.into(response)));
            }
        }
    }
}

/// The error of a transport that failed during the opening handshake.
fn failed(target: &Target, what: &'static str, error: io::Error) -> Error {
    #[cfg(feature = "tls")]
    if let Some(error) = crate::transport::tls::refusal(target.host(), &error) {
        return error;
    }
    let _ = target;
    Error::io(ErrorCode::Io, what, error)
}

/// The extensions that the server's answer agrees on.
fn confirm(client: &Client, answer: Option<&str>) -> Result<Extensions, hybi_proto::Error> {
    match (client.options.deflate(Role::Client), answer) {
        (Some(deflate), Some(answer)) => {
            Ok(Extensions::none().with_deflate(deflate.confirm(answer)?))
        }
        _ => Ok(Extensions::none()),
    }
}

/// The error for an answer that cannot be accepted, with its head as far as it has one.
fn refused(error: hybi_proto::Error, head: Option<Response<()>>) -> Error {
    match (error, head) {
        (hybi_proto::Error::Handshake(detail), Some(head)) => {
            Error::Handshake(HandshakeError::with_response(detail, head.map(|()| Bytes::new())))
        }
        (error, _) => error.into(),
    }
}

/// The error for an answer that is not a 101: its status and the beginning of its body.
fn rejected(response: Response<Bytes>) -> Error {
    let mut text = format!("the server answered {} instead of 101", response.status());
    if let (true, Some(location)) =
        (response.status().is_redirection(), response.headers().get(http::header::LOCATION))
    {
        let location = one_line(location.as_bytes());
        text = format!("{text}, and leads to {location} (Client::follow_redirects goes there)");
    }
    let body = one_line(response.body());
    if !body.is_empty() {
        text = format!("{text}: {body}");
    }
    let detail = ErrorDetail::new(ErrorCode::UnexpectedResponse, text);
    Error::Handshake(HandshakeError::with_response(detail, response))
}

/// The beginning of what a server says, in one line and without control characters: a message must
/// not forge lines of a log.
fn one_line(octets: &[u8]) -> String {
    const SHOWN: usize = 200;
    let text = String::from_utf8_lossy(octets);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
