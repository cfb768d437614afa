//! The outbox: a bounded queue of messages for the broker, which keeps them while there is no session.

use std::collections::VecDeque;
use std::sync::MutexGuard;

use tokio::sync::Notify;

use crate::lane::{Lane, Queued};
use crate::message::{Delivery, Message, Tally};
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

/// The largest total size of the waiting messages of a lane.
const MAX_BYTES: usize = 8 << 20;

/// The same for answers.
const MAX_ANSWER_BYTES: usize = 2 << 20;

/// How often a message is sent that the broker refuses for a passing reason. While it accepts nothing at all, that is about an
/// hour; while it accepts others, a minute.
const MAX_TRIES: u8 = 64;

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
            live: Lane::new(capacity.min(MAX_LIVE), MAX_BYTES),
            events: Lane::new(capacity, MAX_BYTES),
            answers: Lane::new(capacity.min(MAX_ANSWERS), MAX_ANSWER_BYTES),
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
    /// that no longer fit. The loss of events and answers is logged at once: the first, the second, the fourth, and so on.
    pub fn push(&self, message: Message) {
        self.change(|state| state.push(message));
        self.changed.notify_one();
    }

    /// Takes the next message to be sent. Unless it is a live one it is kept until it is acknowledged.
    pub fn take(&self) -> Option<(Ticket, Message)> {
        self.lock().take()
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
        for (what, before, after) in [("event", before.event, after.event), ("answer", before.answer, after.answer)] {
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

    fn take(&mut self) -> Option<(Ticket, Message)> {
        let latest = self.latest.iter_mut().min_by(|a, b| a.status.cmp(&b.status));
        let due = latest.and_then(|newest| match newest.status {
            Status::Again => Some((0, newest)),
            Status::Waiting(ticket) => Some((ticket, newest)),
            Status::Taken(_) | Status::Acknowledged => None,
        });
        let (live, events, answers) = (self.live.ticket(), self.events.ticket(), self.answers.ticket());
        if let Some((ticket, newest)) = due
            && ticket < live.min(events).min(answers)
        {
            // Each sending has a new ticket, so that a late acknowledgement of an earlier message of this topic does
            // not count for this one.
            self.last_ticket += 1;
            newest.status = Status::Taken(self.last_ticket);
            return Some((Ticket(self.last_ticket), newest.message.clone()));
        }
        if live < events.min(answers) {
            return self.live.pop().map(|queued| (Ticket(queued.ticket), queued.message));
        }
        let queued = if answers < events { self.answers.pop()? } else { self.events.pop()? };
        let taken = (Ticket(queued.ticket), queued.message.clone());
        self.unacknowledged.push_back(queued);
        Some(taken)
    }

    fn acknowledge(&mut self, ticket: Ticket) {
        self.unacknowledged.retain(|queued| queued.ticket != ticket.0);
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
mod tests {
    use super::*;
    use crate::message::Delivery::{Answer, Event, Latest, Live};
    use proptest::prelude::*;

    fn message(topic: &str, payload: &str, delivery: Delivery) -> Message {
        Message::new(topic, payload, delivery, delivery == Latest)
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
    fn a_flood_of_answers_displaces_no_event() {
        let outbox = Outbox::new(50);
        outbox.push(message("event", "first", Event));
        for number in 0..1000 {
            outbox.push(message("response/health", &number.to_string(), Answer));
        }
        outbox.push(message("event", "last", Event));
        assert_eq!(outbox.dropped(), Tally { answer: 1000 - MAX_ANSWERS as u64, ..Tally::default() });
        outbox.connected();
        let sent = drain(&outbox);
        assert_eq!(
            (sent.len(), &*sent[0], &*sent[1], &*sent[MAX_ANSWERS + 1]),
            (MAX_ANSWERS + 2, "first", "968", "last")
        );
        outbox.disconnected();
        assert_eq!(outbox.waiting_events(), 2);
        let kept: Vec<Vec<u8>> = outbox.take_events().into_iter().map(|message| message.payload).collect();
        assert_eq!((kept, outbox.waiting_events()), (vec![b"first".to_vec(), b"last".to_vec()], 0));
    }

    #[test]
    fn what_is_refused_for_a_passing_reason_is_sent_again_in_its_place_and_not_for_ever() {
        let outbox = Outbox::new(10);
        outbox.connected();
        for payload in ["1", "2", "3"] {
            outbox.push(message("event", payload, Event));
        }
        let tickets: Vec<Ticket> = (0..2).filter_map(|_| take(&outbox)).map(|(ticket, _)| ticket).collect();
        assert!(outbox.try_again(tickets[1], Event) && outbox.try_again(tickets[0], Event));
        assert_eq!(drain(&outbox), ["1", "2", "3"]);
        for _ in 2..MAX_TRIES {
            assert!(outbox.try_again(tickets[0], Event));
            take(&outbox);
        }
        assert!(!outbox.try_again(tickets[0], Event));
        assert_eq!((outbox.dropped().event, outbox.waiting()), (1, 2));
    }

    #[test]
    fn a_long_outage_is_logged_at_each_doubling() {
        let told = (0..1000).filter(|&count| reaches_a_power_of_two(count, count + 1)).count();
        assert_eq!(told, 10);
        assert!(!reaches_a_power_of_two(5, 5) && reaches_a_power_of_two(5, 9));
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
        assert_eq!(outbox.dropped(), Tally { live: 2, latest: 3, event: 4, answer: 0 });
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
