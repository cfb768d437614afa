//! The label that holds: it changes only when enough frames in a row agree.

use std::sync::Arc;

use jiff::Timestamp;

use crate::label::{Classification, Stable, Status};

/// A frame's answer; `None` is "unknown".
pub type Answer = Option<Arc<str>>;

#[derive(Debug)]
pub struct Stabiliser {
    consecutive: u32,
    /// `None` before the first frame.
    holding: Option<(Answer, Timestamp)>,
    /// What wants to replace it, and how many frames in a row have said so.
    challenger: Answer,
    votes: u32,
}

impl Stabiliser {
    pub fn new(consecutive: u32) -> Self {
        Self { consecutive, holding: None, challenger: None, votes: 0 }
    }

    pub fn set_consecutive(&mut self, consecutive: u32) {
        self.consecutive = consecutive;
    }

    /// As before the first frame.
    pub fn forget(&mut self) {
        *self = Self::new(self.consecutive);
    }

    /// The label that holds.
    pub fn label(&self) -> Answer {
        self.holding.as_ref().and_then(|(answer, _)| answer.clone())
    }

    /// True when the answer that holds changed. The first frame's answer holds at once: there is nothing to flicker from.
    pub fn observe(&mut self, answer: Answer, ts: Timestamp) -> bool {
        let first = self.holding.is_none();
        if self.holding.as_ref().is_some_and(|(held, _)| *held == answer) {
            self.votes = 0;
            return false;
        }
        self.votes = if self.challenger == answer { self.votes + 1 } else { 1 };
        self.challenger = answer.clone();
        if first || self.votes >= self.consecutive {
            self.holding = Some((answer, ts));
            self.votes = 0;
            return true;
        }
        false
    }

    /// What holds, seen from `frame`.
    pub fn current(&self, frame: &Classification) -> Stable {
        let (label, since) = self.holding.clone().unwrap_or((None, frame.ts));
        let confidence = |label: &Arc<str>| {
            frame.top.iter().find(|ranked| ranked.label == *label).map_or(0.0, |ranked| ranked.confidence)
        };
        Stable {
            status: if label.is_some() { Status::Known } else { Status::Unknown },
            confidence: label.as_ref().map_or(0.0, confidence),
            label,
            since,
            frame: frame.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn changes(consecutive: u32, answers: &[u8]) -> usize {
        let mut stabiliser = Stabiliser::new(consecutive);
        let label = |answer: u8| (answer > 0).then(|| Arc::from(format!("label {answer}")));
        answers.iter().filter(|&&answer| stabiliser.observe(label(answer), Timestamp::UNIX_EPOCH)).count()
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

    proptest! {
        #[test]
        fn there_are_never_more_changes_than_the_frames_allow(answers in proptest::collection::vec(0u8..4, 0..80), consecutive in 1u32..6) {
            let most = if answers.is_empty() { 0 } else { 1 + (answers.len() - 1) / consecutive as usize };
            prop_assert!(changes(consecutive, &answers) <= most);
        }
    }
}
