//! The back-off between attempts to connect.

use std::time::Duration;

use crate::loss::Loss;
use glimpsed_base::backoff::Backoff;

/// The first and the longest wait between two attempts to connect.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The duration from which a session counts as stable: the back-off starts again after it.
pub(crate) const GOOD_SESSION: Duration = Duration::from_secs(30);

/// The number of consecutive short sessions, closed by the broker, from which a client with the same id is suspected.
const TWINS_AFTER: u32 = 3;

/// Decides on the waits, and detects a twin: another client with the same client id. The broker disconnects each of the
/// two when the other connects.
#[derive(Debug)]
pub(crate) struct Pace {
    backoff: Backoff,
    cut_short: u32,
    twin_reported: bool,
}

impl Pace {
    /// A pace without a history.
    pub(crate) fn new() -> Self {
        Self { backoff: Backoff::new(BACKOFF.0, BACKOFF.1), cut_short: 0, twin_reported: false }
    }

    /// How long to wait after a try that ended so; `held` is how long there was a session, `busy` whether a message was under way
    /// at its end, which may be its cause. `random` is from 0 to 1.
    pub(crate) fn wait_after(&mut self, loss: &Loss, held: Option<Duration>, busy: bool, random: f64) -> Duration {
        let good = held.is_some_and(|held| held >= GOOD_SESSION) && !matches!(loss, Loss::TakenOver);
        if good {
            self.backoff.reset();
            self.twin_reported = false;
        }
        self.cut_short = match (held, loss) {
            (Some(_), Loss::Closed) if !good && !busy => self.cut_short + 1,
            _ => 0,
        };
        self.backoff.next_wait(random)
    }

    /// True once, when there seems to be a twin. MQTT 5 says so; in 3.1.1 it can only be guessed.
    pub(crate) fn has_twin(&mut self, loss: &Loss) -> bool {
        let twin = matches!(loss, Loss::TakenOver) || self.cut_short >= TWINS_AFTER;
        twin && !std::mem::replace(&mut self.twin_reported, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Delivery, Message};
    use crate::outbox::Outbox;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);

    proptest! {
        /// A day of sessions of any length, with the shortest waits.
        #[test]
        fn no_minute_of_a_day_of_flapping_has_more_than_ten_attempts(held in prop::collection::vec(0..90_000u64, 1..50)) {
            let (mut pace, mut now, mut attempts) = (Pace::new(), Duration::ZERO, Vec::new());
            for held in held.iter().cycle() {
                attempts.push(now);
                let held = Duration::from_millis(*held);
                now += held + pace.wait_after(&Loss::Closed, Some(held), false, 0.0);
                if now > 24 * 60 * MINUTE {
                    break;
                }
            }
            for window in attempts.windows(11) {
                prop_assert!(window[10] - window[0] >= MINUTE, "{window:?}");
            }
        }
    }

    #[test]
    fn a_broker_that_refuses_for_a_day_is_asked_once_a_minute() {
        let (mut pace, mut now, mut attempts) = (Pace::new(), Duration::ZERO, 0);
        while now < 24 * 60 * MINUTE {
            attempts += 1;
            now += pace.wait_after(&Loss::ConnectionRefused, None, false, 0.5);
        }
        assert!((1440..2000).contains(&attempts), "{attempts}");
    }

    #[test]
    fn a_twin_is_reported_once_and_never_makes_the_wait_short_again() {
        let mut pace = Pace::new();
        let mut waits = Vec::new();
        let mut reports = 0;
        for _ in 0..10 {
            waits.push(pace.wait_after(&Loss::TakenOver, Some(MINUTE), false, 1.0));
            reports += u32::from(pace.has_twin(&Loss::TakenOver));
        }
        assert!(waits.is_sorted() && waits[9] == MINUTE, "{waits:?}");
        assert_eq!(reports, 1);
    }

    #[test]
    fn without_a_reason_the_third_short_session_tells_of_a_twin() {
        let mut pace = Pace::new();
        let mut told = || {
            pace.wait_after(&Loss::Closed, Some(Duration::from_secs(2)), false, 0.0);
            pace.has_twin(&Loss::Closed)
        };
        assert_eq!([told(), told(), told(), told()], [false, false, true, false]);
    }

    /// A broker that is up for at most half an hour and down for at most twenty minutes, and an event every ten
    /// seconds. Some acknowledgements are lost with their session.
    #[test]
    fn a_day_of_flapping_loses_no_event_and_finds_the_broker_within_one_step() {
        let (mut pace, outbox, mut random) = (Pace::new(), Outbox::new(1000), fastrand::Rng::with_seed(7));
        let (mut is_up, mut toggles_at, mut up_since) = (false, 0u64, 0u64);
        let (mut session, mut next_try, mut sessions) = (None, 0u64, 0);
        let (mut pushed, mut arrived) = (0u32, Vec::<u32>::new());
        for now in 0..24 * 60 * 60 {
            if now == toggles_at {
                is_up = !is_up;
                up_since = now;
                toggles_at = now + random.u64(if is_up { 1..1800 } else { 1..1200 });
                if let Some(since) = session.take() {
                    outbox.disconnected();
                    let wait =
                        pace.wait_after(&Loss::Closed, Some(Duration::from_secs(now - since)), false, random.f64());
                    next_try = now + wait.as_secs() + 1;
                }
            }
            if now % 10 == 0 {
                let payload: Vec<u8> = pushed.to_string().into();
                outbox.push(Message::new("event", payload, Delivery::Event, false));
                pushed += 1;
            }
            if session.is_none() && now >= next_try {
                if is_up {
                    assert!(now - up_since <= BACKOFF.1.as_secs() + 1, "found after {} s", now - up_since);
                    (session, sessions) = (Some(now), sessions + 1);
                    outbox.connected();
                } else {
                    next_try = now + pace.wait_after(&Loss::ConnectionRefused, None, false, random.f64()).as_secs() + 1;
                }
            }
            while session.is_some()
                && let Some((ticket, message)) = outbox.take()
            {
                arrived.push(String::from_utf8_lossy(&message.payload).parse().expect("a number"));
                if random.u32(0..100) > 0 {
                    outbox.acknowledge(ticket);
                }
            }
        }
        outbox.disconnected();
        outbox.connected();
        while let Some((_, message)) = outbox.take() {
            arrived.push(String::from_utf8_lossy(&message.payload).parse().expect("a number"));
        }
        let twice = arrived.len();
        arrived.sort_unstable();
        arrived.dedup();
        assert_eq!(arrived, Vec::from_iter(0..pushed));
        assert_eq!(outbox.dropped().event, 0);
        // An acknowledgement is lost about eighty times.
        assert!(sessions > 50 && twice - arrived.len() < 120, "{sessions} sessions, {} twice", twice - arrived.len());
    }
}
