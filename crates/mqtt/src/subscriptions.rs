//! The subscriptions of a session. What the broker refuses for a passing reason is requested again.

use std::time::Duration;

use tokio::time::Instant;

use crate::wire::Refusal;
use glimpsed_base::backoff::Backoff;

/// The first and the longest wait before a subscription is requested again.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What is requested and what waits. At most one SUBSCRIBE is unanswered.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    /// The topic filters of the unanswered SUBSCRIBE.
    requested: Vec<String>,
    /// Refused for a passing reason.
    waiting: Vec<String>,
    /// When those are requested again.
    due: Option<Instant>,
    backoff: Backoff,
}

/// The broker's answer for one topic filter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub filter: String,
    pub refusal: Option<Refusal>,
}

impl Subscriptions {
    pub(crate) fn new() -> Self {
        let backoff = Backoff::new(WAITS.0, WAITS.1);
        Self { requested: Vec::new(), waiting: Vec::new(), due: None, backoff }
    }

    /// A SUBSCRIBE for these topic filters was sent.
    pub(crate) fn requested(&mut self, filters: Vec<String>) {
        self.requested = filters;
    }

    /// Whether a SUBSCRIBE is unanswered.
    pub(crate) fn is_unanswered(&self) -> bool {
        !self.requested.is_empty()
    }

    /// Takes in a SUBACK: what is refused for a passing reason waits from now on, longer with each refusal.
    pub(crate) fn answered(&mut self, refusals: Vec<Option<Refusal>>, now: Instant) -> Vec<Answered> {
        let filters = std::mem::take(&mut self.requested).into_iter();
        let answers: Vec<_> = filters.zip(refusals).map(|(filter, refusal)| Answered { filter, refusal }).collect();
        let passes = |answer: &&Answered| answer.refusal.as_ref().is_some_and(|refusal| refusal.passes);
        self.waiting = answers.iter().filter(passes).map(|answer| answer.filter.clone()).collect();
        self.due = (!self.waiting.is_empty()).then(|| now + self.backoff.next_wait(fastrand::f64()));
        answers
    }

    /// When something is to be requested again.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// What is to be requested now.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Vec<String>> {
        self.due.take_if(|due| *due <= now).map(|_| std::mem::take(&mut self.waiting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(passes: bool) -> Option<Refusal> {
        Some(Refusal { reason: "quota exceeded".into(), passes })
    }

    #[test]
    fn only_what_is_refused_for_a_passing_reason_is_requested_again_and_later_each_time() {
        let (mut subscriptions, mut now) = (Subscriptions::new(), Instant::now());
        subscriptions.requested(vec!["granted".into(), "forbidden".into(), "later".into()]);
        let answers = subscriptions.answered(vec![None, refusal(false), refusal(true)], now);
        assert_eq!(answers.iter().map(|answer| answer.refusal.is_some()).collect::<Vec<_>>(), [false, true, true]);
        let mut waits = Vec::new();
        for _ in 0..20 {
            assert_eq!(subscriptions.take_due(now), None, "not yet");
            let due = subscriptions.due().expect("one waits");
            waits.push(due - now);
            now = due;
            let filters = subscriptions.take_due(now).expect("due");
            assert_eq!(filters, ["later"]);
            subscriptions.requested(filters);
            assert!(subscriptions.is_unanswered());
            subscriptions.answered(vec![refusal(true)], now);
        }
        assert!(waits[0] <= WAITS.0 && waits[19] > WAITS.1 / 4 && waits[19] <= WAITS.1, "{waits:?}");
        now = subscriptions.due().expect("one waits");
        let filters = subscriptions.take_due(now).expect("due");
        subscriptions.requested(filters);
        subscriptions.answered(vec![None], now);
        assert!(subscriptions.due().is_none() && !subscriptions.is_unanswered());
    }
}
