use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::domain::classification::Status;
use crate::domain::classification::tests_support::{several, stable};

/// A monotonic clock, and a wall clock in a time zone that can be set.
struct Clocks {
    zone: TimeZone,
    now: Duration,
    wall: Timestamp,
}

impl Clocks {
    fn at(wall: &str) -> Self {
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        let wall: jiff::civil::DateTime = wall.parse().expect("a time");
        Self {
            wall: wall.to_zoned_datetime(zone.clone()).expect("a time").timestamp(),
            zone,
            now: Duration::from_secs(1000),
        }
    }

    fn time(&self) -> Time {
        let zoned = self.wall.to_zoned_datetime(self.zone.clone());
        let midnight = zoned.start_of_day().expect("in range").timestamp();
        Time { now: self.now, wall: self.wall, today: zoned.date(), midnight }
    }

    fn pass(&mut self, seconds: u64) -> Time {
        self.now += Duration::from_secs(seconds);
        self.set(seconds as i64)
    }

    /// Sets the wall clock, forwards or back.
    fn set(&mut self, seconds: i64) -> Time {
        self.wall += SignedDuration::from_secs(seconds);
        self.time()
    }
}

fn blind() -> Stable {
    Stable { status: Status::Stale, ..stable(None) }
}

/// Label, times and seconds.
fn counts(day: &Day) -> Vec<(&str, u32, u64)> {
    day.labels.iter().map(|label| (&*label.label, label.times, label.held.as_secs())).collect()
}

#[test]
fn each_label_is_counted_timed_and_has_a_first_and_a_last_time() {
    let mut clocks = Clocks::at("2026-11-28T08:00:00");
    let start = clocks.wall;
    let mut tracker = DayTracker::new(clocks.time());
    tracker.observe(&stable(Some("closed")), clocks.pass(10));
    tracker.observe(&stable(Some("open")), clocks.pass(60));
    tracker.observe(&stable(None), clocks.pass(30));
    tracker.observe(&stable(Some("closed")), clocks.pass(5));
    tracker.advance(clocks.pass(100));
    assert_eq!(counts(tracker.day()), [("closed", 2, 160), ("open", 1, 30)]);
    let [closed, open] = &tracker.day().labels[..] else { panic!("two labels") };
    let after = |seconds| start + SignedDuration::from_secs(seconds);
    assert_eq!((closed.first, closed.last), (after(10), after(205)));
    assert_eq!((open.first, open.last), (after(70), after(100)));
    assert_eq!(tracker.day().holds, ["closed".into()]);
}

#[test]
fn midnight_begins_a_day_with_the_label_that_holds() {
    let mut clocks = Clocks::at("2026-11-28T23:00:00");
    let mut tracker = DayTracker::new(clocks.time());
    tracker.observe(&stable(Some("open")), clocks.time());
    tracker.observe(&stable(Some("closed")), clocks.pass(1800));
    tracker.advance(clocks.pass(2400));
    let midnight = clocks.time().midnight;
    assert_eq!(tracker.day().date, date(2026, 11, 29));
    assert_eq!(counts(tracker.day()), [("closed", 1, 600)]);
    assert_eq!(tracker.day().labels[0].first, midnight);
    let before = tracker.before.as_ref().expect("yesterday");
    assert_eq!(counts(before), [("open", 1, 1800), ("closed", 1, 1800)]);
    assert_eq!(before.labels[1].last, midnight);
}

#[test]
fn a_day_when_clocks_change_has_23_or_25_hours() {
    for (day, hours) in [("2026-03-29T00:00:00", 23), ("2026-10-25T00:00:00", 25)] {
        let mut clocks = Clocks::at(day);
        let mut tracker = DayTracker::new(clocks.time());
        tracker.observe(&stable(Some("closed")), clocks.time());
        for _ in 0..26 {
            tracker.advance(clocks.pass(3600));
        }
        let first = tracker.before.as_ref().expect("the day before");
        assert_eq!(counts(first), [("closed", 1, hours * 3600)], "{day}");
        assert_eq!(counts(tracker.day()), [("closed", 1, (26 - hours) * 3600)], "{day}");
    }
}

#[test]
fn a_clock_that_is_set_changes_no_length_of_time() {
    let mut clocks = Clocks::at("2026-11-28T12:00:00");
    let mut tracker = DayTracker::new(clocks.time());
    tracker.observe(&stable(Some("open")), clocks.time());
    tracker.advance(clocks.pass(60));
    tracker.advance(clocks.set(3600));
    tracker.advance(clocks.pass(60));
    tracker.advance(clocks.set(-7200));
    tracker.advance(clocks.pass(60));
    assert_eq!(counts(tracker.day()), [("open", 1, 180)]);
}

#[test]
fn a_board_that_starts_in_1970_does_not_claim_to_have_seen_all_of_today() {
    let mut clocks = Clocks::at("1970-01-01T01:00:00");
    let mut tracker = DayTracker::new(clocks.time());
    tracker.observe(&stable(Some("open")), clocks.time());
    clocks.pass(30);
    clocks.wall = Clocks::at("2026-11-28T12:00:00").wall;
    tracker.advance(clocks.time());
    assert_eq!((tracker.day().date, counts(tracker.day())), (date(2026, 11, 28), vec![("open", 1, 30)]));
    assert_eq!(tracker.day().labels[0].first, clocks.wall - SignedDuration::from_secs(30));
}

#[test]
fn a_clock_that_is_set_back_over_midnight_finds_yesterday_as_it_was() {
    let mut clocks = Clocks::at("2026-11-28T23:59:00");
    let mut tracker = DayTracker::new(clocks.time());
    tracker.observe(&stable(Some("open")), clocks.time());
    tracker.advance(clocks.pass(62));
    assert_eq!(counts(tracker.day()), [("open", 1, 2)]);
    tracker.advance(clocks.set(-4));
    assert_eq!((tracker.day().date, counts(tracker.day())), (date(2026, 11, 28), vec![("open", 1, 60)]));
    tracker.advance(clocks.pass(10));
    assert_eq!(tracker.day().date, date(2026, 11, 29));
    assert_eq!(tracker.day().labels[0].times, 1, "{:?}", tracker.day());
}

#[test]
fn a_label_that_nobody_could_see_for_a_while_has_not_begun_anew() {
    let mut clocks = Clocks::at("2026-11-28T12:00:00");
    let mut tracker = DayTracker::new(clocks.time());
    tracker.observe(&stable(Some("open")), clocks.time());
    tracker.observe(&blind(), clocks.pass(10));
    tracker.observe(&stable(Some("open")), clocks.pass(100));
    tracker.observe(&blind(), clocks.pass(10));
    tracker.observe(&stable(Some("closed")), clocks.pass(100));
    tracker.observe(&stable(None), clocks.pass(10));
    tracker.observe(&stable(Some("closed")), clocks.pass(10));
    assert_eq!(counts(tracker.day()), [("open", 1, 20), ("closed", 2, 10)]);
}

#[test]
fn a_new_run_goes_on_where_the_earlier_one_was() {
    let mut clocks = Clocks::at("2026-11-28T12:00:00");
    let mut earlier = DayTracker::new(clocks.time());
    earlier.observe(&stable(Some("open")), clocks.time());
    earlier.observe(&stable(Some("closed")), clocks.pass(60));
    earlier.advance(clocks.pass(60));
    let kept = earlier.day().clone();
    // Both orders: the labels first, or the memory first.
    for late in [false, true] {
        let mut clocks = Clocks::at("2026-11-28T13:00:00");
        let mut next = DayTracker::new(clocks.time());
        if !late {
            assert!(next.resume(kept.clone(), clocks.time()));
        }
        next.observe(&stable(Some("closed")), clocks.time());
        if late {
            assert!(next.resume(kept.clone(), clocks.pass(0)));
        }
        next.observe(&stable(Some("open")), clocks.pass(40));
        next.advance(clocks.pass(5));
        assert_eq!(counts(next.day()), [("open", 2, 65), ("closed", 1, 100)], "late: {late}");
        assert_eq!(next.day().labels[0].first, kept.labels[0].first);
        assert!(!next.resume(kept.clone(), clocks.time()), "once");
    }
    let mut tomorrow = Clocks::at("2026-11-29T08:00:00");
    let mut next = DayTracker::new(tomorrow.time());
    assert!(!next.resume(kept, tomorrow.pass(1)), "another date");
    assert!(next.day().labels.is_empty());
}

#[test]
fn labels_that_do_not_exclude_each_other_are_counted_each_for_itself() {
    let possible = ["cat", "dog"];
    let mut clocks = Clocks::at("2026-11-28T23:59:00");
    let mut tracker = DayTracker::new(clocks.time());
    tracker.observe(&several(&["dog"], &possible), clocks.time());
    tracker.observe(&several(&["cat", "dog"], &possible), clocks.pass(10));
    tracker.observe(&several(&["dog", "cat"], &possible), clocks.pass(10));
    tracker.observe(&several(&["cat"], &possible), clocks.pass(10));
    tracker.observe(&blind(), clocks.pass(5));
    tracker.observe(&several(&["dog", "cat"], &possible), clocks.pass(5));
    assert_eq!(counts(tracker.day()), [("dog", 2, 30), ("cat", 1, 25)]);
    tracker.advance(clocks.pass(30));
    assert_eq!(counts(tracker.day()), [("dog", 1, 10), ("cat", 1, 10)], "both go on at midnight");
    // Another run goes on with both.
    let kept = tracker.day().clone();
    let mut next = DayTracker::new(clocks.time());
    next.observe(&several(&["cat", "dog"], &possible), clocks.time());
    assert!(next.resume(kept, clocks.pass(7)));
    assert_eq!(counts(next.day()), [("dog", 1, 17), ("cat", 1, 17)]);
}

#[test]
fn labels_beyond_the_bound_are_counted_together() {
    let mut clocks = Clocks::at("2026-11-28T12:00:00");
    let mut tracker = DayTracker::new(clocks.time());
    for number in 0..MAX_LABELS + 10 {
        tracker.observe(&stable(Some(&format!("label {number}"))), clocks.pass(1));
    }
    tracker.advance(clocks.pass(1));
    assert_eq!(tracker.day().labels.len(), MAX_LABELS);
    assert_eq!((tracker.day().others.times, tracker.day().others.held), (10, Duration::from_secs(10)));
}

proptest! {
    #[test]
    fn lengths_add_up_to_the_time_that_labels_held_whatever_the_clock_does(
        steps in proptest::collection::vec((0u64..40_000, 0u8..5, -90_000i64..90_000, any::<bool>()), 0..60),
    ) {
        let mut clocks = Clocks::at("2026-03-28T20:00:00");
        let mut tracker = DayTracker::new(clocks.time());
        let (mut held, mut labelled, mut days) = (Duration::ZERO, false, 0);
        for (seconds, label, set, is_set) in steps {
            let mut date = tracker.day().date;
            let time = clocks.pass(seconds);
            tracker.observe(&match label {
                0 => stable(None),
                1 => blind(),
                label => stable(Some(&format!("label {label}"))),
            }, time);
            held += if labelled { Duration::from_secs(seconds) } else { Duration::ZERO };
            labelled = label > 1;
            for is_set in [false, is_set] {
                if is_set {
                    tracker.advance(clocks.set(set));
                }
                days += i32::from(std::mem::replace(&mut date, tracker.day().date) != tracker.day().date);
            }
            prop_assert_eq!(tracker.day().date, clocks.time().today);
            let sum = |day: &Day| day.labels.iter().map(|label| label.held).sum::<Duration>() + day.others.held;
            let all = sum(tracker.day()) + tracker.before.as_ref().map_or(Duration::ZERO, sum);
            prop_assert!(all <= held);
            // Two dates are kept.
            prop_assert!(days > 1 || all == held, "{all:?} of {held:?}");
            prop_assert!(tracker.day().labels.iter().all(|label| label.times >= 1));
        }
    }
}
