//! Exponential back-off with jitter: how long to wait before the next try.

use std::time::Duration;

/// Waits that double from `min` up to `max`, each with jitter, so that many devices do not retry at the same moment.
#[derive(Debug, Clone)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// Starts at `min`. A `max` below `min` counts as `min`.
    pub fn new(min: Duration, max: Duration) -> Self {
        Self { min, max: max.max(min), next: min }
    }

    /// Returns the next wait, from half of the current step (`random` = 0) to all of it (`random` = 1), and doubles the
    /// step. `random` is clamped to 0..=1.
    pub fn next_wait(&mut self, random: f64) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.max);
        step.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0)).max(self.min / 2)
    }

    /// Returns to the first step, after a success that lasted.
    pub fn reset(&mut self) {
        self.next = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_again_after_a_reset() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let waits: Vec<u64> = (0..5).map(|_| backoff.next_wait(1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5, 5]);
        backoff.reset();
        assert_eq!(backoff.next_wait(1.0), Duration::from_secs(1));
    }

    proptest! {
        #[test]
        fn every_wait_lies_between_half_the_shortest_and_the_longest(
            min in 1u64..10_000, extra in 0u64..100_000, randoms in proptest::collection::vec(0.0f64..=1.0, 1..40),
        ) {
            let (min, max) = (Duration::from_millis(min), Duration::from_millis(min + extra));
            let mut backoff = Backoff::new(min, max);
            for random in randoms {
                let wait = backoff.next_wait(random);
                prop_assert!(wait >= min / 2 && wait <= max);
            }
        }
    }
}
