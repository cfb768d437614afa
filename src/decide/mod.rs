//! From the answers for single frames to what is told to the world: pure decisions over given times.

mod stable;

use std::time::Duration;

use jiff::Timestamp;

use crate::config::typed::LabelRules;
use crate::label::{Classification, Event, Stable, Status};
use stable::Stabiliser;

/// Turns each frame's answer into events.
#[derive(Debug)]
pub struct Decider {
    stabiliser: Stabiliser,
    heartbeat: Duration,
    last_state: Duration,
    /// The frame that was looked at last, until nothing is known of now.
    last_frame: Option<Classification>,
}

impl Decider {
    /// `heartbeat` is the longest time between two events that carry the stable label, while frames arrive.
    pub fn new(rules: &LabelRules, heartbeat: Duration) -> Self {
        let stabiliser = Stabiliser::new(rules.consecutive);
        Self { stabiliser, heartbeat, last_state: Duration::ZERO, last_frame: None }
    }

    /// Goes on by other rules; the label that holds is kept until frames say otherwise.
    pub fn set_rules(&mut self, rules: &LabelRules, heartbeat: Duration) {
        self.stabiliser.set_consecutive(rules.consecutive);
        self.heartbeat = heartbeat;
    }

    /// What to tell about this frame at the monotonic time `now`.
    pub fn observe(&mut self, frame: Classification, now: Duration) -> Vec<Event> {
        let before = self.stabiliser.label();
        let changed = self.stabiliser.observe(frame.label().map(|ranked| ranked.label.clone()), frame.ts);
        let state = if changed {
            Some(Event::Changed { now: self.stabiliser.current(&frame), before })
        } else if now.saturating_sub(self.last_state) >= self.heartbeat {
            Some(Event::Heartbeat(self.stabiliser.current(&frame)))
        } else {
            None
        };
        if state.is_some() {
            self.last_state = now;
        }
        self.last_frame = Some(frame.clone());
        std::iter::once(Event::Classified(frame)).chain(state).collect()
    }

    /// No frame has come for too long: what to tell, which is nothing the second time. The next frame's answer holds at
    /// once.
    pub fn grow_stale(&mut self, wall: Timestamp) -> Option<Event> {
        let frame = self.last_frame.take()?;
        let before = self.stabiliser.label();
        self.stabiliser.forget();
        let now = Stable { status: Status::Stale, label: None, confidence: 0.0, since: wall, frame };
        Some(Event::Changed { now, before })
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
            matches!(&events[..], [Event::Classified(_), Event::Changed { now, before: None }] if now.label.as_deref() == Some("cat"))
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

    #[test]
    fn without_frames_the_state_grows_stale_once_and_the_next_frame_holds_at_once() {
        let mut decider = Decider::new(&rules(), Duration::from_secs(60));
        assert_eq!(decider.grow_stale(Timestamp::UNIX_EPOCH), None, "nothing was known");
        decider.observe(frame(1, Some("cat")), Duration::from_secs(1));
        let Some(Event::Changed { now, before }) = decider.grow_stale(Timestamp::UNIX_EPOCH) else {
            panic!("stale");
        };
        assert_eq!((now.status, now.label, before.as_deref()), (Status::Stale, None, Some("cat")));
        assert_eq!(decider.grow_stale(Timestamp::UNIX_EPOCH), None);
        let events = decider.observe(frame(2, Some("dog")), Duration::from_secs(9));
        assert!(matches!(&events[1..], [Event::Changed { before: None, .. }]), "{events:?}");
    }
}
