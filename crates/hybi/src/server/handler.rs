//! Running a handler: batching what it sends, and closing the connection after it.

use super::clients::Ticket;
use super::request::Request;
use crate::batch;
use crate::error::Error;
use crate::heartbeat;
use crate::meter::Meter;
use crate::pump::Shared;
use crate::trace;
use crate::websocket::WebSocket;
use hybi_proto::{CloseCode, CloseFrame, ErrorCode, Utf8Bytes};
use pin_project_lite::pin_project;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A handshake on its way; `None` if it has failed and been reported.
type Opening<F> = Pin<Box<dyn Future<Output = Option<Opened<F>>> + Send>>;

/// Is told of the error that ended a connection.
pub(super) type Tell = Box<dyn FnOnce(&Error) + Send>;

/// Is told how a handler ended.
type After = Box<dyn FnOnce(&Result<(), Error>) + Send>;

/// An open connection and what is to be done with it.
struct Opened<F> {
    shared: Arc<Shared>,
    handler: F,
    after: Option<After>,
}

pin_project! {
    /// Opens a connection, runs its handler to the end, then closes the connection: with 1000, or
    /// with 1011 if the handler failed or panicked.
    ///
    /// Written out and not an `async fn`, because thousands of these wait at once: it takes no more
    /// room than the handler and three pointers.
    ///
    /// Its output is what the handler returned. A panic has been reported by the panic hook; it ends
    /// here.
    pub(crate) struct Serving<F> {
        #[pin]
        stage: Stage<F>,
        shared: Option<Arc<Shared>>,
        heartbeat: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
        after: Option<After>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F> {
        Opening { opening: Opening<F> },
        Running { #[pin] handler: F },
        Closing { result: Option<Result<(), Error>> },
    }
}

impl<F> Serving<F> {
    /// Serves the connection that `opening` yields with `handler`; `tell` is told of the error if
    /// one of the two fails, and `guard` is kept until the end.
    pub(super) fn new<G: Send + 'static>(
        opening: impl Future<Output = Result<(WebSocket, Request), Error>> + Send + 'static,
        handler: impl FnOnce(WebSocket, Request) -> F + Send + 'static,
        ticket: Option<Ticket>,
        tell: Option<Tell>,
        guard: Option<G>,
    ) -> Self
    where
        F: 'static,
    {
        let then = move |opened: Result<(WebSocket, Request), Error>| {
            let (ws, request) = match opened {
                Ok(open) => open,
                Err(error) => {
                    // A page that was served is no error.
                    let plain = error.code() == Some(ErrorCode::PlainRequest);
                    if let Some(tell) = tell.filter(|_| !plain) {
                        tell(&error);
                    }
                    return None;
                }
            };
            let shared = ws.shared().clone();
            if let Some(ticket) = &ticket {
                ticket.opened(&shared);
            }
            let mut after: Option<After> = None;
            if tell.is_some() || ticket.is_some() || guard.is_some() {
                after = Some(Box::new(move |result| {
                    if let (Err(error), Some(tell)) = (result, tell) {
                        tell(error);
                    }
                    drop((ticket, guard));
                }));
            }
            let handler = {
                let _entered = shared.meter().map(Meter::enter);
                handler(ws, request)
            };
            Some(Opened { shared, handler, after })
        };
        // Boxed, so that an idle connection does not keep room for its handshake.
        let opening = Box::pin(Then { future: opening, then: Some(then) });
        Serving { stage: Stage::Opening { opening }, shared: None, heartbeat: None, after: None }
    }
}

pin_project! {
    /// A future and what is to be done with its output; an `async` block would take the room of the
    /// future twice.
    struct Then<F, T> {
        #[pin]
        future: F,
        then: Option<T>,
    }
}

impl<F: Future, T: FnOnce(F::Output) -> Option<O>, O> Future for Then<F, T> {
    type Output = Option<O>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<O>> {
        let this = self.project();
        let output = ready!(this.future.poll(cx));
        Poll::Ready(this.then.take().and_then(|then| then(output)))
    }
}

impl<F: Future<Output = Result<(), Error>>> Future for Serving<F> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut this = self.as_mut().project();
            match this.stage.as_mut().project() {
                StageProjection::Opening { opening } => {
                    let Some(opened) = ready!(opening.as_mut().poll(cx)) else {
                        return Poll::Ready(Ok(()));
                    };
                    let Opened { shared, handler, after } = opened;
                    if shared.has_heartbeat() {
                        *this.heartbeat = Some(Box::pin(heartbeat::keep(Arc::downgrade(&shared))));
                    }
                    *this.shared = Some(shared);
                    *this.after = after;
                    this.stage.set(Stage::Running { handler });
                }
                StageProjection::Running { handler } => {
                    let shared = this.shared.as_ref();
                    // What the handler logs belongs to the connection.
                    let _entered = shared.and_then(|shared| shared.meter()).map(Meter::enter);
                    if let Some(heartbeat) = this.heartbeat {
                        if heartbeat.as_mut().poll(cx).is_ready() {
                            *this.heartbeat = None;
                        }
                    }
                    let step = || catch_unwind(AssertUnwindSafe(|| handler.poll(cx)));
                    let result = match batch::gather(step) {
                        Ok(Poll::Pending) => {
                            if let Some(shared) = shared {
                                shared.rest();
                            }
                            return Poll::Pending;
                        }
                        Ok(Poll::Ready(result)) => Some(result),
                        Err(_panic) => None,
                    };
                    match &result {
                        Some(Ok(())) => {}
                        Some(Err(error)) => trace::handler_failed(error),
                        None => trace::handler_panicked(),
                    }
                    if let Some(shared) = shared {
                        say_goodbye(shared, result.as_ref());
                    }
                    let result = Some(result.unwrap_or(Ok(())));
                    this.stage.set(Stage::Closing { result });
                }
                StageProjection::Closing { result } => {
                    // The rest of the closing handshake; what still comes is dropped, and how it
                    // ends is the peer's business.
                    if let Some(shared) = this.shared {
                        ready!(shared.poll_finish(cx));
                    }
                    let result = result.take().unwrap_or(Ok(()));
                    if let Some(after) = this.after.take() {
                        after(&result);
                    }
                    return Poll::Ready(result);
                }
            }
        }
    }
}

/// Sends the Close frame; does nothing if the connection is closing or broken already.
fn say_goodbye(shared: &Arc<Shared>, result: Option<&Result<(), Error>>) {
    let (code, reason) = match result {
        Some(Ok(())) => (CloseCode::NORMAL, ""),
        Some(Err(_)) => (CloseCode::INTERNAL_ERROR, "the handler failed"),
        None => (CloseCode::INTERNAL_ERROR, "the handler panicked"),
    };
    let _ = shared.close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }));
}
