//! Notices that most of what a view shows has become strange: the camera was moved, or what stands before it has changed.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

/// The time that one entry of the record stands for, if frames come so often.
const ENTRY: Duration = Duration::from_secs(30);

/// The record's length. With frames all the time it covers ten minutes: a visitor is shorter, and a scene that stays strange is noticed within six.
const ENTRIES: usize = 20;

/// Fewer say nothing.
const FEWEST: usize = 10;

/// It has become strange when more than this share of the record is, and is familiar again when less than the other is.
const STRANGE: f64 = 0.5;
const FAMILIAR: f64 = 0.25;

/// What one part of the record says.
#[derive(Debug, Clone, Copy)]
struct Entry {
    begun: Duration,
    at: Timestamp,
    frames: u32,
    strange: u32,
}

impl Entry {
    fn is_strange(&self) -> bool {
        2 * self.strange > self.frames
    }
}

/// The record of a view.
#[derive(Debug, Default)]
pub struct Scene {
    entries: VecDeque<Entry>,
    strange_since: Option<Timestamp>,
}

impl Scene {
    /// Notes whether a frame is strange, given the monotonic time and that of the wall. Returns since when most frames are, if that has
    /// changed.
    pub fn note(&mut self, strange: bool, now: Duration, at: Timestamp) -> Option<Option<Timestamp>> {
        match self.entries.back_mut() {
            Some(entry) if now.saturating_sub(entry.begun) < ENTRY => {
                entry.frames += 1;
                entry.strange += u32::from(strange);
                return None;
            }
            _ => {}
        }
        let before = self.strange_since;
        self.judge();
        if self.entries.len() == ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { begun: now, at, frames: 1, strange: u32::from(strange) });
        (before != self.strange_since).then_some(self.strange_since)
    }

    /// Forgets everything, because another model looks, or at another part. Returns whether that is news.
    pub fn forget(&mut self) -> bool {
        self.entries.clear();
        self.strange_since.take().is_some()
    }

    /// Judges the entries, all of which have ended.
    fn judge(&mut self) {
        let share = self.share_from(0);
        if self.strange_since.is_none() && self.entries.len() >= FEWEST && share > STRANGE {
            let first = (0..self.entries.len())
                .find(|&from| self.entries[from].is_strange() && self.share_from(from) > STRANGE);
            self.strange_since = first.map(|from| self.entries[from].at);
        } else if share < FAMILIAR {
            self.strange_since = None;
        }
    }

    /// The share of strange entries from this one on.
    fn share_from(&self, from: usize) -> f64 {
        let entries = self.entries.len() - from;
        let strange = self.entries.iter().skip(from).filter(|entry| entry.is_strange()).count();
        strange as f64 / entries.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Notes frames that come so often; returns the second of each change, with since when it is strange.
    fn changes(every: u64, frames: impl IntoIterator<Item = bool>) -> Vec<(u64, Option<u64>)> {
        let mut scene = Scene::default();
        let seconds = (0..).step_by(every as usize);
        let noted = frames.into_iter().zip(seconds).filter_map(|(strange, second): (bool, u64)| {
            let at = Timestamp::from_second(second as i64).expect("a time");
            let since = scene.note(strange, Duration::from_secs(second), at)?;
            Some((second, since.map(|since| since.as_second() as u64)))
        });
        noted.collect()
    }

    fn lasting(parts: &[(usize, bool)]) -> impl Iterator<Item = bool> {
        parts.iter().flat_map(|&(frames, strange)| std::iter::repeat_n(strange, frames))
    }

    #[test]
    fn a_camera_that_was_moved_is_noticed_within_minutes_with_the_time_and_is_familiar_again_when_it_is_moved_back() {
        let changes = changes(1, lasting(&[(3600, false), (1800, true), (1800, false)]));
        let [(noticed, Some(since)), (familiar, None)] = changes[..] else { panic!("{changes:?}") };
        assert!((3600..=3600 + 360).contains(&noticed) && (3600..3630).contains(&since), "{changes:?}");
        assert!((5400..=5400 + 540).contains(&familiar), "{changes:?}");
    }

    #[test]
    fn a_visitor_and_one_strange_frame_in_some_are_not_a_moved_camera() {
        assert_eq!(changes(1, lasting(&[(3600, false), (240, true), (3600, false)])), []);
        assert_eq!(changes(1, (0..7200).map(|frame| frame % 3 == 0)), []);
    }

    #[test]
    fn a_camera_that_is_looked_at_once_in_five_minutes_needs_as_many_looks() {
        let changes = changes(300, lasting(&[(30, false), (30, true)]));
        let [(noticed, Some(since))] = changes[..] else { panic!("{changes:?}") };
        assert!(since == 30 * 300 && noticed <= 42 * 300, "{changes:?}");
    }

    #[test]
    fn another_model_begins_anew() {
        let mut scene = Scene::default();
        let note = |scene: &mut Scene, second: u64| {
            scene.note(true, Duration::from_secs(second), Timestamp::UNIX_EPOCH).flatten()
        };
        let noticed = (0..600).find_map(|second| note(&mut scene, second));
        assert!(noticed.is_some() && scene.forget() && !scene.forget());
        assert!((600..800).all(|second| note(&mut scene, second).is_none()));
    }

    proptest! {
        #[test]
        fn changes_alternate_and_times_lie_in_the_past(frames in proptest::collection::vec(any::<bool>(), 0..200), every in 1_u64..100) {
            let mut before = None;
            for (second, since) in changes(every, frames.iter().flat_map(|&strange| std::iter::repeat_n(strange, 20))) {
                prop_assert_ne!(before.is_some(), since.is_some());
                prop_assert!(since.is_none_or(|since| since <= second));
                before = since;
            }
        }
    }
}
