//! The daemon on one broker: the sink, the connection, and the attention to what comes from there.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::attention::Attention;
use super::discovery::{self, Device};
use super::wishes::subscriptions;
use super::{Connection, Inbox, Monitor, MqttSink, NAME, Outbox, Topics, retained};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::command::Commands;
use crate::shutdown::Shutdown;
use crate::sinks::Hub;
use crate::telemetry::health::Broker;

/// For the goodbye to a broker that another one follows.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// What the daemon has to do with a broker.
pub struct Presence {
    outbox: Arc<Outbox>,
    monitor: Monitor,
    topics: Topics,
    discovery: Option<String>,
    shutdown: Shutdown,
    connection: JoinHandle<()>,
    attention: JoinHandle<()>,
}

impl Presence {
    /// Connects to the broker that the configuration names, if it names one. Has to be called inside the asynchronous
    /// runtime.
    pub fn start(
        config: &Config,
        device: &Device,
        commands: &Commands,
        hub: &Hub,
        clock: &Arc<dyn Clock>,
    ) -> Option<Self> {
        let settings = config.mqtt.as_ref()?;
        let topics = Topics::new(&settings.base_topic, &device.id);
        let prefix = config.homeassistant.clone();
        let discovery = prefix.as_ref().map(|prefix| Topics::discovery(prefix, &device.id));
        let outbox = Arc::new(Outbox::new(settings.buffer));
        // Each session begins with these, in this order; what the hub knows follows.
        outbox.push(retained(&topics.status, "online"));
        if let Some(topic) = &discovery {
            outbox.push(retained(topic, discovery::payload(device, &topics)));
        }
        let sink = MqttSink::new(outbox.clone(), topics.clone(), clock.clone(), settings.classification_interval);
        hub.attach(NAME, Box::new(sink));
        let (inbox, incoming) = Inbox::new(subscriptions(&topics, prefix.as_deref()));
        let connection = Connection::new(settings.clone(), topics.clone(), outbox.clone(), inbox);
        let (monitor, shutdown) = (connection.monitor(), Shutdown::new());
        let attention = Attention::new(topics.clone(), prefix, outbox.clone(), commands.clone());
        Some(Self {
            outbox,
            monitor,
            topics,
            discovery,
            connection: tokio::spawn(connection.run(shutdown.clone())),
            attention: tokio::spawn(attention.run(incoming)),
            shutdown,
        })
    }

    pub fn counters(&self) -> Broker {
        let counters = self.monitor.counters();
        let all = |tally: super::Tally| tally.live + tally.latest + tally.event;
        Broker {
            connects: counters.connects,
            published: all(counters.published),
            dropped: all(counters.dropped),
            refused_commands: counters.refused,
        }
    }

    /// Says goodbye.
    pub async fn stop(self, deadline: Instant) {
        self.attention.abort();
        self.shutdown.trigger();
        if timeout_at(deadline, self.connection).await.is_err() {
            tracing::warn!("the broker's connection did not end in time");
        }
    }

    /// Says goodbye before another presence follows, and takes away what that one will not keep up to date.
    pub async fn leave(self, next: &Config) {
        let next_topics = next.mqtt.as_ref().map(|mqtt| Topics::new(&mqtt.base_topic, &next.device.id));
        let next_discovery = next.homeassistant.as_ref().map(|prefix| Topics::discovery(prefix, &next.device.id));
        if let Some(topic) = &self.discovery
            && (next_discovery.as_ref() != Some(topic) || next_topics.is_none())
        {
            self.outbox.push(retained(topic, Vec::new()));
        }
        if next_topics.as_ref() != Some(&self.topics) {
            for topic in self.topics.retained().filter(|topic| *topic != self.topics.status) {
                self.outbox.push(retained(&topic, Vec::new()));
            }
        }
        self.stop(Instant::now() + LEAVE_WITHIN).await;
    }
}
