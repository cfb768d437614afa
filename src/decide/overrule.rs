//! What holds where the two models disagree.

use super::rules::DisagreementChoice;
use super::stable::Answer;
use crate::domain::classification::SecondOpinion;

/// Remembers a disagreement: while the fast model says `fast`, the label is another.
#[derive(Debug)]
pub struct Overrule {
    policy: DisagreementChoice,
    standing: Option<(Answer, Answer)>,
}

impl Overrule {
    pub fn new(policy: DisagreementChoice) -> Self {
        Self { policy, standing: None }
    }

    pub fn set_policy(&mut self, policy: DisagreementChoice) {
        if policy != self.policy {
            *self = Self::new(policy);
        }
    }

    pub fn forget(&mut self) {
        self.standing = None;
    }

    /// The newest opinion is the one that counts.
    pub fn receive_opinion(&mut self, opinion: &SecondOpinion) {
        let fast = Answer::from(opinion.fast_label.clone());
        self.standing = match (self.policy, &opinion.accurate_label) {
            _ if opinion.agree() => None,
            (DisagreementChoice::Fast, _) => None,
            // It has no opinion.
            (DisagreementChoice::Accurate, None) => None,
            (DisagreementChoice::Accurate, Some(label)) => Some((fast, Answer::Label(label.clone()))),
            (DisagreementChoice::Unknown, _) => Some((fast, Answer::Unknown)),
        };
    }

    /// What counts when the fast model says `answer`.
    pub fn apply(&self, answer: Answer) -> Answer {
        match &self.standing {
            Some((fast, instead)) if *fast == answer => instead.clone(),
            _ => answer,
        }
    }

    /// Another answer holds: unless it is one that was disagreed about, the disagreement is over.
    pub fn settled(&mut self, held: &Answer) {
        if self.standing.as_ref().is_some_and(|(fast, instead)| held != fast && held != instead) {
            self.standing = None;
        }
    }
}
