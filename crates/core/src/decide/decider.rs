//! Turns each frame's answer into events.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use smallvec::SmallVec;

use super::overrule::Overrule;
use super::rules::{DisagreementChoice, LabelRules};
use super::several::{Several, Shown};
use super::smooth::Smoother;
use super::stable::{Answer, Stabiliser};
use super::vocabulary::{Vocabulary, best};
use crate::domain::classification::{Classification, Labels, SecondOpinion, Stable, Status};
use crate::domain::event::Event;

/// How a frame was classified.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'a> {
    /// By the model, with the probability of each class.
    Scores(&'a [f32]),
    /// Unchanged: the previous frame's answer was reused.
    Same,
    /// Not at all: it is too dark.
    Dark,
    /// Not at all: it is of one colour.
    Covered,
}

/// Turns each frame's answer into events.
#[derive(Debug)]
pub struct Decider {
    rules: LabelRules,
    labels: Labels,
    vocabulary: Vocabulary,
    /// The probability of each label in the last classified frame.
    scores: Vec<f32>,
    smoother: Smoother,
    stabiliser: Stabiliser,
    /// Of labels that do not exclude each other, in the place of the one stable label.
    several: Option<Several>,
    overrule: Overrule,
    heartbeat: Duration,
    last_state: Duration,
    /// The last frame; `None` once the label is stale.
    last_frame: Option<Classification>,
}

/// The events of one frame: its own, and that of the stable label.
pub(super) type Events = SmallVec<[Event; 2]>;

impl Decider {
    /// `labels` are those of the model that answers; `heartbeat` is the longest time between two events that carry the
    /// stable label, while frames arrive.
    pub fn new(labels: Labels, rules: &LabelRules, policy: DisagreementChoice, heartbeat: Duration) -> Self {
        let vocabulary = Vocabulary::new(&labels, &rules.filter);
        Self {
            several: several(&labels, &vocabulary, rules),
            vocabulary,
            labels,
            scores: Vec::new(),
            smoother: Smoother::new(rules.smoothing),
            stabiliser: Stabiliser::new(rules.debounce),
            overrule: Overrule::new(policy),
            rules: rules.clone(),
            heartbeat,
            last_state: Duration::ZERO,
            last_frame: None,
        }
    }

    /// Changes the rules. The stable label is kept until frames contradict it.
    pub fn set_rules(&mut self, rules: &LabelRules, policy: DisagreementChoice, heartbeat: Duration) {
        let other_labels = rules.filter != self.rules.filter;
        self.rules = rules.clone();
        self.stabiliser.set_rules(rules.debounce);
        if let Some(several) = &mut self.several {
            several.set_rules(rules);
        }
        self.smoother.set(rules.smoothing);
        self.overrule.set_policy(policy);
        self.heartbeat = heartbeat;
        if other_labels {
            self.set_labels(self.labels.clone());
        }
    }

    /// Changes the model's labels. The stable label is kept until frames contradict it.
    pub fn set_labels(&mut self, labels: Labels) {
        self.vocabulary = Vocabulary::new(&labels, &self.rules.filter);
        self.several = several(&labels, &self.vocabulary, &self.rules);
        self.labels = labels;
        self.scores.clear();
        self.smoother.forget();
        self.overrule.forget();
    }

    /// The probability of each label in the last classified frame.
    pub fn scores(&self) -> &[f32] {
        &self.scores
    }

    /// The label of the last classified frame alone, without smoothing.
    pub fn frame_label(&self) -> Option<&Arc<str>> {
        self.vocabulary.best(&self.scores, self.rules.enter())
    }

    /// Discards the accurate model's opinions, because it was replaced or removed.
    pub fn forget_opinions(&mut self) {
        self.overrule.forget();
    }

    /// Applies a second opinion from the next frame on.
    pub fn receive_opinion(&mut self, opinion: &SecondOpinion) {
        self.overrule.receive_opinion(opinion);
    }

    /// The events of this frame at the monotonic time `now`.
    pub fn observe(&mut self, frame: Classification, seen: Seen, now: Duration) -> Events {
        if self.several.is_some() {
            return self.observe_several(frame, seen, now);
        }
        let answer = match seen {
            Seen::Dark | Seen::Covered => {
                self.smoother.forget();
                if matches!(seen, Seen::Dark) { Answer::TooDark } else { Answer::Covered }
            }
            Seen::Scores(probabilities) => {
                self.vocabulary.fold(probabilities, &mut self.scores);
                self.smoother.update(&self.scores, now);
                self.overrule.apply(self.answer())
            }
            Seen::Same => {
                self.smoother.update(&self.scores, now);
                self.overrule.apply(self.answer())
            }
        };
        let before = self.label();
        let weak = !matches!(seen, Seen::Dark | Seen::Covered) && self.held_score().is_none();
        let changed = self.stabiliser.observe(&answer, weak, frame.ts, now);
        if changed {
            self.overrule.settled(&answer);
        }
        self.events(frame, before, changed, now)
    }

    /// As [`Self::observe`], for labels that do not exclude each other.
    fn observe_several(&mut self, frame: Classification, seen: Seen, now: Duration) -> Events {
        let before = self.label();
        let Self { several, vocabulary, smoother, scores, rules, .. } = self;
        let shown = match seen {
            Seen::Dark | Seen::Covered => {
                smoother.forget();
                if matches!(seen, Seen::Dark) { Shown::TooDark } else { Shown::Covered }
            }
            Seen::Scores(_) | Seen::Same => {
                if let Seen::Scores(probabilities) = seen {
                    vocabulary.fold(probabilities, scores);
                }
                smoother.update(scores, now);
                Shown::Scores(smoother.average())
            }
        };
        let changed = several.as_mut().is_some_and(|several| several.observe(shown, rules, frame.ts, now));
        self.events(frame, before, changed, now)
    }

    /// The label, or the most likely of several.
    fn label(&self) -> Option<Arc<str>> {
        match &self.several {
            None => self.stabiliser.label().cloned(),
            Some(several) => several.labels(self.smoother.average()).held.first().map(|held| held.label.clone()),
        }
    }

    fn events(&mut self, frame: Classification, before: Option<Arc<str>>, changed: bool, now: Duration) -> Events {
        let state = if changed {
            Some(Event::Changed { now: self.current(&frame), before })
        } else if now.saturating_sub(self.last_state) >= self.heartbeat {
            Some(Event::Heartbeat(self.current(&frame)))
        } else {
            None
        };
        if state.is_some() {
            self.last_state = now;
        }
        self.last_frame = Some(frame.clone());
        std::iter::once(Event::Classified(frame)).chain(state).collect()
    }

    /// No frame has arrived for too long: returns the event, the first time only. The next frame's answer becomes
    /// stable at once.
    pub fn grow_stale(&mut self, wall: Timestamp) -> Option<Event> {
        let frame = self.last_frame.take()?;
        let before = self.label();
        self.stabiliser.forget();
        let labels = self.several.as_mut().map(|several| {
            several.forget();
            several.labels(&[])
        });
        self.smoother.forget();
        self.overrule.forget();
        let now = Stable { status: Status::Stale, label: None, confidence: 0.0, since: wall, labels, frame };
        Some(Event::Changed { now, before })
    }

    /// Index and smoothed score of the stable label, while that is enough to remain.
    fn held_score(&self) -> Option<(usize, f32)> {
        let index = self.vocabulary.index(self.stabiliser.label()?)?;
        let score = *self.smoother.average().get(index)?;
        (score >= self.rules.keep()).then_some((index, score))
    }

    /// The smoothed answer, with hysteresis: the stable label needs less to remain than another needs to replace it.
    fn answer(&self) -> Answer {
        let scores = self.smoother.average();
        let held = self.held_score();
        let ahead = held.map_or(0.0, |(_, score)| score + self.rules.margin);
        let best = best(scores).filter(|(_, score)| *score >= self.rules.enter() && *score >= ahead);
        best.or(held).and_then(|(index, _)| self.vocabulary.name(index).cloned()).into()
    }

    /// The stable label, reported with `frame`.
    fn current(&self, frame: &Classification) -> Stable {
        if let Some(several) = &self.several {
            let labels = several.labels(self.smoother.average());
            let (status, since) = several.status();
            let (label, confidence) =
                labels.held.first().map_or((None, 0.0), |best| (Some(best.label.clone()), best.confidence));
            let (since, frame, labels) = (since.unwrap_or(frame.ts), frame.clone(), Some(labels));
            return Stable { status, label, confidence, since, labels, frame };
        }
        let held = self.stabiliser.held();
        let label = self.stabiliser.label().cloned();
        let status = match held.map(|held| &held.answer) {
            Some(Answer::Label(_)) => Status::Known,
            Some(Answer::TooDark) => Status::TooDark,
            Some(Answer::Covered) => Status::Covered,
            Some(Answer::Unknown) | None => Status::Unknown,
        };
        let scores = self.smoother.average();
        let score = |label: &Arc<str>| self.vocabulary.index(label).and_then(|index| scores.get(index)).copied();
        Stable {
            status,
            confidence: label.as_ref().and_then(score).unwrap_or(0.0).min(1.0),
            label,
            since: held.map_or(frame.ts, |held| held.since),
            labels: None,
            frame: frame.clone(),
        }
    }
}

fn several(labels: &Labels, vocabulary: &Vocabulary, rules: &LabelRules) -> Option<Several> {
    labels.are_independent.then(|| Several::new(vocabulary.names(), rules))
}

#[cfg(test)]
mod tests;
