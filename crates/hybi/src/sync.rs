//! The lock of a connection and of what many share, and the tasks that a connection starts by itself.
//!
//! Built with `--cfg hybi_loom`, both are those of loom, so that the write turn (`pump::turn`) is
//! run through every order of its steps: `cargo xtask loom`.

use std::future::Future;
use tokio::runtime::Handle;

#[cfg(hybi_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(hybi_loom))]
pub(crate) use parking_lot::{Mutex, MutexGuard};

/// A panic while a lock was held leaves what it guards as it was: every step under a lock is whole.
#[cfg(not(hybi_loom))]
#[inline(always)]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

#[cfg(hybi_loom)]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What a lock holds that nobody else can ask for.
#[cfg(not(hybi_loom))]
pub(crate) fn unlocked<T>(mutex: &mut Mutex<T>) -> &mut T {
    mutex.get_mut()
}

#[cfg(hybi_loom)]
pub(crate) fn unlocked<T>(mutex: &mut Mutex<T>) -> &mut T {
    mutex.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Where the tasks run that a connection starts by itself: in the runtime in which it was opened, whoever
/// comes to need one.
#[derive(Debug)]
pub(crate) struct Runtime(Option<Handle>);

impl Runtime {
    /// The runtime of the caller, if it runs in one.
    pub(crate) fn current() -> Self {
        Runtime(Handle::try_current().ok())
    }

    /// The runtime; that of the caller if the connection was opened without one.
    pub(crate) fn handle(&self) -> Option<Handle> {
        self.0.clone().or_else(|| Handle::try_current().ok())
    }

    /// Runs a task beside the others; without a runtime it is dropped.
    #[cfg(not(hybi_loom))]
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = self.handle() {
            runtime.spawn(task);
        }
    }

    #[cfg(hybi_loom)]
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        loom::thread::spawn(move || loom::future::block_on(task));
    }
}
