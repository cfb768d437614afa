//! Wakes one thread that waits for any of several things.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A flag that many threads raise and one waits for. Raised while nobody waits, it ends the next wait at once, so nothing is missed
/// between a look at what there is and the wait.
#[derive(Debug, Default)]
pub struct Signal {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    /// Ends the current wait, or the next one.
    pub fn raise(&self) {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits until it is raised, for at most `patience`. It is lowered afterwards. Returns whether it was raised.
    pub fn wait(&self, patience: Duration) -> bool {
        let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(raised, patience, |raised| !*raised);
        let mut raised = waited.unwrap_or_else(PoisonError::into_inner).0;
        std::mem::take(&mut raised)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_raised_before_the_wait_ends_it_once() {
        let signal = Signal::default();
        signal.raise();
        signal.raise();
        assert!(signal.wait(Duration::from_secs(20)));
        assert!(!signal.wait(Duration::ZERO));
    }

    #[test]
    fn a_waiting_thread_is_woken() {
        let signal = Signal::default();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| signal.wait(Duration::from_secs(20)));
            signal.raise();
            assert!(waiter.join().expect("the waiter"));
        });
    }
}
