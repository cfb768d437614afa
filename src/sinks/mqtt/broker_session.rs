//! The broker session: the sink, the connection and the dispatcher for one broker.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::discovery::{self, Device};
use super::dispatcher::Dispatcher;
use super::inbound::subscriptions;
use super::sink::retained;
use super::{MqttSink, NAME, Topics};
use crate::bus::commands::Commands;
use crate::bus::hub::Hub;
use crate::config::Config;
use crate::domain::health::{self, Broker};
use glimpsed_base::clock::Clock;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_mqtt::{BrokerUrl, Connection, Inbox, Monitor, Outbox, Tally};

/// Deadline for the disconnection when another session follows.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// A running session with one broker.
pub struct BrokerSession {
    outbox: Arc<Outbox>,
    traffic: Traffic,
    topics: Topics,
    broker: BrokerUrl,
    discovery: Option<String>,
    shutdown: Shutdown,
    connection: JoinHandle<()>,
    dispatcher: JoinHandle<()>,
    /// Ends the dispatcher with the daemon.
    stopping: Shutdown,
}

/// The traffic counters, readable from any thread.
#[derive(Debug, Clone)]
pub struct Traffic {
    monitor: Monitor,
    /// Totals of the previous sessions.
    before: Broker,
}

impl Traffic {
    pub fn counters(&self) -> Broker {
        let (now, before) = (self.monitor.counters(), &self.before);
        Broker {
            connected: now.connected,
            connects: before.connects + now.connects,
            failures: before.failures + now.failures,
            published: before.published.plus(tally(now.published)),
            waiting: now.waiting as u64,
            dropped: before.dropped.plus(tally(now.dropped)),
            refused_commands: before.refused_commands + now.refused,
        }
    }
}

fn tally(count: Tally) -> health::Tally {
    health::Tally { live: count.live, latest: count.latest, event: count.event }
}

/// The handover between two sessions: when a setting of the broker changes, no message is lost and the counters
/// continue.
#[derive(Default)]
pub struct Handover {
    outbox: Option<Arc<Outbox>>,
    counters: Broker,
}

impl BrokerSession {
    /// Connects to the configured broker, if there is one. Must be called within the asynchronous runtime.
    pub fn start(
        config: &Config,
        device: &Device,
        commands: &Commands,
        hub: &Hub,
        clock: &Arc<dyn Clock>,
        handover: Handover,
    ) -> Option<Self> {
        let settings = config.mqtt.as_ref()?;
        let topics = Topics::new(&settings.base_topic, &device.id);
        let prefix = config.homeassistant.clone();
        let discovery = prefix.as_ref().map(|prefix| Topics::discovery(prefix, &device.id));
        let outbox = handover.outbox.unwrap_or_else(|| Arc::new(Outbox::new(settings.buffer)));
        outbox.set_capacity(settings.buffer);
        // The first messages of each connection, in this order; the hub's newest events follow.
        outbox.push(retained(&topics.status, "online"));
        if let Some(topic) = &discovery {
            outbox.push(retained(topic, discovery::payload(device, &topics)));
        }
        let sink = MqttSink::new(outbox.clone(), topics.clone(), clock.clone(), settings.classification_interval);
        hub.attach(NAME, Box::new(sink));
        let (inbox, incoming) = Inbox::new(subscriptions(&topics, prefix.as_deref()));
        let connection =
            Connection::new(settings.connection.clone(), retained(&topics.status, "offline"), outbox.clone(), inbox);
        let (monitor, shutdown, stopping) = (connection.monitor(), Shutdown::new(), Shutdown::new());
        let dispatcher = Dispatcher::new(topics.clone(), prefix, outbox.clone(), commands.clone());
        Some(Self {
            outbox,
            traffic: Traffic { monitor, before: handover.counters },
            topics,
            broker: settings.connection.broker.clone(),
            discovery,
            connection: tokio::spawn(connection.run(shutdown.clone())),
            dispatcher: tokio::spawn(dispatcher.run(incoming, stopping.clone())),
            shutdown,
            stopping,
        })
    }

    /// A handle to the counters.
    pub fn traffic(&self) -> Traffic {
        self.traffic.clone()
    }

    pub fn counters(&self) -> Broker {
        self.traffic.counters()
    }

    /// Disconnects. What was answered already, such as the request to restart, is still sent; other requests in progress are not
    /// waited for.
    pub async fn stop(mut self, deadline: Instant) {
        self.stopping.trigger();
        if timeout_at(deadline, &mut self.dispatcher).await.is_err() {
            self.dispatcher.abort();
        }
        end(&self.shutdown, self.connection, deadline).await;
    }

    /// Disconnects before another session follows, and removes the retained messages that it will not keep up to date.
    /// Requests in progress are still answered.
    pub async fn leave(self, next: &Config) -> Handover {
        let next_topics = next.mqtt.as_ref().map(|mqtt| Topics::new(&mqtt.base_topic, &next.device.id));
        let same_topics = next_topics.as_ref() == Some(&self.topics);
        let stays = same_topics && next.mqtt.as_ref().is_some_and(|mqtt| mqtt.connection.broker == self.broker);
        let next_discovery = next.homeassistant.as_ref().map(|prefix| Topics::discovery(prefix, &next.device.id));
        if let Some(topic) = &self.discovery
            && (!stays || next_discovery.as_ref() != Some(topic))
        {
            self.outbox.push(retained(topic, Vec::new()));
        }
        if !stays {
            for topic in self.topics.retained().filter(|topic| *topic != self.topics.status) {
                self.outbox.push(retained(&topic, Vec::new()));
            }
        }
        let counters = self.counters();
        end(&self.shutdown, self.connection, Instant::now() + LEAVE_WITHIN).await;
        if same_topics {
            // The outbox, which is handed over, counts the dropped messages itself.
            let counters = Broker { dropped: health::Tally::default(), ..counters };
            return Handover { outbox: Some(self.outbox), counters };
        }
        let undelivered = self.outbox.waiting();
        if undelivered > 0 {
            tracing::warn!(undelivered, "messages for the old topics were not delivered");
        }
        Handover { outbox: None, counters }
    }
}

async fn end(shutdown: &Shutdown, connection: JoinHandle<()>, deadline: Instant) {
    shutdown.trigger();
    if timeout_at(deadline, connection).await.is_err() {
        tracing::warn!("the broker's connection did not end in time");
    }
}
