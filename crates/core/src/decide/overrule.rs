//! The label where the two models disagree.

use super::rules::DisagreementChoice;
use super::stable::Answer;
use crate::domain::classification::SecondOpinion;

/// Keeps a disagreement: while the fast model answers `fast`, the label is the other one.
#[derive(Debug)]
pub(super) struct Overrule {
    policy: DisagreementChoice,
    standing: Option<(Answer, Answer)>,
}

impl Overrule {
    pub(super) fn new(policy: DisagreementChoice) -> Self {
        Self { policy, standing: None }
    }

    pub(super) fn set_policy(&mut self, policy: DisagreementChoice) {
        if policy != self.policy {
            *self = Self::new(policy);
        }
    }

    pub(super) fn forget(&mut self) {
        self.standing = None;
    }

    /// Applies an opinion; the newest one wins.
    pub(super) fn receive_opinion(&mut self, opinion: &SecondOpinion) {
        let fast = Answer::from(opinion.fast_label.clone());
        self.standing = match (self.policy, &opinion.accurate_label) {
            _ if opinion.agree() => None,
            (DisagreementChoice::Fast, _) => None,
            // The accurate model is unsure.
            (DisagreementChoice::Accurate, None) => None,
            (DisagreementChoice::Accurate, Some(label)) => Some((fast, Answer::Label(label.clone()))),
            (DisagreementChoice::Unknown, _) => Some((fast, Answer::Unknown)),
        };
    }

    /// The answer that counts when the fast model gives `answer`.
    pub(super) fn apply(&self, answer: Answer) -> Answer {
        match &self.standing {
            Some((fast, instead)) if *fast == answer => instead.clone(),
            _ => answer,
        }
    }

    /// Another answer became stable. Unless the disagreement was about that answer, it is over.
    pub(super) fn settled(&mut self, held: &Answer) {
        if self.standing.as_ref().is_some_and(|(fast, instead)| held != fast && held != instead) {
            self.standing = None;
        }
    }
}
