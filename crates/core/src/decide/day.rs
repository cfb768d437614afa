//! How often, how long, first and last: the labels of a view on a local date.
//!
//! Lengths of time are those of the monotonic clock, so a clock that is set does not change them; dates and times of day are those of
//! the wall clock.

use std::sync::Arc;
use std::time::Duration;

use super::time::Time;
use crate::domain::classification::Stable;
use crate::domain::day::{Day, DayLabel};
use glimpsed_base::clock::Clock;

/// Labels of one day that are counted one by one; those of further ones are counted together.
pub const MAX_LABELS: usize = 64;

/// Keeps the day of one view.
#[derive(Debug)]
pub struct DayTracker {
    day: Day,
    /// The date before, in case the clock is set back over midnight.
    before: Option<Day>,
    /// Up to when (monotonic) the labels that hold are counted.
    counted: Duration,
    /// The labels that held before nobody could see them for a while: if they still hold then, they have not begun anew.
    interrupted: Vec<Arc<str>>,
    /// The first labels that it saw, which were counted as beginnings. `None` once another run's day was added, which happens once.
    begun: Option<Vec<Arc<str>>>,
}

impl DayTracker {
    pub fn new(time: Time) -> Self {
        let (interrupted, begun) = (Vec::new(), Some(Vec::new()));
        Self { day: Day::new(time.today), before: None, counted: time.now, interrupted, begun }
    }

    /// As of the clock's time.
    pub fn of(clock: &dyn Clock) -> Self {
        Self::new(Time::of(clock))
    }

    pub fn day(&self) -> &Day {
        &self.day
    }

    /// Counts until now.
    pub fn advance(&mut self, time: Time) {
        let passed = time.now.saturating_sub(self.counted);
        self.counted = time.now;
        if time.today == self.day.date {
            return self.add(passed, time);
        }
        // What was before midnight belongs to the date before; a clock that was set shows no more of the new date than has passed.
        let of_today = passed.min(time.since_midnight());
        let midnight = Time { wall: time.midnight, ..time };
        self.add(passed - of_today, midnight);
        let holds = std::mem::take(&mut self.day.holds);
        let again = self.before.take().filter(|before| before.date == time.today);
        let is_back = again.is_some();
        self.before = Some(std::mem::replace(&mut self.day, again.unwrap_or_else(|| Day::new(time.today))));
        let began = time.wall.saturating_sub(jiff::SignedDuration::try_from(of_today).unwrap_or_default());
        let began = Time { wall: began.unwrap_or(time.midnight), ..time };
        holds.into_iter().for_each(|label| self.begin(label, began, !is_back));
        self.add(of_today, time);
    }

    /// What holds from now on.
    pub fn observe(&mut self, stable: &Stable, time: Time) {
        self.advance(time);
        let mut gone = std::mem::take(&mut self.day.holds);
        let mut begun = Vec::new();
        for (label, _) in stable.held() {
            match gone.iter().position(|held| held == label) {
                Some(index) => self.day.holds.push(gone.remove(index)),
                None => {
                    let is_new = !self.interrupted.contains(label);
                    begun.extend(is_new.then(|| label.clone()));
                    self.begin(label.clone(), time, is_new);
                }
            }
        }
        if stable.is_unseen() {
            self.interrupted.extend(gone);
        } else if !gone.is_empty() || !self.day.holds.is_empty() {
            self.interrupted.clear();
        }
        if let Some(first) = self.begun.as_mut().filter(|first| first.is_empty()) {
            *first = begun;
        }
    }

    /// Adds what an earlier run of the daemon has seen on this date. Only the first time; false if it is not added.
    pub fn resume(&mut self, earlier: Day, time: Time) -> bool {
        self.advance(time);
        if earlier.date != self.day.date {
            return false;
        }
        let Some(begun) = self.begun.take() else { return false };
        let mut own = std::mem::replace(&mut self.day, earlier);
        self.day.labels.truncate(MAX_LABELS);
        let goes_on = std::mem::take(&mut self.day.holds);
        // They held all the time, as far as anybody knows.
        for known in
            own.labels.iter_mut().filter(|known| begun.contains(&known.label) && goes_on.contains(&known.label))
        {
            known.times = known.times.saturating_sub(1);
        }
        if begun.is_empty() && own.holds.is_empty() {
            self.interrupted = goes_on;
        }
        for label in own.labels {
            let has_room = self.day.labels.len() < MAX_LABELS;
            match self.day.labels.iter_mut().find(|known| known.label == label.label) {
                Some(known) => {
                    known.times = known.times.saturating_add(label.times);
                    known.held = known.held.saturating_add(label.held);
                    known.first = known.first.min(label.first);
                    known.last = known.last.max(label.last);
                }
                None if has_room => self.day.labels.push(label),
                None => {
                    self.day.others.times = self.day.others.times.saturating_add(label.times);
                    self.day.others.held = self.day.others.held.saturating_add(label.held);
                }
            }
        }
        self.day.others.times = self.day.others.times.saturating_add(own.others.times);
        self.day.others.held = self.day.others.held.saturating_add(own.others.held);
        self.day.holds = own.holds;
        true
    }

    fn begin(&mut self, label: Arc<str>, time: Time, is_new: bool) {
        let (times, has_room) = (u32::from(is_new), self.day.labels.len() < MAX_LABELS);
        match self.day.labels.iter_mut().find(|known| known.label == label) {
            Some(known) => {
                known.times = known.times.saturating_add(times);
                known.last = time.wall;
            }
            None if has_room => {
                // On this date it has begun, even if it goes on from before.
                let entry = DayLabel {
                    label: label.clone(),
                    times: 1,
                    held: Duration::ZERO,
                    first: time.wall,
                    last: time.wall,
                };
                self.day.labels.push(entry);
            }
            None => self.day.others.times = self.day.others.times.saturating_add(times),
        }
        self.day.holds.push(label);
    }

    fn add(&mut self, passed: Duration, time: Time) {
        let Day { labels, others, holds, .. } = &mut self.day;
        for label in &*holds {
            match labels.iter_mut().find(|known| known.label == *label) {
                Some(known) => {
                    known.held = known.held.saturating_add(passed);
                    known.last = time.wall;
                }
                None => others.held = others.held.saturating_add(passed),
            }
        }
    }
}

#[cfg(test)]
mod tests;
