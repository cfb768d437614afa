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
use crate::suspects::{Suspect, Suspects};
use crate::wire::{Received, Refusal, Sent};
use glimpsed_base::backoff::Backoff;
use glimpsed_base::shutdown::Shutdown;

/// The largest number of unacknowledged messages. One alone would cost a round trip for each message; many would mean
/// many duplicates after a loss.
const WINDOW: usize = 16;

/// The time limit for an answer; the session is lost after it.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// The time limit on shutdown for the queued messages and the goodbye. The whole shutdown has two seconds.
const FAREWELL: Duration = Duration::from_millis(750);

/// The first and the longest wait before a message is sent again that the broker refused for a passing reason.
const AFTER_REFUSAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The largest payload of a command; larger ones are refused.
const MAX_COMMAND_BYTES: usize = 64 << 10;

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
    /// Topics whose messages the broker refused. Each is logged once a session.
    pub refused: BTreeSet<String>,
    /// What is known of messages that end sessions.
    pub suspects: &'a Suspects,
    /// Nothing is sent before, because the broker has refused a message for a reason that passes.
    not_before: Option<Instant>,
    after_refusal: Backoff,
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
        let after_refusal = Backoff::new(AFTER_REFUSAL.0, AFTER_REFUSAL.1);
        let (owed_since, not_before) = (None, None);
        Self {
            link,
            outbox,
            inbox,
            monitor,
            keepalive,
            window,
            owed_since,
            refused,
            suspects,
            not_before,
            after_refusal,
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
        self.link.subscribe(&self.inbox.subscriptions)?;
        self.owed_since = Some(Instant::now());
        while self.owed_since.is_some() {
            self.wait(false).await?;
        }
        Ok(())
    }

    /// Until shutdown or the session's end.
    pub(crate) async fn serve(&mut self, shutdown: &Shutdown) -> Result<(), Loss> {
        loop {
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
        self.not_before = None;
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

    fn has_room(&self) -> bool {
        let window = if self.suspects.careful() { 1 } else { WINDOW.min(self.link.limits.window.into()) };
        self.link.has_room() && self.window.len() < window && self.not_before.is_none_or(|at| at <= Instant::now())
    }

    fn send_what_may_be_sent(&mut self) -> Result<(), Loss> {
        while self.has_room()
            && let Some((ticket, message)) = self.outbox.take()
        {
            let (delivery, topic, bytes) = (message.delivery, message.topic.clone(), message.payload.len());
            if self.suspects.leave_out(&topic, bytes, Instant::now()) {
                self.outbox.reject(ticket, delivery);
                continue;
            }
            match self.link.publish(message)? {
                Sent::TooLarge => {
                    self.outbox.reject(ticket, delivery);
                    if self.refused.insert(topic.clone()) {
                        let limit = self.link.limits.packet_bytes;
                        tracing::warn!(topic, bytes, limit, "a message is larger than the broker takes; it is dropped");
                    }
                }
                Sent::Unacknowledged => {
                    self.monitor.published(delivery);
                    self.outbox.acknowledge(ticket);
                    if self.suspects.careful() {
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
        let paused_until = self.not_before.filter(|_| sending && !has_room);
        tokio::select! {
            received = self.link.next() => {
                let attended = self.handle(received?);
                // A burst of commands arrives in one read; the task that handles them must run in between.
                tokio::task::yield_now().await;
                return attended;
            }
            () = self.outbox.wait(), if has_room => return Ok(()),
            () = sleep_until(at.min(stalls_at)) => {}
            () = sleep_until(paused_until.unwrap_or(at)), if paused_until.is_some() => {
                self.not_before = None;
                return Ok(());
            }
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
                self.report(&refusals);
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
                let taken = payload.len() <= MAX_COMMAND_BYTES
                    && self.inbox.deliver(Incoming { topic, payload, retained, reply });
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
        self.owed_since = (!self.window.is_empty()).then(Instant::now);
    }

    fn acknowledged(&mut self, id: u16, refusal: Option<Refusal>) {
        let Some(place) = self.window.iter().position(|message| message.id == id) else { return };
        let Some(UnderWay { ticket, delivery, topic, .. }) = self.window.remove(place) else { return };
        let Some(Refusal { reason, passes }) = refusal else {
            self.monitor.published(delivery);
            self.after_refusal.reset();
            return self.outbox.acknowledge(ticket);
        };
        if passes && self.outbox.try_again(ticket, delivery) {
            if self.not_before.is_none() {
                let wait = self.after_refusal.next_wait(fastrand::f64());
                self.not_before = Some(Instant::now() + wait);
                if self.refused.insert(topic.clone()) {
                    let retry_in_ms = wait.as_millis() as u64;
                    tracing::warn!(
                        topic,
                        reason,
                        retry_in_ms,
                        "the broker refused a message for now; it is sent again"
                    );
                }
            }
            return;
        }
        if !passes {
            self.outbox.reject(ticket, delivery);
        }
        if self.refused.insert(format!("{topic}: {reason}")) {
            let hint = match passes {
                true => "it was sent again and again; is the broker's disk or queue full?",
                false => "does the broker's ACL let this user write to it?",
            };
            tracing::warn!(topic, reason, hint, "the broker refused a message");
        }
    }

    fn report(&self, refusals: &[Option<String>]) {
        for (topic, refusal) in self.inbox.subscriptions.iter().zip(refusals) {
            if let Some(reason) = refusal {
                let hint = "what is sent on it will not arrive; does the broker's ACL let this user read it?";
                tracing::warn!(topic, reason, hint, "the broker refused a subscription");
            }
        }
    }
}
