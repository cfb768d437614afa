//! The broker session: the sink, the connection and the dispatcher for one broker.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::discovery::{self, Device};
use super::dispatcher::Dispatcher;
use super::presence::{Presence, Twin};
use super::published::{Announce, Published};
use super::sink::retained;
use super::table::{self, Row, status, subscriptions, table};
use super::unsent::{self, Earlier, Unsent};
use super::{MqttSink, NAME, Names, Topics};
use crate::bus::commands::Commands;
use crate::bus::hub::Hub;
use crate::config::Config;
use crate::domain::health::{self, Broker};
use crate::sinks::day::Days;
use glimpsed_base::clock::Clock;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_mqtt::{BrokerUrl, Connection, Farewell, Inbox, Monitor, Outbox, Tally};

/// Deadline for the disconnection when another session follows.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// Time to write what the broker did not get, however long the goodbye took.
const KEPT_WITHIN: Duration = Duration::from_millis(300);

/// A running session with one broker.
pub struct BrokerSession {
    outbox: Arc<Outbox>,
    traffic: Traffic,
    topics: Topics,
    names: Names,
    /// Every retained topic but `status`.
    retained: Vec<String>,
    broker: BrokerUrl,
    discovery: Option<String>,
    farewell: Farewell,
    /// Events from before the start, of this broker and of those before it.
    earlier: Vec<Earlier>,
    /// Removes what the device has left under other topics.
    tidying: JoinHandle<()>,
    shutdown: Shutdown,
    connection: JoinHandle<()>,
    dispatcher: JoinHandle<()>,
    /// Ends the dispatcher with the daemon.
    stopping: Shutdown,
}

/// The traffic counters, readable from any thread.
#[derive(Debug, Clone)]
pub struct Traffic {
    broker: BrokerUrl,
    monitor: Monitor,
    /// Totals of the previous sessions.
    before: Broker,
    twin: Twin,
}

impl Traffic {
    pub fn counters(&self) -> Broker {
        let (now, before) = (self.monitor.counters(), &self.before);
        Broker {
            address: self.broker.to_string(),
            connected: now.connected,
            last_error: self.monitor.last_loss(),
            connects: before.connects + now.connects,
            failures: before.failures + now.failures,
            published: before.published.plus(tally(now.published)),
            waiting: now.waiting as u64,
            dropped: before.dropped.plus(tally(now.dropped)),
            refused_commands: before.refused_commands + now.refused,
            twin: self.twin.lock().clone(),
        }
    }
}

fn tally(count: Tally) -> health::Tally {
    health::Tally { live: count.live, latest: count.latest, event: count.event, answer: count.answer }
}

/// The handover between two sessions: when a setting of the broker changes, no message is lost and the counters
/// continue.
#[derive(Default)]
pub struct Handover {
    outbox: Option<Arc<Outbox>>,
    earlier: Vec<Earlier>,
    counters: Broker,
    /// The views and cameras that the device had, whose entities Home Assistant is to remove.
    former: Vec<Names>,
}

impl BrokerSession {
    /// Connects to the configured broker, if there is one; the configuration is that of the file `path`. Must be called within the
    /// asynchronous runtime.
    pub fn start(
        (path, config): (&Path, &Config),
        device: &Device,
        commands: &Commands,
        hub: &Hub,
        clock: &Arc<dyn Clock>,
        days: &Days,
        handover: Handover,
    ) -> Option<Self> {
        let settings = config.mqtt.as_ref()?;
        let topics = Topics::of(config, &settings.base_topic);
        let prefix = config.homeassistant.clone();
        let discovery = prefix.as_ref().map(|prefix| Topics::discovery(prefix, &device.id));
        let rows = table(&topics, &device.id, prefix.as_deref());
        let broker = settings.connection.broker.clone();
        let outbox = handover.outbox.unwrap_or_else(|| Arc::new(Outbox::new(settings.buffer)));
        outbox.set_capacity(settings.buffer);
        let (mut earlier, kept) = (handover.earlier, Unsent::new(&topics, &broker));
        earlier.retain(|earlier| !earlier.is_done());
        if !earlier.iter().any(|earlier| earlier.is_of(&kept)) {
            earlier.push(Earlier::send(kept, outbox.clone()));
        }
        // The first messages of each connection, in this order; the hub's newest events follow.
        outbox.push(status(&topics, "online"));
        if let Some(topic) = &discovery {
            outbox.push(retained(topic, discovery::payload(device, &topics, &handover.former)));
        }
        let sink = MqttSink::new(outbox.clone(), topics.clone(), clock.clone(), settings.classification_interval)
            .announcing(discovery.as_deref(), device);
        hub.attach(NAME, Box::new(sink));
        let (inbox, incoming) = Inbox::new(subscriptions(&rows));
        let connection =
            Connection::new(settings.connection.clone(), status(&topics, "offline"), outbox.clone(), inbox);
        let (monitor, shutdown, stopping) = (connection.monitor(), Shutdown::new(), Shutdown::new());
        let (farewell, twin) = (connection.farewell(), Twin::default());
        let presence = Presence::new(topics.clone(), outbox.clone(), shutdown.clone(), twin.clone());
        let published = Published::new(path, settings, config, prefix.as_deref());
        let announce = Announce::of(discovery.as_deref(), device, &topics, &outbox);
        let tidying = tokio::spawn(published.tidy(monitor.clone(), announce));
        let dispatcher =
            Dispatcher::new(topics.clone(), prefix, presence, outbox.clone(), commands.clone(), days.clone());
        Some(Self {
            outbox,
            traffic: Traffic { broker: broker.clone(), monitor, before: handover.counters, twin },
            retained: table::retained(&rows).filter(|topic| *topic != topics.status).map(str::to_owned).collect(),
            topics,
            names: Names::of(config),
            broker,
            discovery,
            farewell,
            earlier,
            tidying,
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
    /// waited for. Events that the broker has not acknowledged are kept for the next start.
    pub async fn stop(mut self, deadline: Instant) {
        self.stopping.trigger();
        if timeout_at(deadline, &mut self.dispatcher).await.is_err() {
            self.dispatcher.abort();
        }
        self.tidying.abort();
        end(&self.shutdown, &mut self.connection, deadline).await;
        let kept = Unsent::new(&self.topics, &self.broker);
        let deadline = deadline.max(Instant::now() + KEPT_WITHIN);
        if timeout_at(deadline, unsent::keep(kept, self.outbox, self.earlier)).await.is_err() {
            tracing::warn!("the disk does not take in time what the broker did not get; it may be lost");
        }
    }

    /// Disconnects before another session follows, and removes the retained messages that it will not keep up to date.
    /// Requests in progress are still answered.
    pub async fn leave(mut self, next: &Config) -> Handover {
        let next_topics = next.mqtt.as_ref().map(|mqtt| Topics::of(next, &mqtt.base_topic));
        let same_device = next_topics.as_ref().is_some_and(|topics| topics.are_of_same_device(&self.topics));
        let stays = same_device && next.mqtt.as_ref().is_some_and(|mqtt| mqtt.connection.broker == self.broker);
        let next_discovery = next.homeassistant.as_ref().map(|prefix| Topics::discovery(prefix, &next.device.id));
        if let Some(topic) = &self.discovery
            && (!stays || next_discovery.as_ref() != Some(topic))
        {
            // Before the others: Home Assistant removes the entities, and receives nothing about them any more.
            self.outbox.push(retained(topic, Vec::new()));
        }
        if stays && let Some(topics) = &next_topics {
            // Of the views and cameras that are gone.
            let next: Vec<Row> = table(topics, &next.device.id, next.homeassistant.as_deref());
            let kept: Vec<&str> = table::retained(&next).collect();
            let discovery = self.discovery.as_deref();
            for topic in
                self.retained.iter().filter(|topic| discovery != Some(topic) && !kept.contains(&topic.as_str()))
            {
                self.outbox.push(retained(topic, Vec::new()));
            }
        } else {
            for topic in self.retained.iter().filter(|topic| self.discovery.as_ref() != Some(topic)) {
                self.outbox.push(retained(topic, Vec::new()));
            }
            // Current subscribers receive `offline`; later ones find no retained message.
            self.outbox.push(status(&self.topics, "offline"));
            self.farewell.set(status(&self.topics, ""));
        }
        let counters = self.counters();
        self.tidying.abort();
        end(&self.shutdown, &mut self.connection, Instant::now() + LEAVE_WITHIN).await;
        let former = if next_topics.as_ref() == Some(&self.topics) { Vec::new() } else { vec![self.names.clone()] };
        if same_device {
            // The outbox, which is handed over, counts the dropped messages itself.
            let counters = Broker { dropped: health::Tally::default(), ..counters };
            return Handover { outbox: Some(self.outbox), earlier: self.earlier, counters, former };
        }
        let undelivered = self.outbox.waiting();
        if undelivered > 0 {
            tracing::warn!(undelivered, "messages for the old topics were not delivered");
        }
        let lost = self.outbox.waiting_events() as u64;
        for earlier in self.earlier {
            earlier.forget().await;
        }
        let dropped = health::Tally { event: counters.dropped.event + lost, ..counters.dropped };
        Handover { counters: Broker { dropped, ..counters }, ..Handover::default() }
    }
}

async fn end(shutdown: &Shutdown, connection: &mut JoinHandle<()>, deadline: Instant) {
    shutdown.trigger();
    if timeout_at(deadline, connection).await.is_err() {
        tracing::warn!("the broker's connection did not end in time");
    }
}
