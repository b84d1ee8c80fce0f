//! Running a handler: batching what it sends, and closing the connection after it.

use crate::batch;
use crate::error::Error;
use crate::heartbeat;
use crate::pump::Shared;
use hybi_proto::{CloseCode, CloseFrame, Utf8Bytes};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

/// Runs the handler of a connection to its end, then closes the connection: with 1000, or with 1011
/// if the handler failed or panicked.
///
/// # Errors
/// What the handler returned. A panic has been reported by the panic hook; it ends here.
pub(crate) async fn run<F>(shared: Arc<Shared>, handler: F) -> Result<(), Error>
where
    F: Future<Output = Result<(), Error>>,
{
    let result = {
        let mut handler = pin!(handler);
        let mut heartbeat =
            shared.has_heartbeat().then(|| Box::pin(heartbeat::keep(Arc::downgrade(&shared))));
        poll_fn(|cx| {
            if heartbeat.as_mut().is_some_and(|heartbeat| heartbeat.as_mut().poll(cx).is_ready()) {
                heartbeat = None;
            }
            let step = || catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx)));
            match batch::gather(step) {
                Ok(Poll::Pending) => {
                    shared.rest();
                    Poll::Pending
                }
                Ok(Poll::Ready(result)) => Poll::Ready(Some(result)),
                Err(_panic) => Poll::Ready(None),
            }
        })
        .await
    };
    let (code, reason) = match &result {
        Some(Ok(())) => (CloseCode::NORMAL, ""),
        Some(Err(_)) => (CloseCode::INTERNAL_ERROR, "the handler failed"),
        None => (CloseCode::INTERNAL_ERROR, "the handler panicked"),
    };
    // Does nothing if the connection is closing or broken already.
    let _ = shared.close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }));
    // The rest of the closing handshake; what still comes is dropped, and how it ends is the peer's
    // business.
    while let Ok(Some(_)) = poll_fn(|cx| shared.poll_event(cx)).await {}
    result.unwrap_or(Ok(()))
}
