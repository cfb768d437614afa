//! Whose turn it is: which of the views that have a frame is labelled next.
//!
//! Pure: it knows neither frames nor threads, and time is told to it.

use std::time::Duration;

/// When a view had its last turn, compared with others; the default is before all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn(u64);

/// Gives turns to views, one at a time: first to the one that has waited longest. So a view waits for at most one turn of each other
/// view, however many frames those have.
#[derive(Debug)]
pub struct Scheduler {
    last: Turn,
    /// Largest share of the time (0..1) that is spent in turns.
    max_duty: f64,
    /// When the rest after the last turn ends.
    rested: Duration,
}

impl Scheduler {
    pub fn new(max_duty: f64) -> Self {
        Self { last: Turn::default(), max_duty, rested: Duration::ZERO }
    }

    pub fn set_max_duty(&mut self, max_duty: f64) {
        self.max_duty = max_duty;
        self.rested = Duration::ZERO;
    }

    /// How long to rest before the next turn.
    pub fn rest(&self, now: Duration) -> Duration {
        self.rested.saturating_sub(now)
    }

    /// The next of these views, each with its last turn; of those that never had one, the first.
    pub fn next(&self, ready: impl Iterator<Item = (usize, Turn)>) -> Option<usize> {
        ready.min_by_key(|(index, turn)| (*turn, *index)).map(|(index, _)| index)
    }

    /// A turn has ended at `now`, after `work`. Returns it for the view to keep.
    pub fn served(&mut self, now: Duration, work: Duration) -> Turn {
        self.last.0 += 1;
        self.rested = now + work.mul_f64((1.0 / self.max_duty - 1.0).max(0.0));
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    /// A view in the simulation of a board.
    #[derive(Clone, Default)]
    struct Simulated {
        turn: Turn,
        /// Interval of its frames, and the time of the newest that it has not labelled.
        every: Duration,
        waiting: Option<Duration>,
        next: Duration,
        work: Duration,
        labelled: u32,
        /// Longest time between two labels, and the time of the last.
        longest: Duration,
        last: Duration,
    }

    /// Runs the views on one core until `end`. Newest frame wins.
    fn simulate(views: &mut [Simulated], scheduler: &mut Scheduler, end: Duration) -> Duration {
        let (mut now, mut busy) = (Duration::ZERO, Duration::ZERO);
        while now < end {
            for view in views.iter_mut().filter(|view| view.next <= now) {
                view.waiting = Some(now);
                view.next = now + view.every;
            }
            let ready = views.iter().enumerate().filter(|(_, view)| view.waiting.is_some());
            let next = scheduler.next(ready.map(|(index, view)| (index, view.turn)));
            match next.filter(|_| scheduler.rest(now).is_zero()) {
                None => now += MS,
                Some(index) => {
                    let view = &mut views[index];
                    now += view.work;
                    busy += view.work;
                    view.waiting = None;
                    view.turn = scheduler.served(now, view.work);
                    view.labelled += 1;
                    view.longest = view.longest.max(now - view.last);
                    view.last = now;
                }
            }
        }
        busy
    }

    /// Sixteen cameras at 10 frames a second with four views each, on a board that needs 40 ms for a frame: 25 times what it can do.
    #[test]
    fn with_more_work_than_time_each_view_has_its_share_and_no_label_is_older_than_two_rounds() {
        let view = Simulated { every: MS * 100, work: MS * 40, ..Simulated::default() };
        let mut views = vec![view; 64];
        let end = Duration::from_secs(600);
        simulate(&mut views, &mut Scheduler::new(1.0), end);
        let (round, share) = (MS * 40 * 64, end.as_secs_f64() / (0.040 * 64.0));
        for view in &views {
            assert!(f64::from(view.labelled) >= 0.9 * share, "{} of {share}", view.labelled);
            assert!(view.longest <= round * 2, "{:?} of a round of {round:?}", view.longest);
        }
    }

    #[test]
    fn a_view_with_few_frames_does_not_wait_for_those_with_many() {
        let busy = Simulated { every: MS, work: MS * 50, ..Simulated::default() };
        let rare = Simulated { every: MS * 10_000, work: MS * 50, ..Simulated::default() };
        let mut views = vec![busy; 7];
        views.push(rare);
        simulate(&mut views, &mut Scheduler::new(1.0), Duration::from_secs(100));
        assert_eq!(views[7].labelled, 10, "each of its frames");
        assert!(views[7].longest <= MS * 10_050 + MS * 50 * 8, "{:?}", views[7].longest);
    }

    #[test]
    fn the_duty_is_that_of_all_views_together() {
        let view = Simulated { every: MS * 10, work: MS * 7, ..Simulated::default() };
        let end = Duration::from_secs(100);
        let busy = simulate(&mut vec![view; 5], &mut Scheduler::new(0.25), end);
        let duty = busy.as_secs_f64() / end.as_secs_f64();
        assert!((0.23..=0.251).contains(&duty), "{duty}");
    }

    proptest! {
        /// Whatever is ready when: nobody who is ready is passed over twice by the same view.
        #[test]
        fn nobody_has_two_turns_while_another_waits(ready in proptest::collection::vec(0u32..256, 1..200)) {
            let mut scheduler = Scheduler::new(1.0);
            let mut turns = [Turn::default(); 8];
            // Turns of each other view since this one began to wait.
            let mut passed = [[0u32; 8]; 8];
            for mask in ready {
                let is_ready = |index: usize| mask & (1 << index) != 0;
                let waiting = (0..8).filter(|index| is_ready(*index)).map(|index| (index, turns[index]));
                let Some(next) = scheduler.next(waiting) else { continue };
                turns[next] = scheduler.served(Duration::ZERO, Duration::ZERO);
                for (index, passed) in passed.iter_mut().enumerate() {
                    if index == next || !is_ready(index) {
                        *passed = [0; 8];
                    } else {
                        passed[next] += 1;
                        prop_assert!(passed[next] <= 1, "{next} before {index}");
                    }
                }
            }
        }
    }
}
