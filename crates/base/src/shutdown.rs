//! The shutdown flag, which ends every wait of a thread or task.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// The flag, shared by all threads and tasks through clones. Once set it stays set.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    set: Mutex<bool>,
    for_threads: Condvar,
    for_tasks: Notify,
}

impl Shutdown {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the flag, and wakes every thread in [`Shutdown::sleep`] and every task in [`Shutdown::wait`].
    pub fn trigger(&self) {
        *self.state.set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.state.for_threads.notify_all();
        self.state.for_tasks.notify_waiters();
    }

    /// Whether shutdown was asked for.
    pub fn is_set(&self) -> bool {
        *self.state.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks the thread until `time` has passed or shutdown is asked for; true in the latter case.
    pub fn sleep(&self, time: Duration) -> bool {
        let guard = self.state.set.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.state.for_threads.wait_timeout_while(guard, time, |set| !*set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Resolves when shutdown is asked for; at once if it was already.
    pub async fn wait(&self) {
        loop {
            // The task registers before it reads the flag, so that a trigger in between is not missed.
            let notified = self.state.for_tasks.notified();
            let mut notified = std::pin::pin!(notified);
            notified.as_mut().enable();
            if self.is_set() {
                return;
            }
            notified.await;
        }
    }
}
