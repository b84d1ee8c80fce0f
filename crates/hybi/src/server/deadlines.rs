//! [`Deadlines`]: how long opening handshakes may take, kept with one timer for all of a listener.
//!
//! Nearly every handshake is over long before: a timer of its own would only be entered and
//! cancelled, and entering one while no other runs wakes the runtime's driver by a system call.

use crate::sync::{Mutex, MutexGuard, lock};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// The handshakes of one listener that are not over.
#[derive(Default)]
pub(super) struct Deadlines {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// By number; all may take the same time, so the first has the earliest deadline.
    tasks: BTreeMap<u64, (Instant, Waker)>,
    next: u64,
    /// A task of [`keep`](Deadlines::keep) runs.
    kept: bool,
}

impl Deadlines {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.waiting)
    }

    /// Runs `open` for at most `timeout`, the same for all; `None` if it takes longer.
    pub(super) async fn within<T>(
        self: &Arc<Self>,
        timeout: Duration,
        mut open: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        let mut place: Option<Place<'_>> = None;
        poll_fn(|cx| {
            if let Poll::Ready(result) = open.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            match &place {
                None => place = Some(self.enter(timeout, cx.waker())),
                Some(place) if !place.is_taken(cx.waker()) => return Poll::Ready(None),
                Some(_) => {}
            }
            Poll::Pending
        })
        .await
    }

    fn enter(self: &Arc<Self>, timeout: Duration, waker: &Waker) -> Place<'_> {
        let mut waiting = self.lock();
        let number = waiting.next;
        waiting.next += 1;
        waiting.tasks.insert(number, (Instant::now() + timeout, waker.clone()));
        if !std::mem::replace(&mut waiting.kept, true) {
            tokio::spawn(self.clone().keep());
        }
        Place { deadlines: self, number }
    }

    /// Wakes the tasks whose time is over; ends when none is left.
    async fn keep(self: Arc<Self>) {
        loop {
            let first = {
                let mut waiting = self.lock();
                let first = waiting.tasks.first_key_value().map(|(_, (at, _))| *at);
                waiting.kept = first.is_some();
                first
            };
            let Some(first) = first else { return };
            tokio::time::sleep_until(first).await;
            let late = self.lock().take_late(Instant::now());
            late.into_iter().for_each(Waker::wake);
        }
    }
}

impl Waiting {
    fn take_late(&mut self, now: Instant) -> Vec<Waker> {
        let mut late = Vec::new();
        while let Some(first) = self.tasks.first_entry() {
            if first.get().0 > now {
                break;
            }
            late.push(first.remove().1);
        }
        late
    }
}

/// The place of one handshake among those that wait; its time is over when it is gone.
struct Place<'a> {
    deadlines: &'a Deadlines,
    number: u64,
}

impl Place<'_> {
    fn is_taken(&self, waker: &Waker) -> bool {
        let mut waiting = self.deadlines.lock();
        let Some((_, known)) = waiting.tasks.get_mut(&self.number) else { return false };
        known.clone_from(waker);
        true
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let place = self.deadlines.lock().tasks.remove(&self.number);
        // Not under the lock: it may be the last that is left of a task.
        drop(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use std::pin::pin;
    use std::task::Context;
    use tokio::time::{sleep, timeout};

    const SECOND: Duration = Duration::from_secs(1);

    /// How long a handshake that never ends is waited for.
    async fn patience(deadlines: &Arc<Deadlines>) -> Duration {
        let start = Instant::now();
        let result = deadlines.within(SECOND, pin!(pending::<()>())).await;
        assert_eq!(result, None);
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_given_its_time_whether_others_wait_or_not() {
        let deadlines = Arc::<Deadlines>::default();
        let late = async {
            sleep(SECOND / 2).await;
            patience(&deadlines).await
        };
        let (first, late) =
            timeout(60 * SECOND, async { tokio::join!(patience(&deadlines), late) }).await.unwrap();
        sleep(60 * SECOND).await;
        let again = timeout(60 * SECOND, patience(&deadlines)).await.unwrap();
        for waited in [first, late, again] {
            assert!(waited >= SECOND && waited < SECOND + SECOND / 100, "{waited:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_done_leaves_nothing_behind() {
        let deadlines = Arc::<Deadlines>::default();
        let done = deadlines.within(SECOND, pin!(tokio::task::yield_now())).await;
        assert_eq!(done, Some(()));
        assert!(deadlines.lock().tasks.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_task_that_polled_last_is_woken() {
        let deadlines = Arc::<Deadlines>::default();
        let mut waiting = pin!(patience(&deadlines));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let waited = timeout(60 * SECOND, waiting).await.unwrap();
        assert!(waited < 2 * SECOND, "{waited:?}");
    }
}
