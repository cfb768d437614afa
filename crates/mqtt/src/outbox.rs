//! The outbox: a bounded queue of messages for the broker, which keeps them while there is no session.

use std::collections::VecDeque;
use std::sync::MutexGuard;

use tokio::sync::Notify;

use crate::message::{Delivery, Message, Tally};
use glimpsed_base::sync::Mutex;

/// The largest message, topic and payload together; with its header it fits into a packet of
/// [`crate::message::MAX_PACKET_BYTES`].
pub(crate) const MAX_MESSAGE_BYTES: usize = crate::message::MAX_PACKET_BYTES - 4096;

/// The largest number of topics with a latest message. The daemon has a dozen.
const MAX_TOPICS: usize = 256;

/// The queue capacity for live messages; older ones are out of date.
const MAX_LIVE: usize = 64;

/// The largest total size of the waiting messages of a lane.
const MAX_BYTES: usize = 8 << 20;

/// The queue between the publishing threads, which never wait, and the connection.
///
/// A message that the connection has taken stays here until it is acknowledged, so that it is sent again after a loss.
/// The exception is [`Delivery::Live`].
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    changed: Notify,
}

/// The handle of a taken message, for its acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

#[derive(Debug)]
struct State {
    /// The latest message of each topic, in the order in which the topics first occurred. Each session begins in this
    /// order.
    latest: Vec<Newest>,
    live: Lane,
    events: Lane,
    /// Events that were taken and are not acknowledged yet, oldest first.
    unacknowledged: VecDeque<Queued>,
    connected: bool,
    dropped: Tally,
    last_ticket: u64,
}

#[derive(Debug)]
struct Newest {
    message: Message,
    status: Status,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    /// To be sent before everything else, because a session has begun.
    Again,
    /// To be sent, in the order of these tickets.
    Waiting(u64),
    Taken(u64),
    Acknowledged,
}

#[derive(Debug)]
struct Queued {
    ticket: u64,
    message: Message,
}

/// A first-in, first-out queue whose drop policy is to drop the oldest messages.
#[derive(Debug)]
struct Lane {
    queue: VecDeque<Queued>,
    bytes: usize,
    capacity: usize,
}

impl Lane {
    fn new(capacity: usize) -> Self {
        Self { queue: VecDeque::new(), bytes: 0, capacity }
    }

    fn push_back(&mut self, queued: Queued) {
        self.bytes += queued.message.size();
        self.queue.push_back(queued);
    }

    fn push_front(&mut self, queued: Queued) {
        self.bytes += queued.message.size();
        self.queue.push_front(queued);
    }

    fn pop(&mut self) -> Option<Queued> {
        let queued = self.queue.pop_front()?;
        self.bytes -= queued.message.size();
        Some(queued)
    }

    /// Drops the oldest messages beyond the capacity and the size, and returns their number.
    fn trim(&mut self) -> u64 {
        let mut dropped = 0;
        while (self.queue.len() > self.capacity || self.bytes > MAX_BYTES) && self.pop().is_some() {
            dropped += 1;
        }
        dropped
    }

    /// The ticket of the next message, or the largest possible one.
    fn ticket(&self) -> u64 {
        self.queue.front().map_or(u64::MAX, |queued| queued.ticket)
    }
}

impl Message {
    /// The approximate size in memory and in a packet, in bytes.
    fn size(&self) -> usize {
        self.topic.len() + self.payload.len()
    }
}

impl Outbox {
    /// An empty outbox. `capacity` is the queue capacity for events; all waiting events together also have at most 8
    /// MiB.
    pub fn new(capacity: usize) -> Self {
        let state = State {
            latest: Vec::new(),
            live: Lane::new(capacity.min(MAX_LIVE)),
            events: Lane::new(capacity),
            unacknowledged: VecDeque::new(),
            connected: false,
            dropped: Tally::default(),
            last_ticket: 0,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Changes the queue capacity for events. If more are waiting, the oldest are dropped with the next push.
    pub fn set_capacity(&self, capacity: usize) {
        self.lock().events.capacity = capacity;
    }

    /// Queues a message, without waiting. It is dropped and counted if it is too large, if it is [`Delivery::Live`]
    /// while there is no session, or if it is [`Delivery::Latest`] of a topic beyond 256; so are the oldest messages
    /// that no longer fit.
    pub fn push(&self, message: Message) {
        self.lock().push(message);
        self.changed.notify_one();
    }

    /// Takes the next message to be sent. Unless it is a live one it is kept until it is acknowledged.
    pub fn take(&self) -> Option<(Ticket, Message)> {
        self.lock().take()
    }

    /// Removes a message that the broker has acknowledged. An unknown ticket (of an earlier session, or of a message
    /// that a newer one has replaced) is ignored.
    pub fn acknowledge(&self, ticket: Ticket) {
        let mut state = self.lock();
        state.unacknowledged.retain(|event| event.ticket != ticket.0);
        for newest in &mut state.latest {
            if newest.status == Status::Taken(ticket.0) {
                newest.status = Status::Acknowledged;
            }
        }
    }

    /// Drops and counts a message that the broker does not accept, now or later.
    pub fn reject(&self, ticket: Ticket, delivery: Delivery) {
        self.lock().dropped.count(delivery);
        self.acknowledge(ticket);
    }

    /// A session has begun: the latest message of every topic is sent first, oldest topic first, because the broker may
    /// have lost it; then the events.
    pub fn connected(&self) {
        let mut state = self.lock();
        state.connected = true;
        state.put_back();
        for newest in &mut state.latest {
            newest.status = Status::Again;
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Sends the latest message of every topic again, for a subscriber that has lost its state.
    pub fn repeat(&self) {
        for newest in &mut self.lock().latest {
            newest.status = Status::Again;
        }
        self.changed.notify_one();
    }

    /// The session has ended: unacknowledged messages wait again, in their old places; live ones are dropped.
    pub fn disconnected(&self) {
        let mut state = self.lock();
        state.connected = false;
        while state.live.pop().is_some() {
            state.dropped.live += 1;
        }
        state.put_back();
    }

    /// Resolves after a message was pushed, or when waiting messages are to be sent again.
    pub async fn wait(&self) {
        self.changed.notified().await;
    }

    /// Messages that were dropped: live ones without a session, events and live ones beyond the capacity, and those
    /// that [`Outbox::push`] or the broker did not accept.
    pub fn dropped(&self) -> Tally {
        self.lock().dropped
    }

    /// How many messages wait to be sent or acknowledged.
    pub fn waiting(&self) -> usize {
        let state = self.lock();
        let latest = state.latest.iter().filter(|newest| newest.status != Status::Acknowledged).count();
        latest + state.live.queue.len() + state.events.queue.len() + state.unacknowledged.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn push(&mut self, message: Message) {
        if message.size() > MAX_MESSAGE_BYTES {
            return self.dropped.count(message.delivery);
        }
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        match message.delivery {
            Delivery::Live if !self.connected => self.dropped.live += 1,
            Delivery::Live => {
                self.live.push_back(Queued { ticket, message });
                self.dropped.live += self.live.trim();
            }
            Delivery::Event => {
                self.events.push_back(Queued { ticket, message });
                self.dropped.event += self.events.trim();
            }
            Delivery::Latest => {
                let full = self.latest.len() >= MAX_TOPICS;
                match self.latest.iter_mut().find(|newest| newest.message.topic == message.topic) {
                    // It keeps its place at the beginning of the session.
                    Some(newest) if newest.status == Status::Again => newest.message = message,
                    Some(newest) => *newest = Newest { message, status: Status::Waiting(ticket) },
                    None if full => self.dropped.latest += 1,
                    None => self.latest.push(Newest { message, status: Status::Waiting(ticket) }),
                }
            }
        }
    }

    fn take(&mut self) -> Option<(Ticket, Message)> {
        let latest = self.latest.iter_mut().min_by(|a, b| a.status.cmp(&b.status));
        let due = latest.and_then(|newest| match newest.status {
            Status::Again => Some((0, newest)),
            Status::Waiting(ticket) => Some((ticket, newest)),
            Status::Taken(_) | Status::Acknowledged => None,
        });
        let (live, events) = (self.live.ticket(), self.events.ticket());
        if let Some((ticket, newest)) = due
            && ticket < live.min(events)
        {
            // Each sending has a new ticket, so that a late acknowledgement of an earlier message of this topic does
            // not count for this one.
            self.last_ticket += 1;
            newest.status = Status::Taken(self.last_ticket);
            return Some((Ticket(self.last_ticket), newest.message.clone()));
        }
        if live < events {
            return self.live.pop().map(|queued| (Ticket(queued.ticket), queued.message));
        }
        let queued = self.events.pop()?;
        let taken = (Ticket(queued.ticket), queued.message.clone());
        self.unacknowledged.push_back(queued);
        Some(taken)
    }

    /// Puts unacknowledged messages back into the queues, before later ones.
    fn put_back(&mut self) {
        while let Some(event) = self.unacknowledged.pop_back() {
            self.events.push_front(event);
        }
        self.dropped.event += self.events.trim();
        for newest in &mut self.latest {
            if let Status::Taken(ticket) = newest.status {
                newest.status = Status::Waiting(ticket);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Delivery::{Event, Latest, Live};
    use proptest::prelude::*;

    fn message(topic: &str, payload: &str, delivery: Delivery) -> Message {
        Message { topic: topic.into(), payload: payload.into(), delivery, retain: delivery == Latest }
    }

    fn take(outbox: &Outbox) -> Option<(Ticket, String)> {
        outbox.take().map(|(ticket, message)| (ticket, String::from_utf8(message.payload).expect("text")))
    }

    fn drain(outbox: &Outbox) -> Vec<String> {
        std::iter::from_fn(|| take(outbox)).map(|(_, payload)| payload).collect()
    }

    #[test]
    fn live_messages_are_not_kept_for_a_broker_that_is_away() {
        let outbox = Outbox::new(10);
        outbox.push(message("c", "lost", Live));
        outbox.connected();
        outbox.push(message("c", "sent", Live));
        assert_eq!(drain(&outbox), ["sent"]);
        assert_eq!(outbox.dropped().live, 1);
    }

    #[test]
    fn only_the_newest_state_waits_and_it_is_sent_again_after_a_reconnect() {
        let outbox = Outbox::new(10);
        outbox.push(message("state", "cat", Latest));
        outbox.push(message("state", "dog", Latest));
        outbox.connected();
        assert_eq!(drain(&outbox), ["dog"]);
        outbox.disconnected();
        outbox.connected();
        assert_eq!(drain(&outbox), ["dog"], "the broker may have forgotten it");
    }

    #[test]
    fn a_session_begins_with_the_topics_in_their_first_order_and_goes_on_with_the_events() {
        let outbox = Outbox::new(10);
        outbox.push(message("status", "online", Latest));
        outbox.push(message("info", "old", Latest));
        outbox.push(message("event", "1", Event));
        outbox.push(message("state", "cat", Latest));
        outbox.push(message("event", "2", Event));
        outbox.push(message("info", "new", Latest));
        outbox.connected();
        assert_eq!(drain(&outbox), ["online", "new", "cat", "1", "2"]);
    }

    #[test]
    fn in_a_session_messages_of_all_kinds_keep_their_order() {
        let outbox = Outbox::new(10);
        outbox.connected();
        outbox.push(message("state", "cat", Latest));
        outbox.push(message("event", "cat came", Event));
        outbox.push(message("c", "frame", Live));
        outbox.push(message("event", "cat went", Event));
        outbox.push(message("other", "x", Latest));
        assert_eq!(drain(&outbox), ["cat", "cat came", "frame", "cat went", "x"]);
    }

    #[test]
    fn unacknowledged_events_come_again_in_order_and_acknowledged_ones_do_not() {
        let outbox = Outbox::new(10);
        outbox.connected();
        for payload in ["1", "2", "3", "4"] {
            outbox.push(message("event", payload, Event));
        }
        let tickets: Vec<Ticket> = (0..3).filter_map(|_| take(&outbox)).map(|(ticket, _)| ticket).collect();
        outbox.acknowledge(tickets[1]);
        outbox.disconnected();
        outbox.push(message("event", "5", Event));
        outbox.connected();
        assert_eq!(drain(&outbox), ["1", "3", "4", "5"]);
    }

    #[test]
    fn an_acknowledgement_of_an_older_state_does_not_hide_the_newer_one() {
        let outbox = Outbox::new(10);
        outbox.connected();
        outbox.push(message("state", "cat", Latest));
        let (old, _) = take(&outbox).expect("the cat");
        outbox.push(message("state", "dog", Latest));
        outbox.acknowledge(old);
        assert_eq!(drain(&outbox), ["dog"]);
    }

    #[test]
    fn too_many_events_drop_the_oldest_and_never_a_state() {
        let outbox = Outbox::new(2);
        outbox.push(message("state", "cat", Latest));
        for payload in ["1", "2", "3"] {
            outbox.push(message("event", payload, Event));
        }
        assert_eq!(outbox.dropped(), Tally { event: 1, ..Tally::default() });
        outbox.connected();
        assert_eq!(drain(&outbox), ["cat", "2", "3"]);
    }

    #[test]
    fn topics_bytes_and_live_messages_are_bounded() {
        let outbox = Outbox::new(100_000);
        outbox.connected();
        for number in 0..MAX_TOPICS + 3 {
            outbox.push(message(&format!("topic{number}"), "x", Latest));
        }
        for _ in 0..MAX_LIVE + 2 {
            outbox.push(message("c", "x", Live));
        }
        let large = "x".repeat(MAX_BYTES / 10);
        for _ in 0..12 {
            outbox.push(message("event", &large, Event));
        }
        outbox.push(message("event", &"x".repeat(MAX_MESSAGE_BYTES + 1), Event));
        assert_eq!(outbox.dropped(), Tally { live: 2, latest: 3, event: 4 });
    }

    proptest! {
        /// Whatever happens between the outbox and the broker, the broker gets each event at least once and in order,
        /// except those that are counted as dropped.
        #[test]
        fn events_arrive_in_order_or_are_counted(steps in prop::collection::vec(0..10u8, 1..300), capacity in 1..20usize) {
            let outbox = Outbox::new(capacity);
            let (mut pushed, mut arrived, mut open) = (0u64, Vec::<u32>::new(), VecDeque::new());
            let deliver = |open: &mut VecDeque<Ticket>, arrived: &mut Vec<u32>| {
                let Some((ticket, payload)) = take(&outbox) else { return };
                let number = payload.parse().expect("a number");
                if !arrived.contains(&number) {
                    arrived.push(number);
                }
                open.push_back(ticket);
            };
            for step in steps {
                match step {
                    0..4 => {
                        outbox.push(message("event", &pushed.to_string(), Event));
                        pushed += 1;
                    }
                    4..7 => deliver(&mut open, &mut arrived),
                    7 | 8 => if let Some(ticket) = open.pop_front() { outbox.acknowledge(ticket) },
                    _ => {
                        outbox.disconnected();
                        open.clear();
                        outbox.connected();
                    }
                }
            }
            outbox.disconnected();
            outbox.connected();
            open.clear();
            while outbox.waiting() > open.len() {
                deliver(&mut open, &mut arrived);
            }
            prop_assert!(arrived.is_sorted(), "{arrived:?}");
            // A dropped event may have arrived without an acknowledgement.
            prop_assert!(arrived.len() as u64 + outbox.dropped().event >= pushed);
            prop_assert!(arrived.len() as u64 <= pushed);
        }
    }
}
