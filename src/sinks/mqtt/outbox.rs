//! Messages on their way to the broker: bounded, and patient while it is away.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: String,
    pub delivery: Delivery,
    pub retain: bool,
}

/// What the sender cares about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Worth something only now: not kept while the broker is away, sent once (QoS 0).
    Live,
    /// Only the newest on its topic counts: replaces an unsent one, is acknowledged (QoS 1), and is sent again after each
    /// reconnect, because the broker may have forgotten it.
    Latest,
}

/// A queue between the inference thread, which never waits, and the connection.
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    changed: Notify,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Message>,
    /// The newest of each `Latest` topic, for the next reconnect.
    latest: Vec<Message>,
    connected: bool,
    dropped: u64,
}

impl Outbox {
    pub fn new(capacity: usize) -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), capacity }
    }

    /// Never waits; when the queue is full the oldest message is dropped and counted.
    pub fn push(&self, message: Message) {
        let mut state = self.lock();
        match message.delivery {
            Delivery::Live if !state.connected => return,
            Delivery::Live => {}
            Delivery::Latest => {
                state.queue.retain(|queued| queued.topic != message.topic);
                state.latest.retain(|known| known.topic != message.topic);
                state.latest.push(message.clone());
            }
        }
        if state.queue.len() >= self.capacity {
            state.queue.pop_front();
            state.dropped += 1;
        }
        state.queue.push_back(message);
        drop(state);
        self.changed.notify_one();
    }

    /// The next message, which is then no longer in the queue.
    pub fn pop(&self) -> Option<Message> {
        self.lock().queue.pop_front()
    }

    /// Puts a message that could not be sent back in front, unless a newer one for its topic has come or it is worthless now.
    pub fn put_back(&self, message: Message) {
        let mut state = self.lock();
        let superseded = state.queue.iter().any(|queued| queued.topic == message.topic);
        if message.delivery == Delivery::Latest && !superseded {
            state.queue.push_front(message);
        }
    }

    /// Queues everything that the broker may have forgotten, oldest topic first.
    pub fn connected(&self) {
        let mut state = self.lock();
        state.connected = true;
        state.queue = state.latest.iter().cloned().collect();
        drop(state);
        self.changed.notify_one();
    }

    pub fn disconnected(&self) {
        let mut state = self.lock();
        state.connected = false;
        state.queue.retain(|message| message.delivery == Delivery::Latest);
    }

    /// Resolves after a message was pushed.
    pub async fn wait(&self) {
        self.changed.notified().await;
    }

    /// Messages that were thrown away because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, payload: &str, delivery: Delivery) -> Message {
        Message { topic: topic.into(), payload: payload.into(), delivery, retain: delivery == Delivery::Latest }
    }

    fn drain(outbox: &Outbox) -> Vec<String> {
        std::iter::from_fn(|| outbox.pop()).map(|message| message.payload).collect()
    }

    #[test]
    fn live_messages_are_not_kept_for_a_broker_that_is_away() {
        let outbox = Outbox::new(10);
        outbox.push(message("c", "lost", Delivery::Live));
        outbox.connected();
        outbox.push(message("c", "sent", Delivery::Live));
        assert_eq!(drain(&outbox), ["sent"]);
    }

    #[test]
    fn only_the_newest_state_waits_and_it_is_sent_again_after_a_reconnect() {
        let outbox = Outbox::new(10);
        outbox.push(message("state", "cat", Delivery::Latest));
        outbox.push(message("state", "dog", Delivery::Latest));
        outbox.connected();
        assert_eq!(drain(&outbox), ["dog"]);
        outbox.disconnected();
        outbox.connected();
        assert_eq!(drain(&outbox), ["dog"], "the broker may have forgotten it");
    }

    #[test]
    fn a_message_that_was_not_acknowledged_goes_back_unless_a_newer_one_waits() {
        let outbox = Outbox::new(10);
        outbox.put_back(message("state", "cat", Delivery::Latest));
        assert_eq!(drain(&outbox), ["cat"]);
        outbox.push(message("state", "dog", Delivery::Latest));
        outbox.put_back(message("state", "cat", Delivery::Latest));
        assert_eq!(drain(&outbox), ["dog"]);
    }

    #[test]
    fn a_full_queue_drops_its_oldest_and_counts_it() {
        let outbox = Outbox::new(2);
        outbox.connected();
        for payload in ["1", "2", "3"] {
            outbox.push(message("c", payload, Delivery::Live));
        }
        assert_eq!(outbox.dropped(), 1);
        assert_eq!(drain(&outbox), ["2", "3"]);
    }
}
