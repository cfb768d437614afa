//! The rules in effect, with their tasks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::compose::{Composer, Titles};
use super::counters::Counters;
use super::deliver::deliver;
use super::queue::Queue;
use super::sink::{NotifySink, Watched};
use super::told_today::ToldToday;
use crate::bus::hub::Hub;
use crate::config::typed::{Config, Notify};
use crate::decide::notices::Watch;
use crate::pipeline::orders::Orders;
use glimpsed_base::clock::Clock;
use glimpsed_base::sync::Mutex;

/// The sink's name in the hub.
const NAME: &str = "notify";

/// Occasions of one rule that wait for words and a picture.
const MAX_OCCASIONS: usize = 8;

/// Watches and tells, until it is dropped.
pub struct Notices {
    rules: Vec<(Notify, Arc<Watched>)>,
    queue: Arc<Queue>,
    counters: Counters,
    tasks: Vec<JoinHandle<()>>,
    hub: Hub,
}

impl Drop for Notices {
    fn drop(&mut self) {
        self.end();
        let lost = self.queue.drain().len();
        if lost > 0 {
            self.counters.lost.fetch_add(lost as u64, Ordering::Relaxed);
            tracing::warn!(lost, "notices were not sent any more");
        }
    }
}

impl Notices {
    /// Follows the rules of a configuration. With `before` it goes on where that was: what waits for somebody who is still told is sent, and
    /// what was told lately is not told again. Must be called within the asynchronous runtime.
    pub fn start(
        config: &Config,
        hub: &Hub,
        orders: &Orders,
        clock: &Arc<dyn Clock>,
        counters: &Counters,
        before: Option<Self>,
    ) -> Option<Self> {
        let former = before.map(Self::into_rules);
        counters.begin(config.notices.len());
        let queue = Arc::new(Queue::new(config.notices.len(), counters.clone()));
        let told_today = ToldToday::of_device(&config.device.id);
        let is_start = former.is_none();
        let (mut known, waiting) = former.unwrap_or_default();
        let mut watches: Vec<Watch> = config.notices.iter().map(|rule| watch_for(rule, &mut known)).collect();
        if is_start {
            told_today.resume(watches.iter_mut());
        }
        let mut composed = Vec::new();
        let watched = watches.into_iter().map(|watch| {
            let (occasions, receiver) = mpsc::channel(MAX_OCCASIONS);
            composed.push(receiver);
            let (watch, counters) = (Mutex::new(watch), counters.clone());
            Arc::new(Watched { watch, changed: Default::default(), occasions, counters })
        });
        let watched: Arc<[Arc<Watched>]> = watched.collect();
        let mut tasks = Vec::new();
        for (number, (rule, composed)) in config.notices.iter().zip(composed).enumerate() {
            let composer = Composer {
                rule: rule.clone(),
                number,
                titles: Titles::of(config),
                watched: watched[number].clone(),
                queue: queue.clone(),
                orders: orders.clone(),
                clock: clock.clone(),
                told_today: told_today.clone(),
                rules: watched.clone(),
            };
            tasks.push(tokio::spawn(composer.run(composed)));
            let delivery = deliver(queue.clone(), number, rule.clone(), clock.clone(), counters.clone());
            tasks.push(tokio::spawn(delivery));
        }
        for (to, notice) in waiting {
            match config.notices.iter().position(|rule| rule.to == to) {
                Some(rule) => queue.push(rule, notice),
                None => drop(counters.lost.fetch_add(1, Ordering::Relaxed)),
            }
        }
        if watched.is_empty() {
            return None;
        }
        let rules = config.notices.iter().cloned().zip(watched.iter().cloned()).collect();
        hub.attach(NAME, Box::new(NotifySink { rules: watched, clock: clock.clone() }));
        Some(Self { rules, queue, counters: counters.clone(), tasks, hub: hub.clone() })
    }

    fn end(&mut self) {
        self.hub.detach(NAME);
        self.tasks.drain(..).for_each(|task| task.abort());
    }

    /// Ends it; what it knows of each rule, and what waits for whom.
    fn into_rules(mut self) -> Former {
        self.end();
        let waiting = self.queue.drain().into_iter();
        let waiting = waiting.filter_map(|(rule, notice)| Some((self.rules.get(rule)?.0.to.clone(), notice))).collect();
        let watches = self.rules.drain(..).map(|(rule, watched)| {
            let fresh = Watch::new(rule.rule.clone());
            (rule, std::mem::replace(&mut *watched.watch.lock(), fresh))
        });
        (watches.collect(), waiting)
    }
}

/// The watch of a rule: where one of `known` was that had the same rule or tells the same people, it goes on there.
fn watch_for(rule: &Notify, known: &mut Vec<(Notify, Watch)>) -> Watch {
    let earlier = known.iter().position(|(known, _)| known.rule == rule.rule);
    let earlier = earlier.or_else(|| known.iter().position(|(known, _)| known.to == rule.to));
    match earlier {
        Some(index) => Watch::after(rule.rule.clone(), known.remove(index).1),
        None => Watch::new(rule.rule.clone()),
    }
}

/// The rules with what they have seen, and the notices with their recipients.
type Former = (Vec<(Notify, Watch)>, Vec<(crate::config::typed::Recipient, Arc<super::queue::Notice>)>);
