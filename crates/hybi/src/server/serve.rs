//! Serving: accepting connections and running a handler for each, on this runtime or on threads with
//! a runtime of their own.

use super::acceptor::Acceptor;
use super::clients::{self, Clients};
use super::deadlines::Deadlines;
use super::handler::{Serving, Tell};
use super::listen::{Listener, Unregistered};
use super::request::Request;
use super::tls::Security;
use crate::error::Error;
use crate::trace;
use crate::websocket::WebSocket;
use hybi_proto::ErrorCode;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How long to wait when the process has no file descriptors left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long the threads may take to end when all handlers have.
const WORKERS_END: Duration = Duration::from_secs(1);

pub(super) type OnError = dyn Fn(&Error, Option<SocketAddr>) + Send + Sync;

/// What each connection is served with.
pub(super) struct Service<F> {
    pub(super) acceptor: Acceptor,
    pub(super) security: Security,
    pub(super) on_error: Option<Arc<OnError>>,
    pub(super) clients: Option<Clients>,
    pub(super) handler: F,
}

impl<F, Fut> Service<F>
where
    F: Fn(WebSocket, Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Error>> + Send + 'static,
{
    /// Accepts connections until the listener fails. `alive` is held by the task of each.
    async fn accept_all(
        self: Arc<Self>,
        listener: Listener,
        alive: Option<mpsc::Sender<()>>,
    ) -> Result<(), Error> {
        let deadlines = Arc::<Deadlines>::default();
        loop {
            let (transport, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) if is_exhaustion(&error) => {
                    trace::accept_exhausted(&error);
                    // Connections that end give descriptors back: keep serving those that are open.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
                Err(error) => {
                    return Err(Error::io(ErrorCode::Io, "accepting connections failed", error));
                }
            };
            let (service, alive) = (self.clone(), alive.clone());
            let deadlines = deadlines.clone();
            let tell = self.on_error.clone();
            let tell = tell.map(|tell| Box::new(move |error: &Error| tell(error, peer)) as Tell);
            clients::spawn(self.clients.as_ref(), move |ticket| {
                let handling = service.clone();
                let opening = async move {
                    let Service { acceptor, security, .. } = &*service;
                    acceptor.accept_before(&deadlines, transport, peer.as_ref(), security).await
                };
                let handler = move |ws, request| (handling.handler)(ws, request);
                Serving::new(opening, handler, ticket, tell, alive)
            });
        }
    }

    /// Serves on this runtime until `stop` is ready or the listener fails.
    pub(super) async fn serve_here(
        self: Arc<Self>,
        listener: Listener,
        stop: impl Future<Output = ()>,
    ) -> Result<(), Error> {
        until(stop, self.accept_all(listener, None)).await.unwrap_or(Ok(()))
    }

    /// As [`serve_here`](Self::serve_here), on `threads` threads. Returns what waits for their end.
    pub(super) async fn serve_on_threads(
        self: Arc<Self>,
        listener: Listener,
        threads: usize,
        stop: impl Future<Output = ()>,
    ) -> Result<WorkersEnd, Error> {
        let failed = |error| Error::io(ErrorCode::Io, "starting the worker threads failed", error);
        let (stopping, stopped) = watch::channel(());
        // Each worker holds a sender until it has ended.
        let (ended, mut ends) = mpsc::channel(threads);
        for (number, listener) in listener.share(threads).map_err(failed)?.into_iter().enumerate() {
            let worker = self.clone().worker(listener, stopped.clone());
            let ended = ended.clone();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(failed)?;
            std::thread::Builder::new()
                .name(format!("hybi-worker-{number}"))
                .spawn(move || {
                    if let Err(error) = runtime.block_on(worker) {
                        let _ = ended.try_send(error);
                    }
                })
                .map_err(failed)?;
        }
        drop(ended);
        let result = until(stop, ends.recv()).await;
        // Dropped here, or with this future: the workers stop accepting.
        drop(stopping);
        match result.flatten() {
            Some(error) => Err(error),
            None => Ok(WorkersEnd(ends)),
        }
    }

    async fn worker(
        self: Arc<Self>,
        listener: Unregistered,
        mut stopped: watch::Receiver<()>,
    ) -> Result<(), Error> {
        let listener = listener
            .register()
            .map_err(|error| Error::io(ErrorCode::Io, "a worker thread cannot listen", error))?;
        let (alive, mut all_ended) = mpsc::channel(1);
        let stop = async { while stopped.changed().await.is_ok() {} };
        let result = until(stop, self.accept_all(listener, Some(alive))).await;
        // Connections that are open go on; the thread ends with the last one.
        all_ended.recv().await;
        result.unwrap_or(Ok(()))
    }
}

/// What waits for the worker threads to end.
pub(super) struct WorkersEnd(mpsc::Receiver<Error>);

impl WorkersEnd {
    pub(super) async fn wait(mut self) {
        let all = async { while self.0.recv().await.is_some() {} };
        let _ = tokio::time::timeout(WORKERS_END, all).await;
    }
}

/// Does `work` until it is done or `stop` is ready; `None` then.
async fn until<T>(stop: impl Future<Output = ()>, work: impl Future<Output = T>) -> Option<T> {
    let (mut stop, mut work) = (pin!(stop), pin!(work));
    poll_fn(|cx| {
        if stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        work.as_mut().poll(cx).map(Some)
    })
    .await
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
