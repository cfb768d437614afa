//! A client of the broker that reads what all devices say.

use std::collections::BTreeSet;
use std::time::Duration;

use glimpsed_base::sync::Mutex;
use glimpsed_mqtt::transport::STEP;
use glimpsed_mqtt::{Link, Loss, Message, Received, Sent, dial};
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::roster::{ENABLED, HEALTH, INFO, MAX_MISSING, Roster, STATE, STATUS};
use crate::config::typed::Mqtt;

/// All retained messages have arrived when none has come for this long, after the broker has answered what followed the subscription.
const QUIET: Duration = Duration::from_millis(500);

/// The same between the parts of it.
const SHORT_QUIET: Duration = Duration::from_millis(100);

/// Topics that are asked for by name in one packet. mosquitto drops of the messages for one client what is beyond a thousand.
const SLICE: usize = 100;

/// A session with the broker.
pub struct Watch {
    link: Link,
    base: String,
    keepalive: Duration,
    /// When the PINGREQ was sent that is not answered.
    pinged: Option<Instant>,
}

/// How the devices were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gathered {
    /// The patience ended before all was there.
    pub cut_short: bool,
}

impl Watch {
    /// Connects with a client id that no other client has.
    ///
    /// # Errors
    /// Why there is no session.
    pub async fn connect(settings: &Mqtt) -> Result<Self, Loss> {
        let client_id = format!("glimpsed-fleet-{:016x}", fastrand::u64(..));
        let link = dial(&settings.connection, &client_id, None).await?;
        let demanded =
            link.limits.keepalive_s.filter(|seconds| *seconds > 0).map(|seconds| Duration::from_secs(seconds.into()));
        let own = settings.connection.keepalive;
        let keepalive = demanded.map_or(own, |demanded| own.min(demanded));
        Ok(Self { link, base: settings.base_topic.clone(), keepalive, pinged: None })
    }

    pub fn base_topic(&self) -> &str {
        &self.base
    }

    /// The next packet. Messages are acknowledged, and the session is kept alive. It may be cancelled.
    ///
    /// # Errors
    /// When the session has ended, or the broker is silent.
    pub async fn next(&mut self) -> Result<Received, Loss> {
        loop {
            let ping_at = self.link.last_sent.min(self.link.last_received) + self.keepalive / 2;
            let patience = STEP.max(self.keepalive / 2);
            // The answer to a PINGREQ comes behind what the broker has queued before it, which may be much.
            let at = self.pinged.map_or(ping_at, |pinged| pinged.max(self.link.last_received) + patience);
            match timeout_at(at, self.link.next()).await {
                Ok(received) => {
                    let received = received?;
                    match &received {
                        Received::Message { id: Some(id), .. } | Received::TooLarge { id: Some(id), .. } => {
                            self.link.acknowledge(*id);
                        }
                        Received::Pong => self.pinged = None,
                        _ => {}
                    }
                    return Ok(received);
                }
                Err(_) if self.pinged.is_some() => return Err(Loss::NoAcknowledgement(patience)),
                Err(_) => self.ping(),
            }
        }
    }

    fn ping(&mut self) {
        self.link.ping();
        self.pinged.get_or_insert_with(Instant::now);
    }

    /// Publishes; see [`Link::publish`].
    pub(super) fn publish(&mut self, message: Message) -> Result<Sent, Loss> {
        self.link.publish(message)
    }

    pub(super) fn subscribe(&mut self, filters: &[String]) -> Result<(), Loss> {
        self.link.subscribe(filters)
    }

    /// The most messages that may wait for the broker's acknowledgement.
    pub(super) fn window(&self) -> usize {
        usize::from(self.link.limits.window)
    }

    /// Subscribes to what all devices say, and takes in what is retained; of the devices that are `expected` also by name. What comes
    /// later is for [`Self::next`].
    ///
    /// # Errors
    /// When the broker refuses the subscription, or the session ends.
    pub async fn gather(
        &mut self,
        roster: &Mutex<Roster>,
        expected: &BTreeSet<String>,
        patience: Duration,
    ) -> Result<Gathered, Loss> {
        let until = Instant::now() + patience;
        roster.lock().listen_anew();
        const CUT_SHORT: Gathered = Gathered { cut_short: true };
        let filters = topics_of(&format!("{}/+", self.base));
        // One after the other, so that a broker has fewer messages to queue at a time.
        for filter in &filters {
            let quiet = if Some(filter) == filters.last() { QUIET } else { SHORT_QUIET };
            if !self.take_retained(roster, std::slice::from_ref(filter), quiet, until).await? {
                return Ok(CUT_SHORT);
            }
        }
        let missing = roster.lock().missing(expected.iter());
        for slice in missing.chunks(SLICE) {
            if !self.take_retained(roster, slice, SHORT_QUIET, until).await? {
                return Ok(CUT_SHORT);
            }
        }
        Ok(Gathered { cut_short: missing.len() >= MAX_MISSING })
    }

    /// Waits for the next packet, and takes it in. It may be cancelled.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn hear(&mut self, roster: &Mutex<Roster>) -> Result<(), Loss> {
        let received = self.next().await?;
        self.take_in(roster, received)
    }

    /// Takes a packet in, if it is a device's word.
    fn take_in(&mut self, roster: &Mutex<Roster>, received: Received) -> Result<(), Loss> {
        match received {
            Received::Message { topic, payload, retained, .. } => {
                let has_changed = roster.lock().note(&topic, &payload, retained, Timestamp::now());
                let below = topic.strip_prefix(&self.base).and_then(|rest| rest.strip_prefix('/'));
                let id = below.and_then(|below| below.split('/').next());
                if let Some(id) = id.filter(|_| has_changed && payload.is_empty()) {
                    // It is gone, or somebody tests what may be written: what it still retains comes again.
                    self.link.subscribe_live(&topics_of(&format!("{}/{id}", self.base)))?;
                }
            }
            Received::TooLarge { .. } => roster.lock().too_large += 1,
            _ => {}
        }
        Ok(())
    }

    /// Takes in the retained messages of these filters. False if there was no time for all.
    async fn take_retained(
        &mut self,
        roster: &Mutex<Roster>,
        filters: &[String],
        quiet: Duration,
        until: Instant,
    ) -> Result<bool, Loss> {
        self.link.subscribe_live(filters)?;
        // What the broker answers behind it comes after the retained messages, or most of them.
        self.ping();
        let (mut granted, mut answered) = (false, false);
        let mut deadline = Instant::now() + STEP;
        loop {
            let Ok(received) = timeout_at(deadline.min(until), self.next()).await else {
                return match granted {
                    true => Ok(Instant::now() < until),
                    false if Instant::now() >= until => Ok(false),
                    false => Err(Loss::NoAcknowledgement(STEP)),
                };
            };
            match received? {
                Received::Subscribed(refusals) => {
                    if let Some(refusal) = refusals.into_iter().flatten().next() {
                        let topic = format!("{}/+", self.base);
                        return Err(Loss::Refused(format!(
                            "the broker does not let this user read {topic} ({})",
                            refusal.reason
                        )));
                    }
                    granted = true;
                }
                Received::Pong => {
                    answered = true;
                    deadline = Instant::now() + quiet;
                }
                received => {
                    // What devices say meanwhile never ends.
                    let is_retained = matches!(&received, Received::Message { retained: true, .. });
                    self.take_in(roster, received)?;
                    if is_retained && answered {
                        deadline = Instant::now() + quiet;
                    } else if is_retained {
                        deadline = Instant::now() + STEP;
                    }
                }
            }
        }
    }

    /// Says goodbye.
    pub async fn end(self) {
        let _ = timeout_at(Instant::now() + STEP, self.link.end()).await;
    }
}

/// The topics that a device retains and a client reads.
fn topics_of(device: &str) -> [String; 7] {
    let own = |kind: &str| format!("{device}/{kind}");
    let view = |kind: &str| format!("{device}/view/+/{kind}");
    [own(STATUS), own(INFO), own(HEALTH), own(STATE), view(STATE), own(ENABLED), view(ENABLED)]
}
