//! Labels that do not exclude each other: each is held, or not, for itself.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::rules::LabelRules;
use super::stable::{Answer, Stabiliser};
use crate::domain::classification::{HeldLabel, Independent, Status};

/// Holds each of a model's labels for itself.
#[derive(Debug)]
pub(super) struct Several {
    names: Arc<[Arc<str>]>,
    /// One for each label.
    held: Vec<Stabiliser>,
}

/// What a frame shows of labels that are independent of each other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shown<'a> {
    /// How likely each is.
    Scores(&'a [f32]),
    TooDark,
    Covered,
}

impl Several {
    pub(super) fn new(names: &[Arc<str>], rules: &LabelRules) -> Self {
        Self { names: names.into(), held: names.iter().map(|_| Stabiliser::new(rules.debounce)).collect() }
    }

    pub(super) fn set_rules(&mut self, rules: &LabelRules) {
        self.held.iter_mut().for_each(|label| label.set_rules(rules.debounce));
    }

    /// Returns to the state before the first frame.
    pub(super) fn forget(&mut self) {
        self.held.iter_mut().for_each(Stabiliser::forget);
    }

    /// True if one label more or less is held, or why none is has changed. A label needs `enter` to be held, and `keep` to remain.
    pub(super) fn observe(&mut self, shown: Shown<'_>, rules: &LabelRules, ts: Timestamp, now: Duration) -> bool {
        let mut changed = false;
        for (index, (label, name)) in self.held.iter_mut().zip(&*self.names).enumerate() {
            let is_held = label.label().is_some();
            let answer = match shown {
                Shown::TooDark => Answer::TooDark,
                Shown::Covered => Answer::Covered,
                Shown::Scores(scores) => {
                    let needed = if is_held { rules.keep() } else { rules.enter() };
                    match scores.get(index).is_some_and(|score| *score >= needed) {
                        true => Answer::Label(name.clone()),
                        false => Answer::Unknown,
                    }
                }
            };
            let weak = is_held && answer == Answer::Unknown;
            changed |= label.observe(&answer, weak, ts, now);
        }
        changed
    }

    /// The labels that are held, the most likely first, given how likely each is.
    pub(super) fn labels(&self, scores: &[f32]) -> Independent {
        let mut held: Vec<HeldLabel> = self
            .held
            .iter()
            .enumerate()
            .filter_map(|(index, label)| {
                let confidence = scores.get(index).copied().unwrap_or(0.0).clamp(0.0, 1.0);
                let since = label.held()?.since;
                Some(HeldLabel { label: label.label()?.clone(), confidence, since })
            })
            .collect();
        held.sort_by(|one, other| other.confidence.total_cmp(&one.confidence));
        Independent { held, possible: self.names.clone() }
    }

    /// How it is to be read that these are held, or none is; and since when.
    pub(super) fn status(&self) -> (Status, Option<Timestamp>) {
        let since = self.held.iter().filter_map(|label| label.held()).map(|held| held.since).max();
        let is =
            |wanted: &Answer| self.held.iter().any(|label| label.held().is_some_and(|held| held.answer == *wanted));
        let status = if self.held.iter().any(|label| label.label().is_some()) {
            Status::Known
        } else if is(&Answer::TooDark) {
            Status::TooDark
        } else if is(&Answer::Covered) {
            Status::Covered
        } else {
            Status::Unknown
        };
        (status, since)
    }
}
