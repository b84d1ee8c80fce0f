//! [`batch()`]: sends of one poll leave together.
//!
//! While a batched future is polled, frames only gather; when the poll ends, because the future waits
//! for something or is finished, every connection that was sent to is written to once. Nothing is
//! left lying, whatever the future waits for.

use crate::pump::Shared;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static GATHERING: RefCell<Vec<Arc<Shared>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `future` so that what it sends leaves in as few writes as possible.
///
/// Handlers that a [`Server`](crate::Server) runs are batched already. Use this for a task of your
/// own that answers several messages at once, or sends to many connections. Order is kept, and what
/// was sent is written at the latest when the future waits for anything.
///
/// ```
/// # async fn example(mut ws: hybi::WebSocket) -> Result<(), hybi::Error> {
/// hybi::batch(async move {
///     while let Some(message) = ws.recv().await? {
///         ws.send(message).await?; // one write for all messages that one read brought
///     }
///     Ok(())
/// })
/// .await
/// # }
/// ```
pub async fn batch<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| gather(|| future.as_mut().poll(cx))).await
}

/// Runs `step`; what it sends leaves when it returns (or panics).
pub(crate) fn gather<T>(step: impl FnOnce() -> T) -> T {
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            DEPTH.set(DEPTH.get() - 1);
            if DEPTH.get() > 0 {
                return;
            }
            let (only, more) = GATHERING.with_borrow_mut(|gathering| match gathering.len() {
                0 | 1 => (gathering.pop(), false),
                _ => (None, true),
            });
            if let Some(only) = only {
                only.end_of_batch();
            }
            if more {
                end_of_many();
            }
        }
    }
    DEPTH.set(DEPTH.get() + 1);
    let _end = End;
    step()
}

#[inline(never)]
fn end_of_many() {
    let mut gathered = GATHERING.take();
    for shared in gathered.drain(..) {
        shared.end_of_batch();
    }
    // The list keeps its room for the next batch, unless it was unusually large.
    if gathered.capacity() <= 1024 {
        GATHERING.set(gathered);
    }
}

/// True while a batch is gathered on this thread.
pub(crate) fn is_active() -> bool {
    DEPTH.get() > 0
}

/// Puts a connection on the list of those to be written to at the end of the batch.
pub(crate) fn add(shared: Arc<Shared>) {
    GATHERING.with_borrow_mut(|gathering| gathering.push(shared));
}
