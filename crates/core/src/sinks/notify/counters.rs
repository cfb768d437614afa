//! What became of the notices since the start of the daemon.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::health;
use glimpsed_base::sync::Mutex;

/// Shared by all rules and by those who show them.
#[derive(Debug, Clone, Default)]
pub struct Counters(Arc<Counts>);

#[derive(Debug, Default)]
pub struct Counts {
    /// Rules in effect.
    pub rules: AtomicU64,
    pub sent: AtomicU64,
    pub waiting: AtomicU64,
    /// Sooner after the last one than the rule allows.
    pub too_soon: AtomicU64,
    /// They will never arrive.
    pub lost: AtomicU64,
    /// Why the last request of a rule failed, by the rule; `None` once one succeeded.
    failing: Mutex<Vec<Option<String>>>,
}

impl std::ops::Deref for Counters {
    type Target = Counts;

    fn deref(&self) -> &Counts {
        &self.0
    }
}

impl Counts {
    pub(super) fn begin(&self, rules: usize) {
        self.rules.store(rules as u64, Ordering::Relaxed);
        *self.failing.lock() = vec![None; rules];
    }

    pub(super) fn succeeds(&self, rule: usize) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.set(rule, None);
    }

    pub(super) fn fails(&self, rule: usize, cause: String) {
        self.set(rule, Some(cause));
    }

    fn set(&self, rule: usize, cause: Option<String>) {
        if let Some(failing) = self.failing.lock().get_mut(rule) {
            *failing = cause;
        }
    }

    /// `None` without rules.
    pub fn look(&self) -> Option<health::Notices> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.rules) > 0).then(|| health::Notices {
            sent: count(&self.sent),
            waiting: count(&self.waiting),
            too_soon: count(&self.too_soon),
            lost: count(&self.lost),
            failing: self.failing.lock().iter().flatten().next().cloned(),
        })
    }
}
