//! One session with the broker: it sends the messages of the outbox and delivers received ones to the inbox.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::inbox::{Inbox, Incoming};
use crate::link::Link;
use crate::loss::Loss;
use crate::message::{Delivery, Message};
use crate::monitor::Monitor;
use crate::outbox::{Outbox, Ticket};
use crate::pace::GOOD_SESSION;
use crate::refusals::Refusals;
use crate::subscriptions::{Answered, Subscriptions};
use crate::suspects::{Suspect, Suspects};
use crate::wire::{Received, Refusal, Sent, TOO_LARGE};
use glimpsed_base::budget;
use glimpsed_base::repetition::is_logged;
use glimpsed_base::shutdown::Shutdown;

/// The largest number of unacknowledged messages. One alone would cost a round trip for each message; many would mean
/// many duplicates after a loss.
const WINDOW: usize = 16;

/// The time limit for an answer; the session is lost after it.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// The time limit on shutdown for the queued messages and the goodbye. The whole shutdown has two seconds.
const FAREWELL: Duration = Duration::from_millis(750);

/// The largest number of refusals that are remembered, so that each is logged once.
const MAX_REFUSED: usize = 256;

/// A session with the broker.
pub(crate) struct Session<'a> {
    /// The network connection.
    pub link: Link,
    /// The messages to send.
    pub outbox: &'a Outbox,
    /// Takes the received messages.
    pub inbox: &'a Inbox,
    /// Counts.
    pub monitor: &'a Monitor,
    /// The keep-alive interval, as the broker has shortened it.
    pub keepalive: Duration,
    /// Messages that were sent and not acknowledged yet, oldest first.
    pub window: VecDeque<UnderWay>,
    /// Since when the broker owes an answer.
    pub owed_since: Option<Instant>,
    /// What is subscribed to, and what the broker has refused for now.
    subscriptions: Subscriptions,
    /// Topics whose messages or subscriptions the broker refused, and for what. Each is logged once a session.
    refused: BTreeSet<String>,
    /// What is known of messages that end sessions.
    pub suspects: &'a Suspects,
    /// Topics that wait, because the broker has refused a message for a reason that passes.
    refusals: Refusals,
    /// Messages that were left out, because they have ended sessions.
    left_out: u64,
    began: Instant,
}

/// A message that was sent and not acknowledged yet.
pub(crate) struct UnderWay {
    /// 0 for a message without acknowledgement, behind which a PINGREQ was sent.
    id: u16,
    ticket: Ticket,
    delivery: Delivery,
    topic: String,
    bytes: usize,
}

impl<'a> Session<'a> {
    /// A session over a connected link.
    pub(crate) fn new(
        link: Link,
        outbox: &'a Outbox,
        inbox: &'a Inbox,
        monitor: &'a Monitor,
        suspects: &'a Suspects,
        keepalive: Duration,
    ) -> Self {
        let keepalive = link
            .limits
            .keepalive_s
            .filter(|&s| s > 0)
            .map_or(keepalive, |s| keepalive.min(Duration::from_secs(s.into())));
        let (window, refused) = (VecDeque::new(), BTreeSet::new());
        let (refusals, left_out, began) = (Refusals::default(), 0, Instant::now());
        Self {
            link,
            outbox,
            inbox,
            monitor,
            keepalive,
            window,
            owed_since: None,
            subscriptions: Subscriptions::new(),
            refused,
            suspects,
            refusals,
            left_out,
            began,
        }
    }

    /// The oldest message under way.
    pub(crate) fn oldest(&self) -> Option<Suspect> {
        self.window.front().map(|oldest| Suspect { topic: oldest.topic.clone(), bytes: oldest.bytes })
    }

    /// Subscribes to what there is to subscribe to, and waits until that stands.
    pub(crate) async fn subscribe(&mut self) -> Result<(), Loss> {
        if self.inbox.subscriptions.is_empty() {
            return Ok(());
        }
        self.request(self.inbox.subscriptions.clone())?;
        while self.owed_since.is_some() {
            self.wait(false).await?;
        }
        Ok(())
    }

    fn request(&mut self, filters: Vec<String>) -> Result<(), Loss> {
        self.link.subscribe(&filters)?;
        self.subscriptions.requested(filters);
        self.owed_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Until shutdown or the session's end.
    pub(crate) async fn serve(&mut self, shutdown: &Shutdown) -> Result<(), Loss> {
        loop {
            if let Some(filters) = self.subscriptions.take_due(Instant::now()) {
                self.request(filters)?;
            }
            self.send_what_may_be_sent()?;
            tokio::select! {
                waited = self.wait(true) => waited?,
                () = shutdown.wait() => return Ok(()),
            }
        }
    }

    /// Sends what is still queued, then `goodbye`. False when there was no time for all of it.
    pub(crate) async fn say_farewell(&mut self, goodbye: Message) -> Result<bool, Loss> {
        let begun = Instant::now();
        // There is no later.
        self.refusals.clear();
        // The goodbye is sent even if the queued messages are not acknowledged in the first half of the time.
        let _ = self.deliver_until(begun + FAREWELL / 2).await?;
        self.outbox.push(goodbye);
        self.deliver_until(begun + FAREWELL).await
    }

    /// Sends messages until all are acknowledged; false if the deadline comes first.
    async fn deliver_until(&mut self, deadline: Instant) -> Result<bool, Loss> {
        loop {
            self.send_what_may_be_sent()?;
            if self.outbox.waiting() == 0 {
                return Ok(true);
            }
            tokio::select! {
                waited = self.wait(true) => waited?,
                () = sleep_until(deadline) => return Ok(false),
            }
        }
    }

    /// Whether only one message may be under way. A session that holds is not ended by what it sends.
    fn is_careful(&self) -> bool {
        self.suspects.careful() && self.began.elapsed() < GOOD_SESSION
    }

    fn has_room(&self) -> bool {
        let window = if self.is_careful() { 1 } else { WINDOW.min(self.link.limits.window.into()) };
        self.link.has_room() && self.window.len() < window
    }

    fn send_what_may_be_sent(&mut self) -> Result<(), Loss> {
        while self.has_room()
            && let Some((ticket, message)) = self.outbox.take_unless(|topic| self.refusals.waits(topic))
        {
            let (delivery, topic, bytes) = (message.delivery, message.topic.clone(), message.payload.len());
            if self.suspects.leave_out(&topic, bytes, Instant::now()) {
                self.outbox.reject(ticket, delivery);
                self.left_out += 1;
                if is_logged(self.left_out) {
                    tracing::warn!(
                        topic,
                        bytes,
                        in_this_session = self.left_out,
                        "a message is left out, because such a one has ended sessions"
                    );
                }
                continue;
            }
            match self.link.publish(message)? {
                Sent::TooLarge => {
                    self.outbox.reject(ticket, delivery);
                    if self.is_news(topic.clone()) {
                        let limit = self.link.limits.packet_bytes;
                        tracing::warn!(topic, bytes, limit, "a message is larger than the broker takes; it is dropped");
                    }
                }
                Sent::Unacknowledged => {
                    self.monitor.published(delivery);
                    self.outbox.acknowledge(ticket);
                    if self.is_careful() {
                        self.link.ping();
                        self.expect(UnderWay { id: 0, ticket, delivery, topic, bytes });
                    }
                }
                Sent::Expecting(id) => self.expect(UnderWay { id, ticket, delivery, topic, bytes }),
            }
        }
        Ok(())
    }

    fn expect(&mut self, message: UnderWay) {
        self.owed_since.get_or_insert_with(Instant::now);
        self.window.push_back(message);
    }

    /// Waits for the next packet (and handles it), for a message in the outbox if `sending`, or for a time limit: the
    /// keep-alive interval, after which a PINGREQ is sent, or that of an answer, after which the session is lost.
    async fn wait(&mut self, sending: bool) -> Result<(), Loss> {
        let ping_at = self.link.last_sent.min(self.link.last_received) + self.keepalive;
        let at = match self.owed_since {
            Some(since) => since + ANSWER_WITHIN,
            None => ping_at,
        };
        let stalls_at = self.link.stalled_since().unwrap_or_else(Instant::now) + ANSWER_WITHIN;
        let has_room = sending && self.has_room();
        let refused_until = self.refusals.next().filter(|_| has_room);
        let subscribes_at = self.subscriptions.due();
        tokio::select! {
            received = self.link.next() => {
                let attended = self.handle(received?);
                // A burst of commands arrives in one read; the task that handles them must run in between.
                tokio::task::yield_now().await;
                return attended;
            }
            () = self.outbox.wait(), if has_room => return Ok(()),
            () = sleep_until(at.min(stalls_at)) => {}
            () = sleep_until(refused_until.unwrap_or(at)), if refused_until.is_some() => {
                self.refusals.expire(Instant::now());
                return Ok(());
            }
            () = sleep_until(subscribes_at.unwrap_or(at)), if subscribes_at.is_some() => return Ok(()),
        }
        if self.link.stalled_since().is_some_and(|since| since.elapsed() >= ANSWER_WITHIN) {
            return Err(Loss::Stalled(ANSWER_WITHIN));
        }
        match self.owed_since {
            Some(since) if since.elapsed() >= ANSWER_WITHIN => Err(Loss::NoAcknowledgement(ANSWER_WITHIN)),
            None if ping_at <= Instant::now() => {
                self.link.ping();
                self.owed_since = Some(Instant::now());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn handle(&mut self, received: Received) -> Result<(), Loss> {
        match received {
            Received::Acknowledged { id, refusal } => {
                self.acknowledged(id, refusal);
                self.answered();
            }
            Received::Subscribed(refusals) => {
                self.subscribed(refusals);
                self.answered();
            }
            Received::Pong => {
                self.window.retain(|message| message.id != 0);
                self.answered();
            }
            Received::Message { id, topic, payload, retained, reply } => {
                if let Some(id) = id {
                    self.link.acknowledge(id);
                }
                let incoming = Incoming { topic, payload, retained, reply };
                let taken = incoming.size() <= budget::MQTT_RECEIVED && self.inbox.deliver(incoming);
                self.monitor.received(taken);
            }
            Received::TooLarge { id, .. } => {
                if let Some(id) = id {
                    self.link.acknowledge(id);
                }
                self.monitor.received(false);
            }
            Received::Welcome(_) | Received::Refused(_) => return Err(Loss::Malformed("a second CONNACK".into())),
        }
        Ok(())
    }

    /// The broker has answered: the time limit for its next answer, if it owes one, begins now.
    fn answered(&mut self) {
        let owes = !self.window.is_empty() || self.subscriptions.is_unanswered();
        self.owed_since = owes.then(Instant::now);
    }

    fn acknowledged(&mut self, id: u16, refusal: Option<Refusal>) {
        let Some(place) = self.window.iter().position(|message| message.id == id) else { return };
        let Some(UnderWay { ticket, delivery, topic, bytes, .. }) = self.window.remove(place) else { return };
        let Some(Refusal { reason, passes }) = refusal else {
            self.monitor.published(delivery);
            self.refusals.accepted(&topic);
            return self.outbox.acknowledge(ticket);
        };
        let wait = if passes { self.refusals.refused(&topic, Instant::now()) } else { None };
        match wait {
            Some(wait) if self.outbox.try_again(ticket, delivery) => {
                if self.is_news(topic.clone()) {
                    let retry_in_ms = wait.as_millis() as u64;
                    let news = "the broker refused a message for now; it is sent again";
                    tracing::warn!(topic, reason, retry_in_ms, "{news}");
                }
                return;
            }
            // It has had its tries.
            Some(_) => {}
            None => self.outbox.reject(ticket, delivery),
        }
        if self.is_news(format!("{topic}: {reason}")) {
            let hint = match passes {
                true => "it was sent again and again; is the broker's disk or queue full?",
                false if reason == TOO_LARGE => "the broker has a limit for the size of messages",
                false => "does the broker's ACL let this user write to it?",
            };
            tracing::warn!(topic, bytes, reason, hint, "the broker refused a message");
        }
    }

    /// Whether this refusal is to be logged.
    fn is_news(&mut self, refusal: String) -> bool {
        self.refused.len() < MAX_REFUSED && self.refused.insert(refusal)
    }

    fn subscribed(&mut self, refusals: Vec<Option<Refusal>>) {
        for Answered { filter, refusal } in self.subscriptions.answered(refusals, Instant::now()) {
            // No topic begins with a space, so these do not meet with those of messages.
            let refused_before = format!(" {filter}");
            match refusal {
                None if self.refused.contains(&refused_before) => {
                    tracing::info!(topic = filter, "the broker grants a subscription that it refused before");
                }
                None => {}
                Some(Refusal { reason, passes: true }) if self.is_news(refused_before) => {
                    let hint = "what is sent on it does not arrive meanwhile";
                    let news = "the broker refused a subscription for now; it is requested again";
                    tracing::warn!(topic = filter, reason, hint, "{news}");
                }
                Some(Refusal { passes: true, .. }) => {}
                Some(Refusal { reason, passes: false }) => {
                    let hint = "what is sent on it will not arrive; does the broker's ACL let this user read it?";
                    tracing::warn!(topic = filter, reason, hint, "the broker refused a subscription");
                }
            }
        }
    }
}
