//! The stable label. It is debounced: enough frames in a row must agree, and a label is held for a minimum time.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// The answer of a frame, or of the lack of frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Label(Arc<str>),
    Unknown,
    TooDark,
    Covered,
}

impl Answer {
    pub fn label(&self) -> Option<&Arc<str>> {
        match self {
            Self::Label(label) => Some(label),
            Self::Unknown | Self::TooDark | Self::Covered => None,
        }
    }
}

impl From<Option<Arc<str>>> for Answer {
    fn from(label: Option<Arc<str>>) -> Self {
        label.map_or(Self::Unknown, Self::Label)
    }
}

/// The stable answer.
#[derive(Debug, Clone)]
pub struct Held {
    pub answer: Answer,
    /// When the frame that decided it was captured.
    pub since: Timestamp,
    /// The same moment on the monotonic clock.
    at: Duration,
}

/// When an answer becomes the stable one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debounce {
    /// After so many frames in a row. The time they take counts as well: frames that come faster than `FASTEST` count as if they came
    /// so fast, and of those that come slower than `SLOWEST` two are enough after the time that all would take so slowly.
    pub consecutive: u32,
    /// But not before the last one has held for this time.
    pub hold: Duration,
}

const FASTEST: Duration = Duration::from_millis(100);
const SLOWEST: Duration = Duration::from_secs(1);

/// What a camera's clock may be early by.
const TOLERANCE: Duration = Duration::from_millis(20);

impl Debounce {
    /// Whether so many frames in a row, of which the first was taken so long ago, are enough.
    fn suffices(&self, frames: u32, since: Duration) -> bool {
        let between = self.consecutive.saturating_sub(1);
        let since = since + TOLERANCE;
        (frames >= self.consecutive && since >= FASTEST * between) || (frames >= 2 && since >= SLOWEST * between)
    }
}

#[derive(Debug)]
pub struct Stabiliser {
    rules: Debounce,
    /// `None` before the first frame.
    held: Option<Held>,
    /// The candidate to replace it, with its frames in a row.
    challenger: Option<Answer>,
    votes: Row,
    /// Frames in a row in which the stable label had too little confidence, whatever they showed instead.
    weak: Row,
}

/// Frames in a row.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    frames: u32,
    /// The time of the first one.
    since: Duration,
}

impl Row {
    fn add(&mut self, now: Duration) {
        if self.frames == 0 {
            self.since = now;
        }
        self.frames = self.frames.saturating_add(1);
    }

    fn suffices(&self, rules: &Debounce, now: Duration) -> bool {
        rules.suffices(self.frames, now.saturating_sub(self.since))
    }
}

impl Stabiliser {
    pub fn new(rules: Debounce) -> Self {
        Self { rules, held: None, challenger: None, votes: Row::default(), weak: Row::default() }
    }

    pub fn set_rules(&mut self, rules: Debounce) {
        self.rules = rules;
    }

    /// Returns to the state before the first frame.
    pub fn forget(&mut self) {
        *self = Self::new(self.rules);
    }

    pub fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// The stable label.
    pub fn label(&self) -> Option<&Arc<str>> {
        self.held.as_ref().and_then(|held| held.answer.label())
    }

    /// True if the stable answer changed. `weak`: the stable label has too little confidence to remain. Frames that contradict it, but
    /// not with one voice, end it as well. The first frame's answer is stable at once, because nothing can flicker yet.
    pub fn observe(&mut self, answer: &Answer, weak: bool, ts: Timestamp, now: Duration) -> bool {
        if self.held.as_ref().is_some_and(|held| held.answer == *answer) {
            (self.votes, self.weak) = (Row::default(), Row::default());
            return false;
        }
        if self.challenger.as_ref() != Some(answer) {
            (self.challenger, self.votes) = (Some(answer.clone()), Row::default());
        }
        self.votes.add(now);
        match weak {
            true => self.weak.add(now),
            false => self.weak = Row::default(),
        }
        let holds_long_enough = self.held.as_ref().is_none_or(|held| now.saturating_sub(held.at) >= self.rules.hold);
        let next = if self.held.is_none() || (holds_long_enough && self.votes.suffices(&self.rules, now)) {
            answer.clone()
        } else if holds_long_enough && self.label().is_some() && self.weak.suffices(&self.rules, now) {
            Answer::Unknown
        } else {
            return false;
        };
        self.held = Some(Held { answer: next, since: ts, at: now });
        (self.votes, self.weak) = (Row::default(), Row::default());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One frame per second; 0 is "unknown". The stable label has enough confidence to remain.
    fn changes_with(consecutive: u32, hold: u64, answers: &[u8]) -> Vec<usize> {
        let mut stabiliser = Stabiliser::new(Debounce { consecutive, hold: Duration::from_secs(hold) });
        let answer = |&number: &u8| Answer::from((number > 0).then(|| Arc::from(format!("label {number}"))));
        let observe = |(second, number)| {
            let now = Duration::from_secs(second as u64);
            stabiliser.observe(&answer(number), false, Timestamp::UNIX_EPOCH, now).then_some(second)
        };
        answers.iter().enumerate().filter_map(observe).collect()
    }

    fn changes(consecutive: u32, answers: &[u8]) -> usize {
        changes_with(consecutive, 0, answers).len()
    }

    #[test]
    fn a_label_that_flickers_never_replaces_the_one_that_holds() {
        assert_eq!(changes(3, &[1, 2, 1, 2, 2, 1, 3, 3, 1]), 1);
    }

    #[test]
    fn enough_frames_in_a_row_change_it() {
        assert_eq!(changes(3, &[1, 2, 2, 2, 2]), 2);
        assert_eq!(changes(1, &[1, 2, 1]), 3);
    }

    #[test]
    fn unknown_takes_as_long_to_settle_as_any_label() {
        assert_eq!(changes(2, &[1, 0, 1, 0, 0]), 2);
    }

    #[test]
    fn votes_for_different_labels_do_not_add_up() {
        assert_eq!(changes(2, &[1, 2, 3, 2, 3]), 1);
    }

    #[test]
    fn a_label_holds_for_its_time_and_then_gives_way_at_once() {
        assert_eq!(changes_with(2, 5, &[1, 2, 2, 2, 2, 2, 2]), [0, 5]);
        assert_eq!(changes_with(2, 5, &[1, 2, 2, 2, 1, 2, 2]), [0, 6], "the frames in a row begin anew");
    }

    /// The stable labels after each frame; every frame contradicts the first.
    fn labels_with(rules: Debounce, every: Duration, answers: &[u8]) -> Vec<Option<String>> {
        let mut stabiliser = Stabiliser::new(rules);
        let labels = answers.iter().enumerate().map(|(frame, number)| {
            let answer = Answer::Label(format!("label {number}").into());
            stabiliser.observe(&answer, frame > 0, Timestamp::UNIX_EPOCH, every * frame as u32);
            stabiliser.label().map(|label| label.to_string())
        });
        labels.collect()
    }

    const THREE: Debounce = Debounce { consecutive: 3, hold: Duration::ZERO };

    #[test]
    fn frames_that_contradict_the_label_and_each_other_end_it() {
        let labels = labels_with(THREE, Duration::from_millis(100), &[1, 2, 3, 4, 5, 6, 6, 6]);
        let held = |number: u8| Some(format!("label {number}"));
        assert_eq!(labels, [held(1), held(1), held(1), None, None, None, None, held(6)]);
    }

    #[test]
    fn the_time_that_frames_take_counts_as_well() {
        let after = |every: u64, rules: Debounce| {
            let labels = labels_with(rules, Duration::from_millis(every), &[[1].as_slice(), &[2; 40]].concat());
            labels.iter().skip(1).take_while(|label| label.as_deref() != Some("label 2")).count() + 1
        };
        assert_eq!(after(100, THREE), 3, "ten frames a second");
        assert_eq!(after(1000, THREE), 3, "one frame a second");
        assert_eq!(after(33, THREE), 7, "thirty frames a second: 0.2 s");
        assert_eq!(after(10_000, THREE), 2, "a frame each ten seconds");
        assert_eq!(after(33, Debounce { consecutive: 1, ..THREE }), 1);
        assert_eq!(after(1000, Debounce { consecutive: 10, ..THREE }), 10);
    }

    proptest! {
        #[test]
        fn there_are_never_more_changes_than_the_frames_and_the_time_allow(
            answers in proptest::collection::vec(0u8..4, 0..80), consecutive in 1u32..6, hold in 0u64..9,
        ) {
            let apart = u64::from(consecutive).max(hold) as usize;
            let changes = changes_with(consecutive, hold, &answers);
            prop_assert!(changes.windows(2).all(|pair| pair[1] - pair[0] >= apart), "{changes:?}");
        }
    }
}
