//! Removes what the broker retains of a device, and sees whether it is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::table::{Place, Row, Writes, table};
use super::topics::{HOME_ASSISTANT, Names, Topics};
use crate::config::typed::Mqtt;
use glimpsed_mqtt::transport::STEP;
use glimpsed_mqtt::{Delivery, Link, Loss, Message, Received, Sent, dial};

/// All retained messages have arrived when none has come for this long.
const QUIET: Duration = Duration::from_millis(500);

/// A daemon that runs answers a request within this.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// A device has a dozen retained topics; one that had other settings may have left more.
const MAX_RETAINED: usize = 10_000;

/// Payload of the message that is sent to see whether this user may read; any other payload is a running daemon's answer.
const PROBE: &[u8] = b"{}";

/// The retained messages of a device at the broker.
pub struct Leftovers {
    settings: Mqtt,
    device_id: String,
    rows: Vec<Row>,
    topics: Topics,
    prefixes: Vec<String>,
    /// Whether what is not in the table is found as well, by wildcards.
    everything: bool,
    /// Topics that stay.
    keep: BTreeSet<String>,
    /// Topic and payload.
    pub retained: BTreeMap<String, Vec<u8>>,
    /// A daemon that uses these topics runs.
    pub running: bool,
    /// Whether this user may read these topics: otherwise nothing can be found, nor seen to be gone.
    pub readable: bool,
}

/// What became of the removal.
#[derive(Debug, Default)]
pub struct Removal {
    /// Topics that the broker does not let this user write, with its reason.
    pub refused: BTreeMap<String, String>,
    /// Topics that are retained even so.
    pub left: BTreeSet<String>,
    /// Topics that were sent an empty message.
    pub sent: usize,
}

impl Leftovers {
    /// Finds every retained message below the device's topic, and its discovery messages for Home Assistant: by the exact topics of
    /// the table, because some brokers give wildcards no retained messages, and by wildcards, because a device may have had other
    /// settings and another discovery prefix.
    ///
    /// # Errors
    /// When the broker cannot be reached, or refuses the subscription.
    pub async fn find(
        settings: &Mqtt,
        device_id: &str,
        names: &Names,
        discovery_prefix: Option<&str>,
    ) -> Result<Self, Loss> {
        let topics = Topics::new(&settings.base_topic, device_id, names);
        let mut prefixes: Vec<String> =
            discovery_prefix.into_iter().chain([HOME_ASSISTANT]).map(str::to_owned).collect();
        prefixes.dedup();
        let found = Self {
            settings: settings.clone(),
            device_id: device_id.to_owned(),
            rows: table(&topics, device_id, discovery_prefix),
            topics,
            prefixes,
            everything: true,
            keep: BTreeSet::new(),
            retained: BTreeMap::new(),
            running: false,
            readable: false,
        };
        found.search(true).await
    }

    /// Finds what a device has left in the place where it was before, but for the topics that it keeps. Only the exact topics of the
    /// table are its own for sure: below a wildcard may be another's. Unless `probes`, a daemon that answers there is not asked for.
    ///
    /// # Errors
    /// As [`Leftovers::find`].
    pub(super) async fn of_before(
        settings: &Mqtt,
        place: &Place,
        keep: &BTreeSet<String>,
        probes: bool,
    ) -> Result<Self, Loss> {
        let (topics, prefix) = (place.topics(), place.discovery_prefix.as_deref());
        let found = Self {
            settings: settings.clone(),
            device_id: place.device_id.clone(),
            rows: table(&topics, &place.device_id, prefix),
            topics,
            prefixes: prefix.into_iter().map(str::to_owned).collect(),
            everything: false,
            keep: keep.clone(),
            retained: BTreeMap::new(),
            running: false,
            readable: false,
        };
        found.search(probes).await
    }

    async fn search(mut self, probes: bool) -> Result<Self, Loss> {
        let mut link = self.connect().await?;
        self.retained = self.look(&mut link).await?;
        match probes {
            true => self.probe(&mut link).await?,
            false => self.readable = !self.retained.is_empty(),
        }
        let _ = timeout_at(Instant::now() + STEP, link.end()).await;
        Ok(self)
    }

    async fn connect(&self) -> Result<Link, Loss> {
        let connection = &self.settings.connection;
        dial(connection, &format!("{}-clean", connection.client_id), None).await
    }

    fn discovery(&self) -> Vec<String> {
        self.prefixes.iter().map(|prefix| Topics::discovery(prefix, &self.device_id)).collect()
    }

    /// What is retained now.
    async fn look(&self, link: &mut Link) -> Result<BTreeMap<String, Vec<u8>>, Loss> {
        let exact = self.rows.iter().filter(|row| row.writes.is_some()).map(|row| row.topic.clone());
        let any_prefix = Topics::discovery("+", &self.device_id);
        let mut filters: Vec<String> = exact.chain(self.discovery()).collect();
        filters.sort();
        filters.dedup();
        filters.retain(|topic| !self.keep.contains(topic));
        if self.everything {
            filters.extend([any_prefix, self.topics.everything()]);
        }
        link.subscribe(&filters)?;
        let mut retained = BTreeMap::new();
        let mut deadline = Instant::now() + STEP;
        // The overall limit. Messages after it are not retained ones, or were retained meanwhile.
        let latest = Instant::now() + 6 * STEP;
        while let Ok(received) = timeout_at(deadline.min(latest), link.next()).await {
            match received? {
                Received::Subscribed(refusals) => {
                    if refusals.iter().all(Option::is_some)
                        && let Some(refusal) = refusals.into_iter().next().flatten()
                    {
                        let all = self.topics.everything();
                        return Err(Loss::Refused(format!(
                            "the broker does not let this user read {all} ({})",
                            refusal.reason
                        )));
                    }
                    deadline = Instant::now() + QUIET;
                }
                Received::Message { id, topic, payload, retained: kept, .. } => {
                    if let Some(id) = id {
                        link.acknowledge(id);
                    }
                    if kept && !payload.is_empty() && retained.len() < MAX_RETAINED {
                        retained.insert(topic, payload);
                        deadline = Instant::now() + QUIET;
                    }
                }
                _ => {}
            }
        }
        Ok(retained)
    }

    /// Whether a message of our own comes back, and whether a daemon answers.
    async fn probe(&mut self, link: &mut Link) -> Result<(), Loss> {
        let response = self.topics.response("health");
        link.publish(Message::new(response.clone(), PROBE, Delivery::Event, false))?;
        link.publish(Message::new(self.topics.request("health"), "", Delivery::Event, false))?;
        let deadline = Instant::now() + ANSWERS_WITHIN;
        while !self.running
            && let Ok(received) = timeout_at(deadline, link.next()).await
        {
            if let Received::Message { id, topic, payload, retained, .. } = received? {
                if let Some(id) = id {
                    link.acknowledge(id);
                }
                let heard = topic == response && !retained;
                self.readable |= heard && payload == PROBE;
                self.running |= heard && payload != PROBE;
            }
        }
        self.readable |= self.running || !self.retained.is_empty();
        // One that is too busy to answer; or that was killed, and no will has said so.
        self.running |= self.retained.get(&self.topics.status).is_some_and(|payload| payload == b"online");
        Ok(())
    }

    /// What is to be removed: what was found, and where nothing can be found, every topic that the daemon retains. Discovery first:
    /// then Home Assistant has removed the entities before their topics are emptied.
    fn doomed(&self) -> Vec<String> {
        let mut first: BTreeSet<String> = BTreeSet::new();
        let mut others: BTreeSet<String> = BTreeSet::new();
        let below = |topic: &str| self.topics.below(topic).is_some();
        for topic in self.retained.keys() {
            match below(topic) {
                true => others.insert(topic.clone()),
                false => first.insert(topic.clone()),
            };
        }
        // This user may be allowed to read its own topics only. Where there was nothing, Home Assistant warns of the removal.
        if !self.retained.is_empty() {
            first.extend(
                self.rows.iter().map(|row| &row.topic).filter(|topic| self.discovery().contains(topic)).cloned(),
            );
        }
        if !self.readable {
            first.extend(self.discovery());
            let retained = self.rows.iter().filter(|row| row.writes == Some(Writes::Retained));
            others.extend(retained.map(|row| row.topic.clone()).filter(|topic| below(topic)));
        }
        first.into_iter().chain(others).filter(|topic| !self.keep.contains(topic)).collect()
    }

    /// Removes them all, by publishing an empty retained message to each topic, and looks again.
    ///
    /// # Errors
    /// When the broker does not acknowledge one, or ends the session.
    pub async fn remove(&self) -> Result<Removal, Loss> {
        let mut link = self.connect().await?;
        let mut removal = Removal::default();
        for topic in self.doomed() {
            removal.sent += 1;
            let sent = link.publish(Message::new(topic.clone(), "", Delivery::Event, true))?;
            if let Some(reason) = acknowledgement(&mut link, &sent).await?
                // Under a prefix that is not configured there is nothing, as far as anybody can see.
                && (self.retained.contains_key(&topic) || self.rows.iter().any(|row| row.topic == topic))
            {
                removal.refused.insert(topic, reason);
            }
        }
        let _ = timeout_at(Instant::now() + STEP, link.end()).await;
        let mut link = self.connect().await?;
        removal.left = self.look(&mut link).await?.into_keys().collect();
        let _ = timeout_at(Instant::now() + STEP, link.end()).await;
        Ok(removal)
    }
}

/// Waits until the broker has taken the message; the reason if it refuses the message. Where it acknowledges none (QoS 0), it answers a
/// PINGREQ after what came before.
pub(super) async fn acknowledgement(link: &mut Link, sent: &Sent) -> Result<Option<String>, Loss> {
    match sent {
        Sent::TooLarge => return Ok(Some("it is larger than the broker takes".into())),
        Sent::Unacknowledged => link.ping(),
        Sent::Expecting(_) => {}
    }
    let deadline = Instant::now() + STEP;
    loop {
        match timeout_at(deadline, link.next()).await.map_err(|_| Loss::NoAcknowledgement(STEP))?? {
            Received::Acknowledged { id, refusal } if *sent == Sent::Expecting(id) => {
                return Ok(refusal.map(|refusal| refusal.reason));
            }
            Received::Pong if *sent == Sent::Unacknowledged => return Ok(None),
            Received::Message { id: Some(id), .. } => link.acknowledge(id),
            _ => {}
        }
    }
}
