//! What the inference thread counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::decide::gate::Verdict;
use crate::domain::health::Pace;
use glimpsed_base::sync::Mutex;

/// Counters since the start, over all views.
#[derive(Debug, Default)]
pub struct Counters {
    /// Frames with an answer, of any status.
    pub labelled: AtomicU64,
    /// Of these, frames whose content had not changed and that reused the previous answer.
    pub cached: AtomicU64,
    /// Of these, frames that were too dark for the model, or of one colour.
    pub too_dark: AtomicU64,
    pub failed: AtomicU64,
    /// Frames that came sooner than the configured rate allows.
    pub skipped: AtomicU64,
    /// The share of frames that is labelled at the current temperature.
    pace: Mutex<Pace>,
}

impl Counters {
    pub fn pace(&self) -> Pace {
        *self.pace.lock()
    }

    pub(super) fn set_pace(&self, pace: Pace) {
        *self.pace.lock() = pace;
    }

    /// A frame has got its answer.
    pub(super) fn count(&self, verdict: Verdict, now: Duration) {
        let skipped = match verdict {
            Verdict::Infer => None,
            Verdict::Same => Some(&self.cached),
            Verdict::TooDark | Verdict::Covered => Some(&self.too_dark),
        };
        if let Some(skipped) = skipped {
            skipped.fetch_add(1, Ordering::Relaxed);
        }
        if self.labelled.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::info!(since_start_ms = now.as_millis() as u64, "first label");
        }
    }
}
