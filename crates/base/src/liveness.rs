//! A thread's deadline for its next sign of life, for a watchdog that ends the process when the deadline is missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A thread's deadline, shared between the thread and its watchdog. Times are those of [`crate::clock::Clock::now`],
/// with a resolution of one millisecond. A new value has no deadline.
#[derive(Debug, Clone)]
pub struct Liveness(Arc<AtomicU64>);

/// There is no deadline.
const NEVER: u64 = u64::MAX;

impl Default for Liveness {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(NEVER)))
    }
}

impl Liveness {
    /// Sets the deadline: the thread calls this again, or [`Liveness::pause`], by then.
    pub fn expect_by(&self, until: Duration) {
        self.0.store(u64::try_from(until.as_millis()).unwrap_or(NEVER), Ordering::Relaxed);
    }

    /// Removes the deadline, because the thread has ended as it should or waits for an unbounded time.
    pub fn pause(&self) {
        self.0.store(NEVER, Ordering::Relaxed);
    }

    /// Whether the deadline has passed at `now`.
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
