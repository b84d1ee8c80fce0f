//! What becomes of a request: it is read, decided over by the rules of an [`Acceptor`], and answered.

use super::acceptor::{Acceptor, Http};
use super::request::Request;
use crate::error::Error;
use crate::pool::Chunk;
use crate::pump;
use crate::transport::Transport;
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use hybi_proto::handshake::{Negotiated, Refusal, ServerHandshake, Upgrade, encode_response};
use hybi_proto::{ErrorCode, ErrorDetail, Extensions, Role};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWriteExt;

impl Acceptor {
    /// Reads the request and answers it.
    pub(super) async fn handshake_on(
        &self,
        transport: &mut Transport,
        peer: Option<&SocketAddr>,
    ) -> Result<Opened, Error> {
        let mut handshake = ServerHandshake::new(self.head_limits);
        loop {
            // A request that never came is no refusal.
            let head = read_head(transport, &mut handshake, peer).await.inspect_err(|error| {
                if matches!(error, Error::Handshake(_)) {
                    self.note_failure(peer.copied(), error);
                }
            })?;
            match head {
                Ok(None) => {}
                Ok(Some(head)) => return self.decide(transport, head).await,
                Err(refusal) => {
                    return Err(Box::pin(self.refuse_client(
                        transport,
                        peer.copied(),
                        None,
                        refusal,
                    ))
                    .await);
                }
            }
        }
    }

    /// Answers a request.
    pub(super) async fn decide(
        &self,
        transport: &mut Transport,
        head: Box<Head>,
    ) -> Result<Opened, Error> {
        let Head { request, upgrade, .. } = &*head;
        if let Some(http) = &self.rules.http {
            if !request.headers().contains_key(http::header::UPGRADE) {
                // Boxed, so that a handshake keeps no room for it.
                return Err(Box::pin(self.answer_plain(transport, request, &**http)).await);
            }
        }
        let agreed = self.agree(request, upgrade, Upgrade::encode).await;
        let Agreed { response, subprotocol, extensions } = match agreed {
            Ok(agreed) => agreed,
            Err(refusal) => {
                let (peer, path) = (request.peer_addr(), Some(request.path()));
                return Err(Box::pin(self.refuse_client(transport, peer, path, refusal)).await);
            }
        };
        write(transport, &response).await?;
        let Head { request, early, .. } = *head;
        Ok(Opened { request, subprotocol, extensions, early })
    }

    /// Answers a request that does not ask for a WebSocket.
    async fn answer_plain(
        &self,
        transport: &mut Transport,
        request: &Request,
        http: &Http,
    ) -> Error {
        let response = match or_500(|| http(request)) {
            Ok(response) => response,
            Err(refusal) => {
                let (peer, path) = (request.peer_addr(), Some(request.path()));
                return self.refuse_client(transport, peer, path, refusal).await;
            }
        };
        if let Some(stats) = &self.stats {
            stats.plain_request();
        }
        match respond(transport, &response).await {
            Ok(()) => plain_request(response.status()),
            Err(error) => error,
        }
    }

    /// Tells the client why not; `path` is known if the request is.
    async fn refuse_client(
        &self,
        transport: &mut Transport,
        peer: Option<SocketAddr>,
        path: Option<&str>,
        refusal: Refusal,
    ) -> Error {
        self.note_refusal(peer, path, &refusal);
        let error = refusal.error().clone().into();
        // The refusal is what matters to the caller, not that the client has gone meanwhile.
        let _ = respond(transport, &refusal.into_response()).await;
        error
    }

    /// Decides over a request: what is agreed on, and the 101 in the form in which `respond` makes
    /// it. A rule that panics is a refusal with 500.
    ///
    /// Ready at once if there is no `authorize`, on which the integration with axum relies.
    pub(super) fn agree<R>(
        &self,
        request: &Request,
        upgrade: &Result<Upgrade, Refusal>,
        respond: impl FnOnce(
            &Upgrade,
            Option<&str>,
            Option<&str>,
            &HeaderMap,
        ) -> Result<(Negotiated, R), hybi_proto::Error>,
    ) -> impl Future<Output = Result<Agreed<R>, Refusal>> {
        // A block, not an async function to be called: that would have room for what it is handed.
        let deciding = async move {
            let rules = &*self.rules;
            let upgrade = upgrade.as_ref().map_err(Clone::clone)?;
            if let Some(path) = &rules.path {
                if request.path() != path {
                    return Err(Refusal::new(StatusCode::NOT_FOUND, "no WebSocket here"));
                }
            }
            rules.origins.check(upgrade.origin(), || request.header("host"))?;
            if let Some(authorize) = &rules.authorize {
                authorize(request).await?;
            }
            let offered = upgrade.subprotocols();
            let subprotocol = match &rules.select_subprotocol {
                Some(select) if !offered.is_empty() => select(offered, request),
                _ => None,
            };
            let deflate = match (self.options.deflate(Role::Server), upgrade.extensions()) {
                (Some(options), Some(offer)) => options
                    .accept(offer)
                    .map_err(|error| Refusal::because(StatusCode::BAD_REQUEST, error))?,
                _ => None,
            };
            let mut headers = HeaderMap::new();
            if let Some(add) = &rules.response_headers {
                add(request, &mut headers);
            }
            let (extensions, answer) = match deflate {
                Some((params, answer)) => (Extensions::none().with_deflate(params), Some(answer)),
                None => (Extensions::none(), None),
            };
            // A rule of ours has chosen what must not be chosen.
            let (negotiated, response) =
                respond(upgrade, subprotocol.as_deref(), answer.as_deref(), &headers)
                    .map_err(|error| Refusal::because(StatusCode::INTERNAL_SERVER_ERROR, error))?;
            Ok(Agreed { response, subprotocol: negotiated.subprotocol, extensions })
        };
        Guarded { deciding }
    }
}

/// What the client is going to be answered, and what has been agreed on by it.
pub(super) struct Agreed<R> {
    pub(super) response: R,
    pub(super) subprotocol: Option<String>,
    pub(super) extensions: Extensions,
}

/// What a rule of the application's decides. If it panics, which the panic hook has reported, the
/// client is told so much.
fn or_500<T>(rule: impl FnOnce() -> T) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(rule)).map_err(|_panic| {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the server panicked over the request")
    })
}

pin_project_lite::pin_project! {
    /// A decision in which a rule may panic.
    struct Guarded<F> {
        #[pin]
        deciding: F,
    }
}

impl<T, F: Future<Output = Result<T, Refusal>>> Future for Guarded<F> {
    type Output = Result<T, Refusal>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        or_500(|| self.project().deciding.poll(cx))
            .unwrap_or_else(|refusal| Poll::Ready(Err(refusal)))
    }
}

/// What the handshake has agreed on.
pub(super) struct Opened {
    pub(super) request: Request,
    pub(super) subprotocol: Option<String>,
    pub(super) extensions: Extensions,
    /// Octets that came together with the request.
    pub(super) early: Bytes,
}

/// What has been read of a client. Boxed: what a future is handed by value takes its room once more
/// in each that it is handed on to.
pub(super) struct Head {
    pub(super) request: Request,
    /// Whether it is an opening handshake.
    pub(super) upgrade: Result<Upgrade, Refusal>,
    /// Octets that came together with the request.
    pub(super) early: Bytes,
}

/// Reads once: the head of the request and what came after it, as soon as the head is complete.
///
/// The buffer is the thread's, so that nothing of it is in a future.
async fn read_head(
    transport: &mut Transport,
    handshake: &mut ServerHandshake,
    peer: Option<&SocketAddr>,
) -> Result<Result<Option<Box<Head>>, Refusal>, Error> {
    poll_fn(|cx| {
        let mut chunk = Chunk::take();
        ready!(chunk.poll_read(transport, cx)).map_err(read_failed)?;
        let mut input = chunk.filled();
        if input.is_empty() {
            return Poll::Ready(Err(handshake.receive_eof().into()));
        }
        let head = handshake.receive_head(&mut input);
        let with_early = |(head, upgrade)| {
            let early = Bytes::copy_from_slice(input);
            Box::new(Head { request: Request::of_head(head, peer.copied()), upgrade, early })
        };
        Poll::Ready(Ok(head.map(|head| head.map(with_early))))
    })
    .await
}

fn read_failed(error: std::io::Error) -> Error {
    Error::io(ErrorCode::Io, "reading the opening handshake failed", error)
}

fn plain_request(status: StatusCode) -> Error {
    let text = format!("a plain HTTP request was answered with {status}");
    Error::handshake(ErrorDetail::new(ErrorCode::PlainRequest, text))
}

/// Answers with something else than a 101, after which the connection is over.
async fn respond<B: AsRef<[u8]>>(
    transport: &mut Transport,
    response: &Response<B>,
) -> Result<(), Error> {
    let mut octets = Vec::with_capacity(256);
    encode_response(response, &mut octets);
    write(transport, &octets).await?;
    // The rest of what the client sends is read, so that closing does not reset the connection
    // before it has read the answer.
    let _ = transport.shutdown().await;
    let _ = tokio::time::timeout(pump::LINGER, pump::drop_input(transport)).await;
    Ok(())
}

async fn write(transport: &mut Transport, octets: &[u8]) -> Result<(), Error> {
    let write = async {
        transport.write_all(octets).await?;
        transport.flush().await
    };
    write
        .await
        .map_err(|error| Error::io(ErrorCode::Io, "answering the opening handshake failed", error))
}
