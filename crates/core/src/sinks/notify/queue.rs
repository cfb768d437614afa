//! The notices that wait to be sent, bounded in number and bytes over all rules.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use super::counters::Counters;
use glimpsed_base::budget;
use glimpsed_base::sync::Mutex;

/// Notices that wait, of all rules together.
const MAX_WAITING: usize = 64;

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Notice {
    pub title: String,
    pub text: String,
    /// As JSON, for a webhook.
    pub event: String,
    /// A JPEG file.
    pub picture: Option<Bytes>,
    /// The monotonic time of the occasion.
    pub at: Duration,
}

impl Notice {
    fn bytes(&self) -> usize {
        self.title.len() + self.text.len() + self.event.len() + self.picture.as_ref().map_or(0, Bytes::len)
    }
}

/// One queue for each rule, with a common bound. When that is reached, the oldest notice of the rule that takes the most makes room and is
/// counted, so that a rule whose service does not answer drives out its own.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Wakes the delivery of a rule.
    changed: Vec<Notify>,
    counters: Counters,
}

#[derive(Default)]
struct Waiting {
    /// Number of the next notice, which no other has had.
    next: u64,
    /// Each with its number and its rule.
    list: VecDeque<(u64, usize, Arc<Notice>)>,
}

impl Queue {
    pub(super) fn new(rules: usize, counters: Counters) -> Self {
        let changed = (0..rules).map(|_| Notify::new()).collect();
        Self { waiting: Mutex::default(), changed, counters }
    }

    pub(super) fn push(&self, rule: usize, notice: Arc<Notice>) {
        let mut waiting = self.waiting.lock();
        if notice.bytes() > budget::NOTICES_WAITING {
            self.counters.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let number = waiting.next;
        waiting.next += 1;
        waiting.list.push_back((number, rule, notice));
        loop {
            if waiting.list.len() > MAX_WAITING {
                waiting.make_room(|_| 1);
            } else if waiting.bytes() > budget::NOTICES_WAITING {
                waiting.make_room(Notice::bytes);
            } else {
                break;
            }
            self.counters.lost.fetch_add(1, Ordering::Relaxed);
        }
        self.count(&waiting);
        if let Some(changed) = self.changed.get(rule) {
            changed.notify_one();
        }
    }

    /// Waits for the oldest notice of a rule, which stays until it is [`Self::done`].
    pub(super) async fn next(&self, rule: usize) -> (u64, Arc<Notice>) {
        loop {
            let first = self.waiting.lock().list.iter().find(|(_, of, _)| *of == rule).cloned();
            match (first, self.changed.get(rule)) {
                (Some((number, _, notice)), _) => return (number, notice),
                (None, Some(changed)) => changed.notified().await,
                (None, None) => std::future::pending().await,
            }
        }
    }

    /// Whether a notice has not made room for others.
    pub(super) fn has(&self, number: u64) -> bool {
        self.waiting.lock().list.iter().any(|(known, ..)| *known == number)
    }

    pub(super) fn done(&self, number: u64) {
        let mut waiting = self.waiting.lock();
        waiting.list.retain(|(known, ..)| *known != number);
        self.count(&waiting);
    }

    /// Takes everything out, with the rule of each.
    pub(super) fn drain(&self) -> Vec<(usize, Arc<Notice>)> {
        let mut waiting = self.waiting.lock();
        let all = waiting.list.drain(..).map(|(_, rule, notice)| (rule, notice)).collect();
        self.count(&waiting);
        all
    }

    fn count(&self, waiting: &Waiting) {
        self.counters.waiting.store(waiting.list.len() as u64, Ordering::Relaxed);
    }
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.list.iter().map(|(.., notice)| notice.bytes()).sum()
    }

    /// Removes the oldest notice of the rule whose notices weigh the most.
    fn make_room(&mut self, weight: impl Fn(&Notice) -> usize) {
        let of_rule = |rule: usize| -> usize {
            self.list.iter().filter(|(_, of, _)| *of == rule).map(|(.., notice)| weight(notice)).sum()
        };
        let heaviest = self.list.iter().map(|(_, rule, _)| *rule).max_by_key(|rule| of_rule(*rule));
        if let Some(index) = self.list.iter().position(|(_, rule, _)| Some(*rule) == heaviest) {
            self.list.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(text: &str, picture: usize) -> Arc<Notice> {
        let picture = (picture > 0).then(|| vec![0; picture].into());
        Arc::new(Notice { title: String::new(), text: text.into(), event: String::new(), picture, at: Duration::ZERO })
    }

    fn count(counter: &std::sync::atomic::AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    #[test]
    fn a_rule_that_tells_much_drives_out_its_own_notices_alone() {
        let counters = Counters::default();
        let queue = Queue::new(3, counters.clone());
        queue.push(1, notice("rare", 0));
        queue.push(2, notice("large", budget::NOTICES_WAITING / 2));
        for _ in 0..3 * MAX_WAITING {
            queue.push(0, notice("often", 0));
        }
        queue.push(2, notice("larger", budget::NOTICES_WAITING - 1000));
        let all = queue.drain();
        assert_eq!(all.len(), MAX_WAITING - 1, "the first large one made room for the second");
        let left = |wanted: &str| all.iter().filter(|(_, notice)| notice.text == wanted).count();
        assert_eq!((left("rare"), left("large"), left("larger")), (1, 0, 1));
        assert_eq!(count(&counters.lost), 2 * MAX_WAITING as u64 + 4);
    }

    #[tokio::test]
    async fn each_rule_gets_its_own_in_order_and_keeps_one_until_it_is_done() {
        let queue = Queue::new(2, Counters::default());
        for (rule, text) in [(1, "a"), (0, "b"), (1, "c")] {
            queue.push(rule, notice(text, 0));
        }
        let (number, first) = queue.next(1).await;
        assert_eq!((first.text.as_str(), queue.next(1).await.1.text.as_str()), ("a", "a"));
        queue.done(number);
        assert_eq!((queue.next(1).await.1.text.as_str(), queue.next(0).await.1.text.as_str()), ("c", "b"));
    }

    #[tokio::test]
    async fn the_oldest_makes_room_and_is_counted() {
        let counters = Counters::default();
        let queue = Queue::new(1, counters.clone());
        for number in 0..MAX_WAITING + 3 {
            queue.push(0, notice(&number.to_string(), 0));
        }
        assert_eq!((count(&counters.lost), count(&counters.waiting)), (3, MAX_WAITING as u64));
        assert_eq!(queue.next(0).await.1.text, "3");
        assert!(!queue.has(0) && queue.has(3));
    }

    #[test]
    fn pictures_count_and_one_that_is_too_large_for_all_is_not_kept() {
        let counters = Counters::default();
        let queue = Queue::new(1, counters.clone());
        for _ in 0..6 {
            queue.push(0, notice("", budget::NOTICES_WAITING / 4));
        }
        assert_eq!((count(&counters.waiting), count(&counters.lost)), (4, 2));
        queue.push(0, notice("", budget::NOTICES_WAITING + 1));
        assert_eq!((count(&counters.waiting), count(&counters.lost)), (4, 3));
    }
}
