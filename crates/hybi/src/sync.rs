//! The lock of a connection, and the tasks that it starts by itself.
//!
//! Built with `--cfg hybi_loom`, both are those of loom, so that the write turn (`pump::turn`) is
//! run through every order of its steps: `cargo xtask loom`.

use std::future::Future;

#[cfg(hybi_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(hybi_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};

/// Runs a task beside the others; without a runtime it is dropped.
#[cfg(not(hybi_loom))]
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(task);
    }
}

#[cfg(hybi_loom)]
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    loom::thread::spawn(move || loom::future::block_on(task));
}
