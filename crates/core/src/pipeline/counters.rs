//! What the inference thread counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::decide::gate::Verdict;
use crate::domain::health::Pace;
use crate::domain::name::Name;
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
    /// The views whose last frame has failed.
    failing: Mutex<BTreeMap<Name, Failing>>,
    /// Wakes who waits for a change of [`Counters::failing`].
    changed: Notify,
    /// The parts of `failed` and `skipped` that are a view's.
    missed: Mutex<BTreeMap<Name, Missed>>,
}

/// Frames of one view that got no answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Missed {
    /// Frames that could not be decoded or labelled.
    pub failed: u64,
    /// Frames that came sooner than the configured rate allows.
    pub skipped: u64,
}

/// Frames in a row that could not be decoded or labelled.
#[derive(Debug)]
struct Failing {
    frames: u32,
    begun: Duration,
    last: Duration,
    cause: String,
}

impl Failing {
    /// Whether it is no hiccup, and goes on.
    fn lasts(&self, now: Duration) -> bool {
        const FRAMES: u32 = 3;
        const FOR: Duration = Duration::from_secs(10);
        const RECENT: Duration = Duration::from_secs(60);
        let goes_on = now.saturating_sub(self.last) < RECENT;
        self.frames >= FRAMES && self.last.saturating_sub(self.begun) >= FOR && goes_on
    }
}

impl Counters {
    pub fn pace(&self) -> Pace {
        *self.pace.lock()
    }

    pub(super) fn set_pace(&self, pace: Pace) {
        *self.pace.lock() = pace;
    }

    /// The views of which no frame can be labelled, and what is wrong with the last one.
    pub fn failing(&self, now: Duration) -> Vec<(Name, String)> {
        let failing = self.failing.lock();
        let lasting = failing.iter().filter(|(_, failing)| failing.lasts(now));
        lasting.map(|(view, failing)| (view.clone(), failing.cause.clone())).collect()
    }

    /// Resolves once for all views that began to fail since it last did, or that were labelled again.
    pub async fn failing_changed(&self) {
        self.changed.notified().await;
    }

    /// The frames of the view that got no answer, since the start.
    pub fn missed(&self, view: &Name) -> Missed {
        self.missed.lock().get(view).copied().unwrap_or_default()
    }

    fn miss(&self, view: &Name, count: impl FnOnce(&mut Missed)) {
        let mut missed = self.missed.lock();
        match missed.get_mut(view) {
            Some(missed) => count(missed),
            // A name is copied once, not for each frame.
            None => count(missed.entry(view.clone()).or_default()),
        }
    }

    /// A frame of the view came too soon.
    pub(super) fn skip(&self, view: &Name) {
        self.miss(view, |missed| missed.skipped += 1);
        self.skipped.fetch_add(1, Ordering::Relaxed);
    }

    /// A frame of the view could not be decoded or labelled. Returns how many could not until now, of all views.
    pub(super) fn fail(&self, view: &Name, cause: &str, now: Duration) -> u64 {
        let mut all = self.failing.lock();
        let begun = Failing { frames: 0, begun: now, last: now, cause: String::new() };
        let failing = all.entry(view.clone()).or_insert(begun);
        let lasted = failing.lasts(now);
        failing.frames = failing.frames.saturating_add(1);
        failing.last = now;
        cause.clone_into(&mut failing.cause);
        if failing.lasts(now) && !lasted {
            self.changed.notify_one();
        }
        self.miss(view, |missed| missed.failed += 1);
        self.failed.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A frame of the view has got its answer.
    pub(super) fn count(&self, view: &Name, verdict: Verdict, now: Duration) {
        if self.failing.lock().remove(view).is_some_and(|failing| failing.lasts(now)) {
            self.changed.notify_one();
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_failing_when_no_frame_succeeds_for_a_while_at_any_rate() {
        let at = Duration::from_millis;
        for (every, frames) in [(33, 305), (1000, 11), (8000, 3)] {
            let counters = Counters::default();
            for frame in 0..frames {
                assert!(counters.failing(at(every * frame)).is_empty(), "{every} ms, frame {frame}");
                counters.fail(&Name::ONLY, "frame is cut short", at(every * frame));
            }
            let now = at(every * frames);
            assert_eq!(counters.failing(now), [(Name::ONLY, "frame is cut short".to_owned())], "{every} ms");
            assert!(counters.failing(now + at(61_000)).is_empty(), "the camera was switched off");
            counters.count(&Name::ONLY, Verdict::Infer, now);
            assert!(counters.failing(now).is_empty(), "one was labelled");
        }
    }
}
