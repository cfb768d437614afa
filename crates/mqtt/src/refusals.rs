//! Topics that the broker refuses for a passing reason: each waits for itself, and the others go on.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use glimpsed_base::backoff::Backoff;

/// The first and the longest wait before a message is sent again.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The largest number of topics that wait. The messages of a topic too many are dropped.
const MAX_TOPICS: usize = 256;

/// The topics that wait, by name.
#[derive(Debug, Default)]
pub(crate) struct Refusals(BTreeMap<String, Wait>);

#[derive(Debug)]
struct Wait {
    /// `None` once it may be tried again.
    until: Option<Instant>,
    backoff: Backoff,
}

impl Refusals {
    /// Messages on `topic` wait from now on; the wait grows with each refusal until one is accepted. `None` when too many topics wait.
    /// What was under way at the same time and is refused as well does not make it longer.
    pub(crate) fn refused(&mut self, topic: &str, now: Instant) -> Option<Duration> {
        if !self.0.contains_key(topic) {
            if self.0.len() >= MAX_TOPICS {
                return None;
            }
            self.0.insert(topic.to_owned(), Wait { until: None, backoff: Backoff::new(WAITS.0, WAITS.1) });
        }
        let wait = self.0.get_mut(topic)?;
        let until = *wait.until.get_or_insert_with(|| now + wait.backoff.next_wait(fastrand::f64()));
        Some(until.saturating_duration_since(now))
    }

    /// A message on `topic` was accepted.
    pub(crate) fn accepted(&mut self, topic: &str) {
        self.0.remove(topic);
    }

    /// Whether messages on `topic` wait.
    pub(crate) fn waits(&self, topic: &str) -> bool {
        self.0.get(topic).is_some_and(|wait| wait.until.is_some())
    }

    /// When the first of the waits ends.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.values().filter_map(|wait| wait.until).min()
    }

    /// Ends the waits whose time has come.
    pub(crate) fn expire(&mut self, now: Instant) {
        for wait in self.0.values_mut() {
            wait.until = wait.until.filter(|until| *until > now);
        }
    }

    /// Ends all waits.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_topic_waits_longer_each_time_and_no_other_does() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        let first = refusals.refused("event", start).expect("it waits");
        assert_eq!(refusals.refused("event", start), Some(first), "what was under way meanwhile");
        assert!(refusals.waits("event") && !refusals.waits("state"));
        assert_eq!(refusals.next(), Some(start + first));
        refusals.expire(start + first);
        assert!(!refusals.waits("event") && refusals.next().is_none());
        let waits = |refusals: &mut Refusals| {
            let wait = refusals.refused("event", start).expect("it waits");
            refusals.expire(start + wait);
            wait
        };
        let last = (0..20).map(|_| waits(&mut refusals)).last().expect("twenty");
        assert!(first <= WAITS.0 && last > WAITS.1 / 4 && last <= WAITS.1, "{first:?} {last:?}");
        refusals.accepted("event");
        assert!(waits(&mut refusals) <= WAITS.0);
    }

    #[test]
    fn so_many_topics_wait_and_no_more() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        assert!((0..MAX_TOPICS).all(|number| refusals.refused(&number.to_string(), now).is_some()));
        assert_eq!(refusals.refused("one too many", now), None);
        assert!(refusals.refused("0", now).is_some());
    }
}
