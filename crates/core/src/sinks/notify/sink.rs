//! What the hub tells, for the rules.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{Notify, mpsc};

use super::counters::Counters;
use crate::bus::hub::Sink;
use crate::decide::notices::{Occasion, Verdict, Watch};
use crate::decide::time::Time;
use crate::domain::event::Event;
use glimpsed_base::clock::Clock;
use glimpsed_base::sync::Mutex;

/// One rule, shared by the sink, which sees the labels, and the composer, which sees the time.
pub(super) struct Watched {
    pub(super) watch: Mutex<Watch>,
    /// The time at which something is due may have changed.
    pub(super) changed: Notify,
    pub(super) occasions: mpsc::Sender<Box<Occasion>>,
    pub(super) counters: Counters,
}

impl Watched {
    #[cfg(test)]
    pub(super) fn without_a_reader(watch: Watch) -> Self {
        let (occasions, _) = mpsc::channel(1);
        Self { watch: Mutex::new(watch), changed: Notify::default(), occasions, counters: Counters::default() }
    }

    /// Passes an occasion on, or counts why it is not told.
    pub(super) fn pass(&self, verdict: Verdict) {
        match verdict {
            Verdict::TooSoon => {
                self.counters.too_soon.fetch_add(1, Ordering::Relaxed);
            }
            Verdict::Tell(occasion) => {
                if self.occasions.try_send(occasion).is_err() {
                    self.counters.lost.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

pub(super) struct NotifySink {
    pub(super) rules: Arc<[Arc<Watched>]>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Sink for NotifySink {
    fn publish(&mut self, event: &Event) {
        let time = || Time::of(&*self.clock);
        for rule in &*self.rules {
            match event {
                Event::Layout(layout) => rule.watch.lock().arrange(layout),
                Event::Heartbeat(stable) => rule.watch.lock().holds(stable, time()),
                Event::Changed { now, .. } => {
                    let verdicts = rule.watch.lock().changed(now, time());
                    verdicts.into_iter().for_each(|verdict| rule.pass(verdict));
                }
                _ => continue,
            }
            rule.changed.notify_one();
        }
    }
}
