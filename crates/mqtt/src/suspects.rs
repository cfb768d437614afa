//! Finds the message that ends session after session: a broker without MQTT 5 cannot say what it does not take.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::loss::Loss;

/// The number of sessions in a row that end with messages under way after which only one is under way at a time, so that it is known
/// which one ends them.
const CAREFUL_AFTER: u32 = 2;

/// The number of sessions that must end with the same message alone under way before it is left out.
const LEFT_OUT_AFTER: u32 = 2;

/// How long it is left out; then it is tried again, because the broker's limit may have been raised, or another message was the cause.
const LEFT_OUT_FOR: Duration = Duration::from_secs(3600);

/// The largest number of topics of which messages are left out.
const MAX_TOPICS: usize = 64;

/// A message that was sent and not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suspect {
    pub topic: String,
    /// Size of its payload.
    pub bytes: usize,
}

/// What is known over several sessions.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    /// Short sessions in a row that the broker ended with a message under way.
    ended: u32,
    /// The message that was alone under way when the last ones ended, and how many these are.
    alone: Option<(Suspect, u32)>,
    /// Per topic, the smallest payload that is left out, and until when.
    left_out: BTreeMap<String, (usize, Instant)>,
}

impl Suspects {
    /// Whether only one message may be under way at a time.
    pub(crate) fn careful(&self) -> bool {
        self.ended >= CAREFUL_AFTER
    }

    /// Whether a message is left out.
    pub(crate) fn leave_out(&self, topic: &str, bytes: usize, now: Instant) -> bool {
        self.left_out.get(topic).is_some_and(|&(smallest, until)| bytes >= smallest && now < until)
    }

    /// A session has ended. `good` is whether it held for long, `oldest` the oldest message under way. Returns the message that
    /// is left out from now on, if this session was one too many.
    pub(crate) fn ended(&mut self, loss: &Loss, good: bool, oldest: Option<Suspect>) -> Option<Suspect> {
        let was_careful = self.careful();
        let Some(oldest) =
            oldest.filter(|_| !good && matches!(loss, Loss::Closed | Loss::Ended(_) | Loss::Malformed(_)))
        else {
            (self.ended, self.alone) = (0, None);
            return None;
        };
        self.ended += 1;
        if !was_careful {
            return None;
        }
        let times = match &self.alone {
            Some((suspect, times)) if *suspect == oldest => times + 1,
            _ => 1,
        };
        if times < LEFT_OUT_AFTER {
            self.alone = Some((oldest, times));
            return None;
        }
        // With it left out, the next session may be quick again. If another message ends sessions, too, it is found as this one was.
        (self.ended, self.alone) = (0, None);
        self.left_out.retain(|_, (_, until)| Instant::now() < *until);
        if self.left_out.len() < MAX_TOPICS || self.left_out.contains_key(&oldest.topic) {
            self.left_out.insert(oldest.topic.clone(), (oldest.bytes, Instant::now() + LEFT_OUT_FOR));
        }
        Some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(bytes: usize) -> Option<Suspect> {
        Some(Suspect { topic: "state".into(), bytes })
    }

    #[test]
    fn what_is_left_out_is_tried_again_after_an_hour() {
        let mut suspects = Suspects::default();
        (0..4).for_each(|_| drop(suspects.ended(&Loss::Closed, false, state(500))));
        let after = |time| Instant::now() + time;
        assert!(suspects.leave_out("state", 500, after(LEFT_OUT_FOR / 2)));
        assert!(!suspects.leave_out("state", 500, after(LEFT_OUT_FOR)));
    }

    #[test]
    fn the_message_that_is_under_way_at_each_end_is_left_out_and_smaller_ones_are_not() {
        let mut suspects = Suspects::default();
        let left_out_after: Vec<bool> =
            (0..4).map(|_| suspects.ended(&Loss::Closed, false, state(500)).is_some()).collect();
        assert_eq!(left_out_after, [false, false, false, true]);
        let left_out = |topic, bytes| suspects.leave_out(topic, bytes, Instant::now());
        assert!(left_out("state", 500) && left_out("state", 501));
        assert!(!left_out("state", 499) && !left_out("info", 500));
        assert!(!suspects.careful(), "the next session need not be slow");
    }

    #[test]
    fn sessions_that_end_with_nothing_under_way_or_after_a_while_suspect_no_message() {
        let mut suspects = Suspects::default();
        for _ in 0..10 {
            assert_eq!(suspects.ended(&Loss::Closed, false, None), None);
            assert_eq!(suspects.ended(&Loss::Closed, true, state(500)), None);
            assert!(!suspects.careful());
        }
    }

    #[test]
    fn different_messages_suspect_no_message() {
        let mut suspects = Suspects::default();
        for bytes in 0..10 {
            assert_eq!(suspects.ended(&Loss::Closed, false, state(bytes)), None);
        }
    }
}
