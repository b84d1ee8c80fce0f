//! The heartbeat: a future that keeps the deadlines of one connection.
//!
//! A server runs it in the task of the handler; for a connection of its own there is a task that ends
//! with the connection.

use crate::pump::Shared;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

/// Keeps the deadlines until the connection has ended or been dropped.
pub(crate) async fn keep(shared: Weak<Shared>) {
    let mut sleep = Box::pin(tokio::time::sleep(Duration::ZERO));
    poll_fn(|cx| match shared.upgrade() {
        Some(shared) => shared.poll_heartbeat(cx, &mut sleep),
        None => Poll::Ready(()),
    })
    .await;
}

/// Gives a connection that no server runs a heartbeat of its own, if it is to have one.
pub(crate) fn spawn(shared: &Arc<Shared>) {
    if shared.has_heartbeat() {
        tokio::spawn(keep(Arc::downgrade(shared)));
    }
}
