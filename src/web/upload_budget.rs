//! Limits uploads, so that the camera has priority.

use std::sync::Arc;
use std::time::Duration;

use glimpsed_base::sync::Mutex;
use tokio::sync::Semaphore;

/// Uploads in progress at once; each is held in memory as a whole.
const MAX_AT_ONCE: usize = 2;

/// Share of one core's time for uploads, decoding included.
const SHARE: f64 = 0.08;

/// Largest credit in seconds of that time, for a user who uploads a handful of pictures at once.
const MOST_SAVED: f64 = 2.0;

/// A token bucket of computing time, so that the camera has priority: time is earned slowly, and each picture costs what it took.
pub(super) struct Budget {
    /// Seconds saved, and when they were counted.
    saved: Mutex<(f64, Duration)>,
    pub(super) turns: Arc<Semaphore>,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { saved: Mutex::new((MOST_SAVED, Duration::ZERO)), turns: Arc::new(Semaphore::new(MAX_AT_ONCE)) }
    }

    /// # Errors
    /// Seconds until the next upload is admitted.
    pub(super) fn admit(&self, now: Duration) -> Result<(), u64> {
        let saved = self.charge(now, 0.0);
        if saved > 0.0 { Ok(()) } else { Err((-saved / SHARE).ceil().clamp(1.0, 600.0) as u64) }
    }

    /// Updates the credit and subtracts the cost; returns the rest.
    pub(super) fn charge(&self, now: Duration, seconds: f64) -> f64 {
        let mut saved = self.saved.lock();
        let earned = SHARE * now.saturating_sub(saved.1).as_secs_f64();
        *saved = ((saved.0 + earned).min(MOST_SAVED) - seconds, now.max(saved.1));
        saved.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_take_their_share_of_the_time_and_a_handful_is_labelled_at_once() {
        let budget = Budget::new();
        let (mut now, mut labelled) = (Duration::from_secs(1), 0);
        // Each takes half a second of the model's time, and there are ten requests per second.
        for _ in 0..6000 {
            if budget.admit(now).is_ok() {
                budget.charge(now, 0.5);
                labelled += 1;
            }
            now += Duration::from_millis(100);
        }
        let allowed = (600.0 * SHARE + MOST_SAVED) / 0.5;
        assert!((allowed - 2.0..=allowed + 2.0).contains(&f64::from(labelled)), "{labelled} of {allowed}");
    }

    #[test]
    fn who_waits_as_long_as_told_is_let_in() {
        let budget = Budget::new();
        let now = Duration::from_secs(10);
        budget.charge(now, 7.0);
        let seconds = budget.admit(now).expect_err("nothing is left");
        assert!(budget.admit(now + Duration::from_secs(seconds) + Duration::from_millis(100)).is_ok());
    }
}
