//! Diagnoses the connection step by step, with a client id of its own, because the broker would disconnect a running daemon with
//! the same id.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, timeout, timeout_at};

use super::clean::acknowledgement;
use super::discovery::{self, Device};
use super::table::{Row, subscriptions, table};
use super::topics::Topics;
use crate::board::Board;
use crate::config::Config;
use crate::config::typed::Mqtt;
use glimpsed_mqtt::tls::Seen;
use glimpsed_mqtt::transport::{self, STEP};
use glimpsed_mqtt::{BrokerUrl, Certificate, Delivery, Limits, Link, Loss, Message, Received, Sent, Version, dial};

/// All retained messages have arrived when none has come for this long.
const QUIET: Duration = Duration::from_millis(500);

/// What `info` needs with a long configuration; with the defaults it has some 4 kB.
const INFO_BYTES: usize = 8_000;

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
pub async fn test(config: &Config, settings: &Mqtt) -> Report {
    let mut report = Report::default();
    let topics = Topics::of(config, &settings.base_topic);
    if let Some(mut link) = session(settings, &topics, &mut report).await {
        report.reachable = true;
        let device = Device::of(config, &[], &Board::default());
        let trial = Trial {
            rows: table(&topics, &device.id, config.homeassistant.as_deref()),
            discovery: config.homeassistant.as_ref().map(|prefix| Topics::discovery(prefix, &device.id)),
            discovery_bytes: discovery::payload(&device, &topics, &[]).len(),
            no_entities: discovery::without_entities(&device),
            pictures: config.publish_image,
            topics,
        };
        trial.limits(&link, &mut report);
        trial.permissions(&mut link, &mut report).await;
        let _ = timeout(STEP, link.end()).await;
    }
    report
}

async fn session(settings: &Mqtt, topics: &Topics, report: &mut Report) -> Option<Link> {
    let broker = &settings.connection.broker;
    let addresses = transport::resolve(broker).await;
    report.add("address", addresses.as_ref().map(|found| known_as(broker, found)).map_err(Loss::to_string))?;
    let tcp = transport::connect(&addresses.ok()?).await;
    let says =
        |tcp: &tokio::net::TcpStream| tcp.peer_addr().map_or("connected".into(), |at| format!("connected to {at}"));
    report.add("tcp", tcp.as_ref().map(says).map_err(Loss::to_string))?;
    let tcp = tcp.ok()?;
    if let Some(tls) = &settings.connection.tls {
        let seen = Seen::default();
        let stream = transport::secure(tcp, broker, tls, Some(seen.clone())).await;
        let certificate = seen.take().as_deref().and_then(Certificate::parse).map_or_else(String::new, describe);
        let says = match &stream {
            Ok(_) => Ok(format!("encrypted{certificate}")),
            Err(loss) => Err(format!("{loss}{certificate}")),
        };
        report.add("tls", says)?;
    }
    // A last will as the daemon's, in QoS and retain; but where it is sent, because this session was cut off, it says nothing.
    let will = Message::new(topics.response("health"), "", Delivery::Latest, true);
    let client_id = format!("{}-test", settings.connection.client_id);
    let link = dial(&settings.connection, &client_id, Some(&will)).await;
    let who = settings.connection.username.as_ref().map_or("without a user name".into(), |name| format!("as `{name}`"));
    let says = |link: &Link| match (link.version, settings.connection.version) {
        (Version::V311, None) => format!("welcome {who} with {}; the broker does not speak MQTT 5", link.version),
        (version, _) => format!("welcome {who} with {version}"),
    };
    report.add("session", link.as_ref().map(says).map_err(Loss::to_string))?;
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

/// What is tried in a session.
struct Trial {
    rows: Vec<Row>,
    topics: Topics,
    discovery: Option<String>,
    /// The size of the discovery message.
    discovery_bytes: usize,
    /// A discovery message that changes nothing.
    no_entities: String,
    /// Whether pictures are published.
    pictures: bool,
}

impl Trial {
    /// What the broker says that it cannot do.
    fn limits(&self, link: &Link, report: &mut Report) {
        let Limits { packet_bytes, acknowledges, retains, .. } = link.limits;
        let largest = self.largest();
        let outcome = if !acknowledges {
            Err("the broker takes QoS 0 only, so events can be lost on their way; `max_qos 0` is the line of mosquitto.conf to remove".into())
        } else if !retains {
            Err("the broker retains nothing, so who subscribes later knows nothing of this device, and Home Assistant \
                 forgets it at its restart; `retain_available false` is the line of mosquitto.conf to remove"
                .into())
        } else if packet_bytes < largest {
            Err(format!(
                "the broker takes packets of at most {packet_bytes} bytes, but the discovery message needs {} and {} up to \
                 {INFO_BYTES}; they would be left out: set `max_packet_size` of mosquitto.conf to 100000",
                self.discovery_bytes, self.topics.info
            ))
        } else {
            Ok(format!("QoS 1, retained messages, packets of {packet_bytes} bytes"))
        };
        report.add("limits", outcome);
    }

    async fn permissions(&self, link: &mut Link, report: &mut Report) {
        let everything = self.topics.everything();
        let mut filters = subscriptions(&self.rows);
        let commands = filters.len();
        filters.push(everything.clone());
        let refusals = match subscribe(link, &filters).await {
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
            [] => Ok(format!("subscribed to {commands} topics")),
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
        let written: BTreeSet<String> = self
            .rows
            .iter()
            .filter(|row| row.writes.is_some() && Some(&row.topic) != self.discovery.as_ref())
            .filter(|row| self.pictures || self.topics.cameras.iter().all(|camera| row.topic != camera.image))
            .map(|row| row.topic.clone())
            .collect();
        let outcome = match echoes(link, &written).await {
            Err(loss) => Err(loss.to_string()),
            Ok(missing) if missing.is_empty() => {
                Ok(format!("on all {} topics below {everything} came back", written.len()))
            }
            Ok(missing) if missing.len() == written.len() => Err(format!(
                "nothing came back on any of the {} topics below {everything}; does the broker's ACL let this user read and write them?",
                written.len()
            )),
            Ok(missing) => {
                let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
                Err(format!(
                    "none came back on {}; does the broker's ACL let this user write to it?",
                    missing.join(", ")
                ))
            }
        };
        let readable = outcome.is_ok();
        report.add("messages", outcome);
        if link.limits.retains && readable {
            let kept = self.retains(link).await;
            let says = match kept {
                Err(loss) => Err(loss.to_string()),
                Ok(true) => Ok("a message that was sent before the subscription arrived".into()),
                Ok(false) => {
                    Err("a retained message did not come back, so the broker retains nothing for this user; its log or its ACL says why".into())
                }
            };
            report.add("retain", says);
        }
        if let Some(topic) = &self.discovery {
            let says = self.discovers(link, topic).await.unwrap_or_else(|loss| Err(loss.to_string()));
            report.add("discovery", says);
        }
        // A broker that says its limit was told so before.
        if readable && link.limits.packet_bytes >= self.largest() {
            report.add("size", self.takes_large_messages(link).await);
        }
    }

    fn largest(&self) -> usize {
        self.discovery_bytes.max(INFO_BYTES)
    }

    /// Whether a message as large as the largest comes back. Not every broker says its limit before.
    async fn takes_large_messages(&self, link: &mut Link) -> Result<String, String> {
        let bytes = self.largest();
        let (topic, payload) = (self.topics.response("health"), format!("{:bytes$}", "{}"));
        let message = Message::new(topic.clone(), payload.as_str(), Delivery::Event, false);
        let heard = match link.publish(message) {
            Ok(sent) => echo(link, &sent, &topic, payload.as_bytes()).await,
            Err(loss) => Err(loss),
        };
        let hint = "the discovery message and `info` have that size; has the broker a limit, as `max_packet_size` and `message_size_limit` \
                    are mosquitto's?";
        match heard {
            Ok((None, true)) => Ok(format!("a message of {bytes} bytes came back")),
            Ok((Some(reason), _)) => Err(format!("the broker refuses a message of {bytes} bytes ({reason}); {hint}")),
            Ok((None, false)) => Err(format!("a message of {bytes} bytes did not come back; {hint}")),
            Err(loss) => Err(format!("a message of {bytes} bytes ended the session ({loss}); {hint}")),
        }
    }

    /// Whether a message on a topic that nobody takes for a state is there for a later subscription.
    async fn retains(&self, link: &mut Link) -> Result<bool, Loss> {
        let topic = self.topics.response("health");
        let sent = link.publish(Message::new(topic.clone(), "{}", Delivery::Event, true))?;
        acknowledgement(link, &sent).await?;
        let kept = retained_on(link, &topic).await?.is_some();
        let sent = link.publish(empty(&topic, true))?;
        acknowledgement(link, &sent).await?;
        Ok(kept)
    }

    /// Whether a discovery message may be written. One without entities changes nothing in Home Assistant; an empty one would
    /// remove the device.
    async fn discovers(&self, link: &mut Link, topic: &str) -> Result<Result<String, String>, Loss> {
        subscribe(link, &[topic.to_owned()]).await?;
        let payload = &self.no_entities;
        let sent = link.publish(Message::new(topic, payload.as_str(), Delivery::Event, false))?;
        let (refusal, came_back) = echo(link, &sent, topic, payload.as_bytes()).await?;
        if let Some(reason) = refusal {
            let hint = "or set `enabled = false` in [homeassistant]";
            return Ok(Err(format!(
                "the broker refuses {topic} ({reason}); let this user write it in its ACL, {hint}"
            )));
        }
        Ok(match (came_back, link.version) {
            (true, _) => Ok(format!("{topic} came back")),
            // It was acknowledged without a refusal.
            (false, Version::V5) => Ok(format!("{topic} was accepted; this user may not read it")),
            (false, Version::V311) => Err(format!(
                "nothing came back on {topic}, and with {} nobody says why; does the broker's ACL let this user write and read it?",
                link.version
            )),
        })
    }
}

/// What is retained on a topic, which is subscribed to.
async fn retained_on(link: &mut Link, topic: &str) -> Result<Option<Vec<u8>>, Loss> {
    link.subscribe(&[topic.to_owned()])?;
    let (mut found, mut deadline) = (None, Instant::now() + STEP);
    while let Ok(received) = timeout_at(deadline, link.next()).await {
        match received? {
            Received::Subscribed(_) => deadline = Instant::now() + QUIET,
            Received::Message { id, topic: heard, payload, retained, .. } => {
                if let Some(id) = id {
                    link.acknowledge(id);
                }
                if retained && heard == topic && !payload.is_empty() {
                    found = Some(payload);
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Why the broker refuses a message that was sent, and whether it comes back, which may be before the acknowledgement.
async fn echo(link: &mut Link, sent: &Sent, topic: &str, content: &[u8]) -> Result<(Option<String>, bool), Loss> {
    let (mut refused, mut acknowledged, mut came_back) = (None, *sent == Sent::Unacknowledged, false);
    let mut deadline = Instant::now() + STEP;
    while !(acknowledged && came_back)
        && let Ok(received) = timeout_at(deadline, link.next()).await
    {
        match received? {
            Received::Acknowledged { id, refusal } if *sent == Sent::Expecting(id) => {
                (acknowledged, refused) = (true, refusal.map(|refusal| refusal.reason));
                deadline = deadline.min(Instant::now() + 2 * QUIET);
            }
            Received::Message { id, topic: heard, payload, .. } => {
                if let Some(id) = id {
                    link.acknowledge(id);
                }
                came_back |= heard == topic && payload == content;
            }
            _ => {}
        }
    }
    Ok((refused, came_back))
}

/// The reason of refusal for each filter; `None` if it was accepted.
async fn subscribe(link: &mut Link, filters: &[String]) -> Result<Vec<Option<String>>, Loss> {
    link.subscribe(filters)?;
    let deadline = Instant::now() + STEP;
    loop {
        match timeout_at(deadline, link.next()).await.map_err(|_| Loss::NoAcknowledgement(STEP))?? {
            Received::Subscribed(refusals) => {
                return Ok(refusals.into_iter().map(|refusal| refusal.map(|refusal| refusal.reason)).collect());
            }
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
            Received::Message { id, topic, payload, retained, .. } => {
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
    Message::new(topic, "", Delivery::Event, retain)
}
