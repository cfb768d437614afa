//! The escalation policy: when the accurate model is asked.

use std::time::Duration;

use super::vocabulary::best;
use crate::domain::classification::Reason;

/// Decides for each frame of the fast model whether the accurate one is to classify it, too.
#[derive(Debug)]
pub struct EscalationPolicy {
    rules: Rules,
    /// The second model is running.
    busy: bool,
    last: Option<Duration>,
    /// When its rest ends, which keeps `max_duty`.
    rested: Duration,
}

/// The policy's configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Longest time between two second opinions; `None`: no interval.
    pub every: Option<Duration>,
    pub when_unsure: bool,
    /// The fast model is unsure if its two largest probabilities differ by less than this.
    pub margin: f32,
    /// The fast model is unsure if its normalised entropy (0..1) is above this; 1 disables it.
    pub entropy: f32,
    /// Largest share of the time (0..1) that the second model may run.
    pub max_duty: f64,
}

impl EscalationPolicy {
    pub fn new(rules: Rules) -> Self {
        Self { rules, busy: false, last: None, rested: Duration::ZERO }
    }

    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// The least time until the second model can be asked; `None`: now.
    pub fn wait(&self, now: Duration) -> Option<Duration> {
        let rest = self.rested.saturating_sub(now);
        (self.busy || !rest.is_zero()).then_some(rest)
    }

    /// Why the second model is to classify the frame with these probabilities of the fast one; `None`: it is not.
    pub fn reason(&self, scores: &[f32], fresh: bool, wanted: bool, now: Duration) -> Option<Reason> {
        if self.wait(now).is_some() {
            return None;
        }
        let due =
            || self.rules.every.is_some_and(|every| self.last.is_none_or(|last| now.saturating_sub(last) >= every));
        if wanted {
            Some(Reason::Asked)
        } else if due() {
            Some(Reason::Interval)
        } else if fresh && self.rules.when_unsure && self.is_unsure(scores) {
            Some(Reason::Unsure)
        } else {
            None
        }
    }

    /// The second model was asked.
    pub fn begin(&mut self, now: Duration) {
        self.busy = true;
        self.last = Some(now);
    }

    /// The second model has answered or failed, after running for `work`.
    pub fn end(&mut self, now: Duration, work: Duration) {
        self.busy = false;
        self.rested = now + work.mul_f64((1.0 / self.rules.max_duty - 1.0).max(0.0));
    }

    /// The second model was replaced or removed. The rest continues, because the duty is the board's.
    pub fn forget(&mut self) {
        *self = Self { rested: self.rested, ..Self::new(self.rules) };
    }

    fn is_unsure(&self, scores: &[f32]) -> bool {
        margin(scores) < self.rules.margin || (self.rules.entropy < 1.0 && entropy(scores) > self.rules.entropy)
    }
}

/// The largest probability minus the second largest.
pub fn margin(scores: &[f32]) -> f32 {
    let Some((index, most)) = best(scores) else { return 0.0 };
    let others = scores.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, score)| *score);
    most - others.fold(0.0, f32::max)
}

/// Normalised Shannon entropy, from 0 (all on one label) to 1 (uniform). The probability that `allow` and `deny`
/// filtered out is spread evenly over the remaining labels, so a small remainder counts as unsure.
pub fn entropy(scores: &[f32]) -> f32 {
    if scores.len() < 2 {
        return 0.0;
    }
    let missing = (1.0 - scores.iter().sum::<f32>()).max(0.0) / scores.len() as f32;
    let bits = |score: &f32| {
        let probability = score + missing;
        if probability > 0.0 { -probability * probability.log2() } else { 0.0 }
    };
    scores.iter().map(bits).sum::<f32>() / (scores.len() as f32).log2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: Rules =
        Rules { every: Some(Duration::from_secs(30)), when_unsure: true, margin: 0.1, entropy: 1.0, max_duty: 0.1 };
    const SURE: &[f32] = &[0.9, 0.05, 0.05];
    const UNSURE: &[f32] = &[0.45, 0.4, 0.15];

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_is_asked_by_the_clock_when_unsure_and_on_request() {
        let mut escalation = EscalationPolicy::new(RULES);
        assert_eq!(escalation.reason(SURE, true, false, seconds(1)), Some(Reason::Interval), "the first frame");
        escalation.begin(seconds(1));
        escalation.end(seconds(2), seconds(1));
        assert_eq!(escalation.reason(SURE, true, false, seconds(12)), None);
        assert_eq!(escalation.reason(UNSURE, true, false, seconds(12)), Some(Reason::Unsure));
        assert_eq!(escalation.reason(UNSURE, false, false, seconds(12)), None, "it has said so of the same picture");
        assert_eq!(escalation.reason(SURE, true, true, seconds(12)), Some(Reason::Asked));
        assert_eq!(escalation.reason(SURE, true, false, seconds(31)), Some(Reason::Interval));
    }

    #[test]
    fn after_a_second_of_work_it_rests_for_nine_whatever_the_reason() {
        let mut escalation = EscalationPolicy::new(RULES);
        escalation.begin(seconds(1));
        assert_eq!(escalation.reason(UNSURE, true, true, seconds(60)), None, "it is at work");
        escalation.end(seconds(60), seconds(1));
        assert_eq!(escalation.reason(UNSURE, true, true, seconds(68)), None);
        assert_eq!(escalation.wait(seconds(68)), Some(seconds(1)));
        assert_eq!(escalation.reason(UNSURE, true, true, seconds(69)), Some(Reason::Asked));
    }

    #[test]
    fn another_model_does_not_work_while_the_one_before_would_rest() {
        let mut escalation = EscalationPolicy::new(RULES);
        escalation.begin(seconds(1));
        escalation.end(seconds(2), seconds(1));
        escalation.forget();
        assert_eq!(escalation.reason(UNSURE, true, true, seconds(10)), None);
        assert_eq!(escalation.reason(UNSURE, true, true, seconds(11)), Some(Reason::Asked));
    }

    #[test]
    fn entropy_is_one_for_no_idea_and_zero_for_certainty() {
        assert!(entropy(&[1.0, 0.0, 0.0, 0.0]).abs() < 1e-6);
        assert!((entropy(&[0.25; 4]) - 1.0).abs() < 1e-6);
        assert!((entropy(&[0.0; 4]) - 1.0).abs() < 1e-6, "everything likely was left out");
        assert_eq!(entropy(&[0.7]), 0.0);
    }

    proptest! {
        #[test]
        fn it_never_works_more_than_its_share(
            max_duty in 0.01f64..1.0,
            frames in proptest::collection::vec((1u64..500, 1u64..2000, proptest::bool::ANY), 1..200),
        ) {
            let mut escalation = EscalationPolicy::new(Rules { max_duty, ..RULES });
            let (mut now, mut worked, mut longest) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
            for (gap, work, wanted) in frames {
                now += Duration::from_millis(gap);
                if escalation.reason(UNSURE, true, wanted, now).is_some() {
                    let work = Duration::from_millis(work);
                    escalation.begin(now);
                    now += work;
                    escalation.end(now, work);
                    (worked, longest) = (worked + work, longest.max(work));
                }
            }
            // The end of the test may cut a rest short, by no more than the longest one.
            prop_assert!(worked.saturating_sub(longest).as_secs_f64() <= max_duty * now.as_secs_f64() + 1e-6);
        }

        #[test]
        fn margin_and_entropy_stay_between_zero_and_one(scores in proptest::collection::vec(0.0f32..1.0, 1..40)) {
            let sum: f32 = scores.iter().sum::<f32>().max(1e-3);
            let scores: Vec<f32> = scores.iter().map(|score| score / sum).collect();
            prop_assert!((0.0..=1.0001).contains(&margin(&scores)) && (-0.0001..=1.0001).contains(&entropy(&scores)));
        }
    }
}
