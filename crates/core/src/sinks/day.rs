//! What each view has shown today, published when it changes and each minute.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use crate::bus::hub::{Hub, Sink};
use crate::decide::day::DayTracker;
use crate::decide::time::Time;
use crate::domain::day::{Day, ViewDay};
use crate::domain::event::Event;
use crate::domain::layout::Layout;
use crate::domain::name::Name;
use glimpsed_base::clock::Clock;
use glimpsed_base::sync::Mutex;

/// The sink's name in the hub.
const NAME: &str = "day";

/// Shortest time between two publications.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// How long a label holds is published this often; a restart loses no more.
const EVERY: Duration = Duration::from_secs(60);

/// The days of all views. Clones share them.
#[derive(Clone)]
pub struct Days {
    views: Arc<Mutex<Vec<OfView>>>,
    changed: Arc<Notify>,
    clock: Arc<dyn Clock>,
    hub: Hub,
}

struct OfView {
    view: Name,
    tracker: DayTracker,
    /// Something has changed that is not published yet.
    is_new: bool,
}

impl Days {
    /// Follows the labels, from now until the end of the process.
    pub fn new(hub: &Hub, clock: &Arc<dyn Clock>) -> Self {
        let days = Self { views: Arc::default(), changed: Arc::default(), clock: clock.clone(), hub: hub.clone() };
        hub.attach(NAME, Box::new(days.clone()));
        days
    }

    /// Publishes them in a task that ends with its runtime, which must be the caller's.
    pub fn publish(&self) {
        self.publish_every(EVERY, SHORTEST_INTERVAL);
    }

    fn publish_every(&self, every: Duration, shortest: Duration) {
        let days = self.clone();
        tokio::spawn(async move {
            let next = || Instant::now() + days.until_next(every);
            // What holds is told in time, however often something else changes meanwhile.
            let mut due = next();
            loop {
                // The clock may have been set, so that midnight is sooner.
                due = due.min(next());
                tokio::select! {
                    () = days.changed.notified() => days.tell(false),
                    () = sleep_until(due) => {
                        days.tell(true);
                        due = next();
                    }
                }
                sleep(shortest).await;
            }
        });
    }

    /// Publishes what is new, or everything that goes on.
    pub fn tell(&self, goes_on: bool) {
        let time = Time::of(&*self.clock);
        let mut told = Vec::new();
        for one in self.views.lock().iter_mut() {
            let date = one.tracker.day().date;
            one.tracker.advance(time);
            let day = one.tracker.day();
            if std::mem::take(&mut one.is_new) || day.date != date || (goes_on && !day.holds.is_empty()) {
                told.push(Event::Day(Arc::new(ViewDay { view: one.view.clone(), day: day.clone() })));
            }
        }
        // Not while the lock is held, which the hub takes the other way round.
        told.iter().for_each(|event| self.hub.publish(event));
    }

    /// Adds what an earlier process has published of a view.
    pub fn resume(&self, view: &Name, earlier: Day) {
        let time = Time::of(&*self.clock);
        let mut views = self.views.lock();
        let Some(one) = views.iter_mut().find(|one| one.view == *view) else { return };
        let (date, labels) = (earlier.date, earlier.labels.len());
        if one.tracker.resume(earlier, time) {
            one.is_new = true;
            tracing::info!(%date, labels, view = view.given(), "the day goes on where the last run of glimpsed was");
            self.changed.notify_one();
        }
    }

    /// `every`, or until midnight.
    fn until_next(&self, every: Duration) -> Duration {
        let time = Time::of(&*self.clock);
        let day = Duration::from_secs(86_400);
        let midnight = day.saturating_sub(time.since_midnight());
        if midnight.is_zero() { every } else { every.min(midnight + Duration::from_millis(50)) }
    }

    fn arrange(&self, layout: &Layout) {
        let mut views = self.views.lock();
        let mut known = std::mem::take(&mut *views);
        for entry in &layout.views {
            let one = known.iter().position(|one| one.view == entry.name).map(|index| known.swap_remove(index));
            views.push(one.unwrap_or_else(|| OfView {
                view: entry.name.clone(),
                tracker: DayTracker::of(&*self.clock),
                is_new: true,
            }));
        }
    }
}

impl Sink for Days {
    fn publish(&mut self, event: &Event) {
        let stable = match event {
            Event::Layout(layout) => {
                self.arrange(layout);
                return self.changed.notify_one();
            }
            Event::Changed { now, .. } | Event::Heartbeat(now) => now,
            _ => return,
        };
        let mut views = self.views.lock();
        let Some(one) = views.iter_mut().find(|one| one.view == stable.frame.view) else { return };
        one.tracker.observe(stable, Time::of(&*self.clock));
        if matches!(event, Event::Changed { .. }) {
            one.is_new = true;
            self.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::hub::tests_support::{Told, hub_with};
    use crate::domain::classification::tests_support::stable;
    use crate::domain::framing::Region;
    use crate::domain::layout::ViewEntry;
    use glimpsed_base::clock::ManualClock;

    fn layout() -> Event {
        let view = ViewEntry { name: Name::ONLY, title: String::new(), camera: Name::ONLY, region: Region::default() };
        Event::Layout(Arc::new(Layout { cameras: vec![Name::ONLY], views: vec![view] }))
    }

    fn told(told: &Told) -> Vec<Arc<ViewDay>> {
        let day = |event| match event {
            Event::Day(day) => Some(day),
            _ => None,
        };
        told.events().into_iter().filter_map(day).collect()
    }

    #[test]
    fn a_day_is_told_when_it_changes_and_while_a_label_holds() {
        let (sink, clock) = (Told::default(), ManualClock::default());
        let hub = hub_with(&sink);
        let days = Days::new(&hub, &(Arc::new(clock.clone()) as Arc<dyn Clock>));
        hub.publish(&layout());
        days.tell(false);
        assert_eq!(told(&sink).len(), 1, "an empty one");
        days.tell(true);
        assert_eq!(told(&sink).len(), 1, "nothing holds");
        hub.publish(&Event::Changed { now: stable(Some("open")), before: None });
        days.tell(false);
        clock.advance(Duration::from_secs(60));
        days.tell(false);
        days.tell(true);
        let all = told(&sink);
        let held: Vec<u64> = all[1..].iter().map(|told| told.day.labels[0].held.as_secs()).collect();
        assert_eq!(held, [0, 60]);
        assert_eq!(all[2].day.labels[0].times, 1);
    }

    #[tokio::test]
    async fn what_goes_on_is_told_in_time_however_lively_another_view_is() {
        let (sink, clock) = (Told::default(), ManualClock::default());
        let hub = hub_with(&sink);
        let days = Days::new(&hub, &(Arc::new(clock.clone()) as Arc<dyn Clock>));
        let entry = |name: &str| ViewEntry {
            name: Name::new(name),
            title: String::new(),
            camera: Name::ONLY,
            region: Region::default(),
        };
        let views = vec![entry("calm"), entry("lively")];
        hub.publish(&Event::Layout(Arc::new(Layout { cameras: vec![Name::ONLY], views })));
        let change = |view: &str, label: &str| {
            let mut now = stable(Some(label));
            now.frame.view = Name::new(view);
            hub.publish(&Event::Changed { now, before: None });
        };
        change("calm", "open");
        let milliseconds = Duration::from_millis;
        days.publish_every(milliseconds(50), milliseconds(1));
        for round in 0..100 {
            change("lively", if round % 2 == 0 { "cat" } else { "dog" });
            clock.advance(Duration::from_secs(1));
            sleep(milliseconds(5)).await;
        }
        let held = told(&sink)
            .into_iter()
            .rev()
            .find(|told| told.view == Name::new("calm"))
            .map(|told| told.day.labels[0].held);
        assert!(held >= Some(Duration::from_secs(50)), "{held:?} of 100 s");
    }

    #[test]
    fn what_another_process_has_seen_is_added_once() {
        let (sink, clock) = (Told::default(), ManualClock::default());
        let hub = hub_with(&sink);
        let days = Days::new(&hub, &(Arc::new(clock) as Arc<dyn Clock>));
        hub.publish(&layout());
        hub.publish(&Event::Changed { now: stable(Some("open")), before: None });
        days.tell(false);
        let earlier = told(&sink).last().expect("told").day.clone();
        let mut earlier = Day { holds: Vec::new(), ..earlier };
        earlier.labels[0].times = 6;
        days.resume(&Name::ONLY, earlier.clone());
        days.resume(&Name::ONLY, earlier.clone());
        days.resume(&Name::new("none"), earlier);
        days.tell(false);
        assert_eq!(told(&sink).last().expect("told").day.labels[0].times, 7);
    }
}
