//! A thread's word by when it will be heard again, for a watchdog that ends the process when the word is broken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Shared between the thread and whoever watches it. Times are those of [`crate::clock::Clock::now`].
#[derive(Debug, Clone)]
pub struct Liveness(Arc<AtomicU64>);

/// Nothing is promised.
const NEVER: u64 = u64::MAX;

impl Default for Liveness {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(NEVER)))
    }
}

impl Liveness {
    /// It will be heard again until then.
    pub fn expect_by(&self, until: Duration) {
        self.0.store(u64::try_from(until.as_millis()).unwrap_or(NEVER), Ordering::Relaxed);
    }

    /// It has ended as it should, or has not begun.
    pub fn pause(&self) {
        self.0.store(NEVER, Ordering::Relaxed);
    }

    /// Whether the word was broken.
    pub fn is_overdue(&self, now: Duration) -> bool {
        now.as_millis() > u128::from(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_late_when_its_word_is_broken_and_never_without_one() {
        let liveness = Liveness::default();
        assert!(!liveness.is_overdue(Duration::from_secs(1 << 40)));
        liveness.expect_by(Duration::from_secs(5));
        assert!(!liveness.is_overdue(Duration::from_secs(5)));
        assert!(liveness.is_overdue(Duration::from_millis(5001)));
        liveness.pause();
        assert!(!liveness.is_overdue(Duration::from_secs(9)));
    }
}
