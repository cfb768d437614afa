//! From the answers for single frames to what is told to the world: pure decisions over given times.

mod stable;

use std::time::Duration;

use crate::config::typed::LabelRules;
use crate::label::{Classification, Event, Stable};
use stable::Stabiliser;

/// Turns each frame's answer into events.
#[derive(Debug)]
pub struct Decider {
    stabiliser: Stabiliser,
    heartbeat: Duration,
    last_state: Duration,
}

impl Decider {
    /// `heartbeat` is the longest time between two events that carry the stable label, while frames arrive.
    pub fn new(rules: &LabelRules, heartbeat: Duration) -> Self {
        Self { stabiliser: Stabiliser::new(rules.consecutive), heartbeat, last_state: Duration::ZERO }
    }

    /// What to tell about this frame at the monotonic time `now`.
    pub fn observe(&mut self, frame: Classification, now: Duration) -> Vec<Event> {
        let changed = self.stabiliser.observe(frame.label().map(|ranked| ranked.label.clone()), frame.ts);
        let state = if changed {
            Some(Event::Changed(self.stable(&frame)))
        } else if now.saturating_sub(self.last_state) >= self.heartbeat {
            Some(Event::Heartbeat(self.stable(&frame)))
        } else {
            None
        };
        if state.is_some() {
            self.last_state = now;
        }
        std::iter::once(Event::Classified(frame)).chain(state).collect()
    }

    fn stable(&self, frame: &Classification) -> Stable {
        self.stabiliser.current(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::tests_support::frame;

    fn rules() -> LabelRules {
        LabelRules { top_k: 3, unknown_below: 0.2, consecutive: 2 }
    }

    #[test]
    fn every_frame_is_classified_and_a_change_follows_it() {
        let mut decider = Decider::new(&rules(), Duration::from_secs(60));
        let events = decider.observe(frame(1, Some("cat")), Duration::from_secs(1));
        assert!(
            matches!(&events[..], [Event::Classified(_), Event::Changed(stable)] if stable.label.as_deref() == Some("cat"))
        );
        let events = decider.observe(frame(2, Some("dog")), Duration::from_secs(2));
        assert!(matches!(&events[..], [Event::Classified(_)]), "one frame is not enough: {events:?}");
    }

    #[test]
    fn the_state_is_told_again_when_the_heartbeat_is_due() {
        let mut decider = Decider::new(&rules(), Duration::from_secs(60));
        decider.observe(frame(1, Some("cat")), Duration::from_secs(1));
        let at =
            |decider: &mut Decider, seconds| decider.observe(frame(2, Some("cat")), Duration::from_secs(seconds)).len();
        assert_eq!(at(&mut decider, 60), 1);
        assert_eq!(at(&mut decider, 61), 2);
        assert_eq!(at(&mut decider, 62), 1, "the next one is due a minute later");
    }
}
