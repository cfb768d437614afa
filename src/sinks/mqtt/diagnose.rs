//! Diagnoses the connection step by step, and removes the retained messages of a device from the broker.
//!
//! Both use client ids of their own, because the broker would disconnect a running daemon with the same id.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, timeout, timeout_at};

use super::inbound::{REQUESTS, subscriptions};
use super::topics::Topics;
use crate::config::typed::Mqtt;
use glimpsed_mqtt::tls::Seen;
use glimpsed_mqtt::transport::{self, STEP};
use glimpsed_mqtt::{BrokerUrl, Certificate, Delivery, Link, Loss, Message, Received};

/// All retained messages have arrived when none has come for this long.
const QUIET: Duration = Duration::from_millis(500);

/// A device has a dozen retained topics; a base topic shared with other devices may have more.
const MAX_RETAINED: usize = 10_000;

/// The result of one step.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    pub step: &'static str,
    pub ok: bool,
    /// What was found; on failure, the cause and a remedy.
    pub says: String,
}

/// All steps up to a failure that makes the rest impossible.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    pub steps: Vec<Step>,
    /// Whether a session was established.
    pub reachable: bool,
}

impl Report {
    pub fn is_ok(&self) -> bool {
        self.steps.iter().all(|step| step.ok)
    }

    /// The first step that failed.
    pub fn failure(&self) -> Option<&Step> {
        self.steps.iter().find(|step| !step.ok)
    }

    fn add(&mut self, step: &'static str, outcome: Result<String, String>) -> Option<()> {
        let ok = outcome.is_ok();
        let says = outcome.unwrap_or_else(|cause| cause);
        self.steps.push(Step { step, ok, says });
        ok.then_some(())
    }
}

/// Takes every step that the daemon takes. To each topic that the daemon writes it publishes an empty message without
/// retain, which no consumer takes for a value, and expects it back.
pub async fn test(settings: &Mqtt, device_id: &str) -> Report {
    let mut report = Report::default();
    if let Some(link) = session(settings, &mut report).await {
        report.reachable = true;
        permissions(link, &Topics::new(&settings.base_topic, device_id), &mut report).await;
    }
    report
}

async fn session(settings: &Mqtt, report: &mut Report) -> Option<Link> {
    let broker = &settings.connection.broker;
    let addresses = transport::resolve(broker).await;
    report.add("address", addresses.as_ref().map(|found| known_as(broker, found)).map_err(Loss::to_string))?;
    let tcp = transport::connect(&addresses.ok()?).await;
    let says =
        |tcp: &tokio::net::TcpStream| tcp.peer_addr().map_or("connected".into(), |at| format!("connected to {at}"));
    report.add("tcp", tcp.as_ref().map(says).map_err(Loss::to_string))?;
    let tcp = tcp.ok()?;
    let stream: Box<dyn transport::Stream> = match &settings.connection.tls {
        None => Box::new(tcp),
        Some(tls) => {
            let seen = Seen::default();
            let stream = transport::secure(tcp, broker, tls, Some(seen.clone())).await;
            let certificate = seen.take().as_deref().and_then(Certificate::parse).map_or_else(String::new, describe);
            let says = match &stream {
                Ok(_) => Ok(format!("encrypted{certificate}")),
                Err(loss) => Err(format!("{loss}{certificate}")),
            };
            report.add("tls", says)?;
            stream.ok()?
        }
    };
    let link =
        Link::begin(stream, &settings.connection, &format!("{}-test", settings.connection.client_id), None).await;
    let who = settings.connection.username.as_ref().map_or("without a user name".into(), |name| format!("as `{name}`"));
    report.add("session", link.as_ref().map(|_| format!("welcome {who}")).map_err(Loss::to_string))?;
    link.ok()
}

fn known_as(broker: &BrokerUrl, addresses: &[std::net::SocketAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    match addresses.as_slice() {
        [address] if *address == broker.host => format!("{address} needs no name server"),
        addresses => format!("{} is {}", broker.host, addresses.join(", ")),
    }
}

fn describe(certificate: Certificate) -> String {
    let Certificate { subject, issuer, expires } = certificate;
    format!(" (certificate of `{subject}`, signed by `{issuer}`, valid until {})", expires.strftime("%F"))
}

async fn permissions(mut link: Link, topics: &Topics, report: &mut Report) {
    let everything = topics.everything();
    let mut filters = subscriptions(topics, None);
    let commands = filters.len();
    filters.push(everything.clone());
    let refusals = match subscribe(&mut link, &filters).await {
        Ok(refusals) => refusals,
        Err(loss) => {
            report.add("commands", Err(loss.to_string()));
            return;
        }
    };
    let refused: Vec<&str> = filters[..commands]
        .iter()
        .zip(&refusals)
        .filter(|(_, why)| why.is_some())
        .map(|(topic, _)| topic.as_str())
        .collect();
    let outcome = match refused.as_slice() {
        [] => Ok(format!("subscribed to {commands} topics below {everything}")),
        refused => Err(format!(
            "the broker refuses to let {} be read; does its ACL let this user read it?",
            refused.join(" and ")
        )),
    };
    report.add("commands", outcome);
    if refusals.get(commands).is_none_or(Option::is_some) {
        let says = format!(
            "the broker refuses to let {everything} be read, so nothing can come back; try with a user who may"
        );
        report.add("messages", Err(says));
        return;
    }
    let responses = REQUESTS.iter().map(|(name, _)| topics.response(name));
    let written: BTreeSet<String> = topics.written().chain(responses).collect();
    let outcome = match echoes(&mut link, &written).await {
        Err(loss) => Err(loss.to_string()),
        Ok(missing) if missing.is_empty() => {
            Ok(format!("on all {} topics below {everything} came back", written.len()))
        }
        Ok(missing) => {
            let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
            Err(format!("none came back on {}; does the broker's ACL let this user write to it?", missing.join(", ")))
        }
    };
    report.add("messages", outcome);
    let _ = timeout(STEP, link.end()).await;
}

/// The reason of refusal for each filter; `None` if it was accepted.
async fn subscribe(link: &mut Link, filters: &[String]) -> Result<Vec<Option<String>>, Loss> {
    link.subscribe(filters)?;
    let deadline = Instant::now() + STEP;
    loop {
        match timeout_at(deadline, link.next()).await.map_err(|_| Loss::NoAcknowledgement(STEP))?? {
            Received::Subscribed(refusals) => return Ok(refusals),
            // Retained messages that come before the acknowledgement are sent again after later subscriptions.
            Received::Message { id: Some(id), .. } => link.acknowledge(id),
            _ => {}
        }
    }
}

/// Publishes an empty message to each topic; returns those on which none came back.
async fn echoes(link: &mut Link, topics: &BTreeSet<String>) -> Result<BTreeSet<String>, Loss> {
    for topic in topics {
        link.publish(empty(topic, false))?;
    }
    let mut missing = topics.clone();
    let mut unanswered = topics.len();
    let mut deadline = Instant::now() + STEP;
    while !missing.is_empty() {
        let Ok(received) = timeout_at(deadline, link.next()).await else { break };
        match received? {
            Received::Message { id, topic, payload, retained } => {
                if let Some(id) = id {
                    link.acknowledge(id);
                }
                if payload.is_empty() && !retained {
                    missing.remove(&topic);
                }
            }
            Received::Acknowledged { .. } => {
                unanswered = unanswered.saturating_sub(1);
                if unanswered == 0 {
                    // The broker has acknowledged all of them, so those that it forwards are on their way.
                    deadline = deadline.min(Instant::now() + 2 * QUIET);
                }
            }
            _ => {}
        }
    }
    Ok(missing)
}

fn empty(topic: &str, retain: bool) -> Message {
    Message { topic: topic.to_owned(), payload: Vec::new(), delivery: Delivery::Event, retain }
}

/// The retained messages of a device at the broker.
pub struct Leftovers {
    link: Link,
    /// Topic and payload.
    pub retained: BTreeMap<String, Vec<u8>>,
}

impl Leftovers {
    /// Finds every retained message below the device's topic, and its discovery message for Home Assistant.
    ///
    /// # Errors
    /// When the broker cannot be reached, or refuses the subscription.
    pub async fn find(settings: &Mqtt, device_id: &str, discovery_prefix: &str) -> Result<Self, Loss> {
        let stream = transport::open(&settings.connection.broker, settings.connection.tls.as_ref()).await?;
        let mut link =
            Link::begin(stream, &settings.connection, &format!("{}-clean", settings.connection.client_id), None)
                .await?;
        let filters =
            [format!("{}/{device_id}/#", settings.base_topic), format!("{discovery_prefix}/device/{device_id}/config")];
        link.subscribe(&filters)?;
        let mut retained = BTreeMap::new();
        let mut deadline = Instant::now() + STEP;
        // The overall limit. Messages after it are not retained ones, or were retained meanwhile.
        let latest = Instant::now() + 6 * STEP;
        while let Ok(received) = timeout_at(deadline.min(latest), link.next()).await {
            match received? {
                Received::Subscribed(refusals) => {
                    if let Some(reason) = refusals.into_iter().next().flatten() {
                        return Err(Loss::Refused(format!(
                            "the broker does not let this user read {} ({reason})",
                            filters[0]
                        )));
                    }
                    deadline = Instant::now() + QUIET;
                }
                Received::Message { id, topic, payload, retained: kept } => {
                    if let Some(id) = id {
                        link.acknowledge(id);
                    }
                    if kept && retained.len() < MAX_RETAINED {
                        retained.insert(topic, payload);
                        deadline = Instant::now() + QUIET;
                    }
                }
                _ => {}
            }
        }
        Ok(Self { link, retained })
    }

    /// Removes them all, by publishing an empty retained message to each topic.
    ///
    /// # Errors
    /// When the broker does not acknowledge or refuses one.
    pub async fn remove(mut self) -> Result<(), Loss> {
        for topic in self.retained.keys() {
            self.link.publish(empty(topic, true))?;
            loop {
                match timeout(STEP, self.link.next()).await.map_err(|_| Loss::NoAcknowledgement(STEP))?? {
                    Received::Acknowledged { refusal: None, .. } => break,
                    Received::Acknowledged { refusal: Some(reason), .. } => {
                        let cause =
                            format!("the broker does not let this user write {topic} ({reason}); check its ACL");
                        return Err(Loss::Refused(cause));
                    }
                    Received::Message { id: Some(id), .. } => self.link.acknowledge(id),
                    _ => {}
                }
            }
        }
        let _ = timeout(STEP, self.link.end()).await;
        Ok(())
    }
}
