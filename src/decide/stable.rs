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
}

impl Answer {
    pub fn label(&self) -> Option<&Arc<str>> {
        match self {
            Self::Label(label) => Some(label),
            Self::Unknown | Self::TooDark => None,
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

#[derive(Debug)]
pub struct Stabiliser {
    consecutive: u32,
    hold: Duration,
    /// `None` before the first frame.
    held: Option<Held>,
    /// The candidate to replace it, and for how many frames in a row.
    challenger: Option<Answer>,
    votes: u32,
}

impl Stabiliser {
    /// An answer becomes stable after `consecutive` frames, but not before the last one has held for `hold`.
    pub fn new(consecutive: u32, hold: Duration) -> Self {
        Self { consecutive, hold, held: None, challenger: None, votes: 0 }
    }

    pub fn set_rules(&mut self, consecutive: u32, hold: Duration) {
        (self.consecutive, self.hold) = (consecutive, hold);
    }

    /// Returns to the state before the first frame.
    pub fn forget(&mut self) {
        *self = Self::new(self.consecutive, self.hold);
    }

    pub fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// The stable label.
    pub fn label(&self) -> Option<&Arc<str>> {
        self.held.as_ref().and_then(|held| held.answer.label())
    }

    /// True if the stable answer changed. The first frame's answer is stable at once, because nothing can flicker yet.
    pub fn observe(&mut self, answer: &Answer, ts: Timestamp, now: Duration) -> bool {
        if self.held.as_ref().is_some_and(|held| held.answer == *answer) {
            self.votes = 0;
            return false;
        }
        if self.votes > 0 && self.challenger.as_ref() == Some(answer) {
            self.votes = self.votes.saturating_add(1);
        } else {
            (self.challenger, self.votes) = (Some(answer.clone()), 1);
        }
        let ripe = self
            .held
            .as_ref()
            .is_none_or(|held| self.votes >= self.consecutive && now.saturating_sub(held.at) >= self.hold);
        if ripe {
            self.held = Some(Held { answer: answer.clone(), since: ts, at: now });
            self.votes = 0;
        }
        ripe
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One frame per second; 0 is "unknown".
    fn changes_with(consecutive: u32, hold: u64, answers: &[u8]) -> Vec<usize> {
        let mut stabiliser = Stabiliser::new(consecutive, Duration::from_secs(hold));
        let answer = |&number: &u8| Answer::from((number > 0).then(|| Arc::from(format!("label {number}"))));
        let observe = |(second, number)| {
            let now = Duration::from_secs(second as u64);
            stabiliser.observe(&answer(number), Timestamp::UNIX_EPOCH, now).then_some(second)
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
