//! The outbox: a bounded queue of messages for the broker, which keeps them while there is no session.

use std::collections::VecDeque;
use std::sync::MutexGuard;

use tokio::sync::Notify;

use crate::lane::{Lane, Queued};
use crate::message::{Delivery, Message, Tally};
use glimpsed_base::budget;
use glimpsed_base::sync::Mutex;

/// The largest message, topic and payload together; with its header it fits into a packet of
/// [`crate::message::MAX_PACKET_BYTES`].
pub(crate) const MAX_MESSAGE_BYTES: usize = crate::message::MAX_PACKET_BYTES - 4096;

/// The largest number of topics with a latest message. The daemon has a dozen.
const MAX_TOPICS: usize = 256;

/// The queue capacity for live messages; older ones are out of date.
const MAX_LIVE: usize = 64;

/// The queue capacity for answers; a requester that asks for more than these at once can ask again.
const MAX_ANSWERS: usize = 32;

/// How often a message is sent that the broker refuses for a passing reason. While it accepts nothing on its topic, that is about an
/// hour.
const MAX_TRIES: u8 = 64;

/// The tickets below are those of events from before the start.
const FIRST_TICKET: u64 = 1 << 32;

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
    answers: Lane,
    /// Events and answers that were taken and are not acknowledged yet, oldest first.
    unacknowledged: VecDeque<Queued>,
    connected: bool,
    dropped: Tally,
    last_ticket: u64,
    /// That of an event from before the start.
    last_earlier_ticket: u64,
}

#[derive(Debug)]
struct Newest {
    message: Message,
    status: Status,
    tries: u8,
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

impl Outbox {
    /// An empty outbox. `capacity` is the queue capacity for events; all waiting events together also have at most 8
    /// MiB.
    pub fn new(capacity: usize) -> Self {
        let state = State {
            latest: Vec::new(),
            live: Lane::new(capacity.min(MAX_LIVE), budget::MQTT_WAITING),
            events: Lane::new(capacity, budget::MQTT_WAITING),
            answers: Lane::new(capacity.min(MAX_ANSWERS), budget::MQTT_ANSWERS),
            unacknowledged: VecDeque::new(),
            connected: false,
            dropped: Tally::default(),
            last_ticket: FIRST_TICKET,
            last_earlier_ticket: 0,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Changes the queue capacity for events. If more are waiting, the oldest are dropped with the next push.
    pub fn set_capacity(&self, capacity: usize) {
        self.lock().events.capacity = capacity;
    }

    /// Queues a message, without waiting. It is dropped and counted if it is too large, if it is [`Delivery::Live`]
    /// while there is no session, or if it is [`Delivery::Latest`] of a topic beyond 256 or, with those of other topics, larger
    /// than 8 MiB; so are the oldest messages that no longer fit. The loss of all but live ones is logged at once: the first, the second, the fourth, and so on.
    pub fn push(&self, message: Message) {
        self.change(|state| state.push(message));
        self.changed.notify_one();
    }

    /// Queues events from before the start, oldest first, in front of all others.
    pub fn push_earlier(&self, events: impl IntoIterator<Item = Message>) {
        self.change(|state| events.into_iter().for_each(|event| state.push_earlier(event)));
        self.changed.notify_one();
    }

    /// Takes the next message to be sent. Unless it is a live one it is kept until it is acknowledged.
    pub fn take(&self) -> Option<(Ticket, Message)> {
        self.take_unless(|_| false)
    }

    /// As [`Outbox::take`], but for messages on topics that wait.
    pub(crate) fn take_unless(&self, waits: impl Fn(&str) -> bool) -> Option<(Ticket, Message)> {
        self.lock().take(waits)
    }

    /// Removes a message that the broker has acknowledged. An unknown ticket (of an earlier session, or of a message
    /// that a newer one has replaced) is ignored.
    pub fn acknowledge(&self, ticket: Ticket) {
        self.lock().acknowledge(ticket);
    }

    /// Drops and counts a message that the broker does not accept, now or later.
    pub fn reject(&self, ticket: Ticket, delivery: Delivery) {
        let mut state = self.lock();
        state.dropped.count(delivery);
        state.acknowledge(ticket);
    }

    /// A message that the broker has refused for a reason that passes is to be sent again, in its old place. False when it was
    /// refused so often that it is dropped and counted.
    pub fn try_again(&self, ticket: Ticket, delivery: Delivery) -> bool {
        let kept = self.lock().try_again(ticket);
        if !kept {
            self.reject(ticket, delivery);
        }
        kept
    }

    /// A session has begun: the latest message of every topic is sent first, oldest topic first, because the broker may
    /// have lost it; then the events.
    pub fn connected(&self) {
        self.change(|state| {
            state.connected = true;
            state.put_back();
            for newest in &mut state.latest {
                newest.status = Status::Again;
            }
        });
        self.changed.notify_one();
    }

    /// Sends the latest message of every topic again, for a subscriber that has lost its state.
    pub fn repeat(&self) {
        for newest in &mut self.lock().latest {
            newest.status = Status::Again;
        }
        self.changed.notify_one();
    }

    /// Sends the latest message of one topic again.
    pub fn repeat_one(&self, topic: &str) {
        for newest in self.lock().latest.iter_mut().filter(|newest| newest.message.topic == topic) {
            newest.status = Status::Again;
        }
        self.changed.notify_one();
    }

    /// The session has ended: unacknowledged messages wait again, in their old places; live ones are dropped.
    pub fn disconnected(&self) {
        self.change(|state| {
            state.connected = false;
            while state.live.pop().is_some() {
                state.dropped.live += 1;
            }
            state.put_back();
        });
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
        let queued = state.live.len() + state.events.len() + state.answers.len();
        latest + queued + state.unacknowledged.len()
    }

    /// Counts events as dropped that were lost outside of the queue.
    pub fn count_lost_events(&self, lost: u64) {
        self.lock().dropped.event += lost;
    }

    /// How many events wait to be sent or acknowledged.
    pub fn waiting_events(&self) -> usize {
        let state = self.lock();
        let taken = state.unacknowledged.iter().filter(|queued| queued.message.delivery == Delivery::Event).count();
        state.events.len() + taken
    }

    /// Takes every event out that waits to be sent or acknowledged, oldest first, for one who keeps them over a restart.
    pub fn take_events(&self) -> Vec<Message> {
        let mut state = self.lock();
        state.put_back();
        std::iter::from_fn(|| state.events.pop()).map(|queued| queued.message).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Changes the state, and logs the events and answers that were dropped meanwhile.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let (before, after) = {
            let mut state = self.lock();
            let before = state.dropped;
            change(&mut state);
            (before, state.dropped)
        };
        for (what, before, after) in [
            ("event", before.event, after.event),
            ("answer", before.answer, after.answer),
            ("latest message of a topic", before.latest, after.latest),
        ] {
            if reaches_a_power_of_two(before, after) {
                tracing::warn!(
                    what,
                    dropped_in_total = after,
                    "a message for the broker was dropped: the queue is full, or it is too large"
                );
            }
        }
    }
}

/// Whether a count that grows from `before` to `after` passes 1, 2, 4, and so on: it is logged then, so that a long outage does
/// not fill the journal.
fn reaches_a_power_of_two(before: u64, after: u64) -> bool {
    after > before && before.checked_ilog2() != after.checked_ilog2()
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
                self.live.push_back(Queued::new(ticket, message));
                self.dropped.live += self.live.trim();
            }
            Delivery::Event => {
                self.events.push_back(Queued::new(ticket, message));
                self.dropped.event += self.events.trim();
            }
            Delivery::Answer => {
                self.answers.push_back(Queued::new(ticket, message));
                self.dropped.answer += self.answers.trim();
            }
            Delivery::Latest => {
                let others = self.latest.iter().filter(|newest| newest.message.topic != message.topic);
                let bytes: usize = others.map(|newest| newest.message.size()).sum();
                if bytes + message.size() > budget::MQTT_WAITING {
                    return self.dropped.count(message.delivery);
                }
                let full = self.latest.len() >= MAX_TOPICS;
                let tries = 0;
                match self.latest.iter_mut().find(|newest| newest.message.topic == message.topic) {
                    // It keeps its place at the beginning of the session.
                    Some(newest) if newest.status == Status::Again => (newest.message, newest.tries) = (message, tries),
                    Some(newest) => *newest = Newest { message, status: Status::Waiting(ticket), tries },
                    None if full => self.dropped.latest += 1,
                    None => self.latest.push(Newest { message, status: Status::Waiting(ticket), tries }),
                }
            }
        }
    }

    fn push_earlier(&mut self, event: Message) {
        if event.size() > MAX_MESSAGE_BYTES {
            return self.dropped.count(event.delivery);
        }
        self.last_earlier_ticket += 1;
        self.events.insert(Queued::new(self.last_earlier_ticket, event));
        self.dropped.event += self.events.trim();
    }

    fn take(&mut self, waits: impl Fn(&str) -> bool) -> Option<(Ticket, Message)> {
        let free = self.latest.iter_mut().filter(|newest| !waits(&newest.message.topic));
        let latest = free.min_by(|a, b| a.status.cmp(&b.status));
        let due = latest.and_then(|newest| match newest.status {
            Status::Again => Some((0, newest)),
            Status::Waiting(ticket) => Some((ticket, newest)),
            Status::Taken(_) | Status::Acknowledged => None,
        });
        let [live, events, answers] = [&self.live, &self.events, &self.answers].map(|lane| lane.first(&waits));
        if let Some((ticket, newest)) = due
            && ticket < live.ticket.min(events.ticket).min(answers.ticket)
        {
            // Each sending has a new ticket, so that a late acknowledgement of an earlier message of this topic does
            // not count for this one.
            self.last_ticket += 1;
            newest.status = Status::Taken(self.last_ticket);
            return Some((Ticket(self.last_ticket), newest.message.clone()));
        }
        if live.ticket < events.ticket.min(answers.ticket) {
            return self.live.take(live).map(|queued| (Ticket(queued.ticket), queued.message));
        }
        let from_answers = answers.ticket < events.ticket;
        let queued = if from_answers { self.answers.take(answers)? } else { self.events.take(events)? };
        let taken = (Ticket(queued.ticket), queued.message.clone());
        self.unacknowledged.push_back(queued);
        Some(taken)
    }

    fn acknowledge(&mut self, ticket: Ticket) {
        self.unacknowledged.retain(|queued| queued.ticket != ticket.0);
        // The removal of a retained message is done when it is done: Home Assistant warns of a second one.
        let is_done = |newest: &Newest| {
            newest.status == Status::Taken(ticket.0) && newest.message.retain && newest.message.payload.is_empty()
        };
        self.latest.retain(|newest| !is_done(newest));
        for newest in &mut self.latest {
            if newest.status == Status::Taken(ticket.0) {
                newest.status = Status::Acknowledged;
            }
        }
    }

    /// False when the message has had its tries.
    fn try_again(&mut self, Ticket(ticket): Ticket) -> bool {
        if let Some(place) = self.unacknowledged.iter().position(|queued| queued.ticket == ticket)
            && let Some(queued) = self.unacknowledged.get_mut(place)
        {
            queued.tries += 1;
            if queued.tries >= MAX_TRIES {
                return false;
            }
            if let Some(queued) = self.unacknowledged.remove(place) {
                self.lane_of(queued.message.delivery).insert(queued);
            }
        } else if let Some(newest) = self.latest.iter_mut().find(|newest| newest.status == Status::Taken(ticket)) {
            newest.tries += 1;
            if newest.tries >= MAX_TRIES {
                return false;
            }
            newest.status = Status::Waiting(ticket);
        }
        true
    }

    fn lane_of(&mut self, delivery: Delivery) -> &mut Lane {
        match delivery {
            Delivery::Answer => &mut self.answers,
            _ => &mut self.events,
        }
    }

    /// Puts unacknowledged messages back into the queues, before later ones.
    fn put_back(&mut self) {
        while let Some(queued) = self.unacknowledged.pop_back() {
            self.lane_of(queued.message.delivery).insert(queued);
        }
        self.dropped.event += self.events.trim();
        self.dropped.answer += self.answers.trim();
        for newest in &mut self.latest {
            if let Status::Taken(ticket) = newest.status {
                newest.status = Status::Waiting(ticket);
            }
        }
    }
}

#[cfg(test)]
mod tests;
