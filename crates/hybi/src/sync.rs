//! The lock of a connection and of what many share, and the tasks that a connection starts by itself.
//!
//! Built with `--cfg hybi_loom`, both are those of loom, so that the write turn (`pump::turn`) is
//! run through every order of its steps: `cargo xtask loom`.

use std::future::Future;

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
