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
        let (mut watches, waiting) = former.unwrap_or_default();
        let (mut rules, mut tasks) = (Vec::new(), Vec::new());
        for (number, rule) in config.notices.iter().enumerate() {
            let earlier = watches.iter().position(|(known, _)| known.rule == rule.rule);
            let earlier = earlier.or_else(|| watches.iter().position(|(known, _)| known.to == rule.to));
            let watch = match earlier {
                Some(index) => Watch::after(rule.rule.clone(), watches.remove(index).1),
                None => Watch::new(rule.rule.clone()),
            };
            let (occasions, composed) = mpsc::channel(MAX_OCCASIONS);
            let watched = Arc::new(Watched {
                watch: Mutex::new(watch),
                changed: Default::default(),
                occasions,
                counters: counters.clone(),
            });
            let composer = Composer {
                rule: rule.clone(),
                number,
                titles: Titles::of(config),
                watched: watched.clone(),
                queue: queue.clone(),
                orders: orders.clone(),
                clock: clock.clone(),
            };
            tasks.push(tokio::spawn(composer.run(composed)));
            let delivery = deliver(queue.clone(), number, rule.to.clone(), clock.clone(), counters.clone());
            tasks.push(tokio::spawn(delivery));
            rules.push((rule.clone(), watched));
        }
        for (to, notice) in waiting {
            match config.notices.iter().position(|rule| rule.to == to) {
                Some(rule) => queue.push(rule, notice),
                None => drop(counters.lost.fetch_add(1, Ordering::Relaxed)),
            }
        }
        if rules.is_empty() {
            return None;
        }
        let watched = rules.iter().map(|(_, watched)| watched.clone()).collect();
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

/// The rules with what they have seen, and the notices with their recipients.
type Former = (Vec<(Notify, Watch)>, Vec<(crate::config::typed::Recipient, Arc<super::queue::Notice>)>);
