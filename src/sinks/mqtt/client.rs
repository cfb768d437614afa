//! The connection to the broker. Only this file names rumqttc.
//!
//! rumqttc reconnects at once and without delay, and throws its queue away when the broker has no session; so each
//! connection here gets a client of its own, the waits between them are ours, and a message leaves the outbox for good
//! only when the broker has acknowledged it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, Incoming as Packet, LastWill, MqttOptions,
    NetworkOptions, Outgoing, Publish, QoS, SubAck, SubscribeFilter, SubscribeReasonCode,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::MAX_PACKET_BYTES;
use super::inbox::{Inbox, Incoming};
use super::monitor::Monitor;
use super::outbox::{Delivery, Message, Outbox, Ticket};
use super::topics::Topics;
use crate::backoff::Backoff;
use crate::config::typed::Mqtt;
use crate::shutdown::Shutdown;

/// First and longest wait between two tries to connect.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A session that held this long was a good one: the next loss starts with a short wait again.
const GOOD_SESSION: Duration = Duration::from_secs(30);

/// From the first byte to CONNACK, and for every write.
const NETWORK_TIMEOUT_S: u64 = 5;

/// An acknowledgement that takes longer means that the session is dead.
const ACK_TIMEOUT: Duration = Duration::from_secs(20);

/// On shutdown: for the acknowledgement of the message that is on its way.
const LAST_ACK: Duration = Duration::from_millis(250);

/// On shutdown: for what is queued and the `offline` behind it. The whole stop has two seconds.
const FAREWELL: Duration = Duration::from_millis(750);

/// Keeps a session with the broker until shutdown.
pub struct Connection {
    settings: Mqtt,
    topics: Topics,
    outbox: Arc<Outbox>,
    inbox: Inbox,
    monitor: Monitor,
}

/// Connects once, as the daemon would, and leaves again. Under a client id of its own: the broker would throw out a daemon
/// of the same name.
///
/// # Errors
/// Why there is no session, in plain words.
pub async fn probe(settings: &Mqtt) -> Result<(), String> {
    let mut settings = settings.clone();
    settings.client_id.push_str("-doctor");
    let inbox = Inbox::new(Vec::new()).0;
    let connection = Connection::new(settings, Topics::new("glimpsed", "doctor"), Arc::new(Outbox::new(1)), inbox);
    let (client, eventloop) = AsyncClient::new(connection.options(), 16);
    let mut wire = Wire::start(client, eventloop);
    let session = connection.wait_for(&mut wire, Wanted::Session).await;
    if session.is_ok() {
        wire.disconnect().await;
    }
    wire.stop();
    session.map_err(|cause| connection.explain(&cause))
}

/// Why a session ended.
enum End {
    Shutdown,
    Lost(String),
}

impl Connection {
    pub fn new(settings: Mqtt, topics: Topics, outbox: Arc<Outbox>, inbox: Inbox) -> Self {
        let monitor = Monitor::new(outbox.clone());
        Self { settings, topics, outbox, inbox, monitor }
    }

    /// To be taken before [`run`](Self::run).
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// Connects, and connects again after every loss; returns after shutdown, with `offline` published if there was a
    /// session.
    pub async fn run(self, shutdown: Shutdown) {
        let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        let mut last_cause = String::new();
        loop {
            let started = Instant::now();
            let end = self.session(&shutdown).await;
            self.monitor.ended();
            self.outbox.disconnected();
            let End::Lost(cause) = end else { return };
            self.monitor.failed();
            if started.elapsed() >= GOOD_SESSION {
                backoff.reset();
            }
            let wait = backoff.next_wait(fastrand::f64());
            // The same cause every minute for a night is one line in the log, not five hundred.
            if cause == last_cause {
                tracing::debug!(broker = %self.settings.broker, cause, retry_in_ms = wait.as_millis() as u64, "no broker");
            } else {
                tracing::warn!(broker = %self.settings.broker, cause, retry_in_ms = wait.as_millis() as u64, "no broker");
            }
            last_cause = cause;
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.wait() => return,
            }
        }
    }

    async fn session(&self, shutdown: &Shutdown) -> End {
        let mut options = self.options();
        options.set_last_will(LastWill::new(&self.topics.status, "offline", QoS::AtLeastOnce, true));
        let (client, eventloop) = AsyncClient::new(options, 16);
        let mut wire = Wire::start(client, eventloop);
        let end = tokio::select! {
            end = self.serve(&mut wire, shutdown) => end,
            // A message on its way may still be acknowledged, so that it is not sent twice.
            () = async { shutdown.wait().await; tokio::time::sleep(LAST_ACK).await } => End::Shutdown,
        };
        if matches!(end, End::Shutdown) && self.monitor.is_connected() {
            let farewell = timeout(FAREWELL, self.say_farewell(&mut wire)).await;
            if farewell.is_err() {
                tracing::warn!("the broker did not acknowledge `offline` in time; its will says it instead");
            }
        }
        wire.stop();
        end
    }

    /// Waits for the session, then sends what is in the outbox, one acknowledged message after another.
    async fn serve(&self, wire: &mut Wire, shutdown: &Shutdown) -> End {
        if let Err(cause) = self.begin(wire).await {
            return End::Lost(self.explain(&cause));
        }
        self.monitor.began();
        self.outbox.connected();
        tracing::info!(broker = %self.settings.broker, client_id = %self.settings.client_id, "connected to the broker");
        let dropped = self.outbox.dropped().event;
        if dropped > 0 {
            tracing::warn!(dropped, "events were dropped while the broker was away (since start)");
        }
        loop {
            while let Some((ticket, message)) = self.outbox.take() {
                if let Err(cause) = self.send(wire, ticket, message).await {
                    return End::Lost(self.explain(&cause));
                }
            }
            tokio::select! {
                () = self.outbox.wait() => {}
                () = shutdown.wait() => return End::Shutdown,
                lost = self.wait_for(wire, Wanted::Nothing) => match lost {
                    Ok(()) => {}
                    Err(cause) => return End::Lost(self.explain(&cause)),
                },
            }
        }
    }

    /// The session, and what it is subscribed to.
    async fn begin(&self, wire: &mut Wire) -> Result<(), Loss> {
        self.wait_for(wire, Wanted::Session).await?;
        if !self.inbox.subscriptions.is_empty() {
            wire.subscribe(&self.inbox.subscriptions)?;
            timeout(ACK_TIMEOUT, self.wait_for(wire, Wanted::SubAck)).await.map_err(|_| Loss::NoAck)??;
        }
        Ok(())
    }

    /// Sends one message; it leaves the outbox when its acknowledgement comes.
    async fn send(&self, wire: &mut Wire, ticket: Ticket, message: Message) -> Result<(), Loss> {
        let delivery = message.delivery;
        wire.publish(message)?;
        if delivery != Delivery::Live {
            timeout(ACK_TIMEOUT, self.wait_for(wire, Wanted::Ack)).await.map_err(|_| Loss::NoAck)??;
            self.outbox.acknowledge(ticket);
        }
        self.monitor.published(delivery);
        Ok(())
    }

    /// What is still queued, then `offline`, then a clean DISCONNECT, which makes the broker forget the will.
    async fn say_farewell(&self, wire: &mut Wire) {
        while let Some((ticket, message)) = self.outbox.take() {
            if self.send(wire, ticket, message).await.is_err() {
                return;
            }
        }
        let offline = Message {
            topic: self.topics.status.clone(),
            payload: "offline".into(),
            delivery: Delivery::Latest,
            retain: true,
        };
        if wire.publish(offline).is_ok() && self.wait_for(wire, Wanted::Ack).await.is_ok() {
            wire.disconnect().await;
        }
    }

    /// Waits for a packet, and attends to those that come before it.
    async fn wait_for(&self, wire: &mut Wire, wanted: Wanted) -> Result<(), Loss> {
        loop {
            let event = match wire.events.recv().await {
                None => return Err(Loss::Closed),
                Some(event) => event.map_err(|error| Loss::Error(Box::new(error)))?,
            };
            match event {
                Event::Incoming(Packet::ConnAck(_)) if wanted == Wanted::Session => return Ok(()),
                Event::Incoming(Packet::PubAck(_)) if wanted == Wanted::Ack => return Ok(()),
                Event::Incoming(Packet::SubAck(answer)) => {
                    self.report_refusals(&answer);
                    if wanted == Wanted::SubAck {
                        return Ok(());
                    }
                }
                Event::Incoming(Packet::Publish(publish)) => self.deliver(publish),
                _ => {}
            }
            if wanted == Wanted::Nothing {
                return Ok(());
            }
        }
    }

    fn deliver(&self, publish: Publish) {
        let Publish { topic, payload, retain, .. } = publish;
        let taken = self.inbox.deliver(Incoming { topic, payload: payload.to_vec(), retained: retain });
        self.monitor.received(taken);
    }

    fn report_refusals(&self, answer: &SubAck) {
        for (topic, code) in self.inbox.subscriptions.iter().zip(&answer.return_codes) {
            if *code == SubscribeReasonCode::Failure {
                let hint = "commands on it will not arrive; does the broker's ACL let this user read it?";
                tracing::warn!(topic, hint, "the broker refused a subscription");
            }
        }
    }

    fn options(&self) -> MqttOptions {
        let Mqtt { broker, client_id, username, password, keepalive, .. } = &self.settings;
        let mut options = MqttOptions::new(client_id, &broker.host, broker.port);
        options.set_keep_alive(*keepalive);
        options.set_clean_session(true);
        options.set_max_packet_size(MAX_PACKET_BYTES, MAX_PACKET_BYTES);
        if let Some(username) = username {
            options.set_credentials(username, password.as_ref().map_or("", |password| password.reveal()));
        }
        options
    }

    /// In plain words, with what to do about it.
    fn explain(&self, loss: &Loss) -> String {
        match loss {
            Loss::NoAck => format!("no acknowledgement within {} s", ACK_TIMEOUT.as_secs()),
            Loss::Closed => "the connection's task ended".into(),
            Loss::Full => "the library's queue is full".into(),
            Loss::Error(error) => match &**error {
                ConnectionError::NetworkTimeout => format!("no answer within {NETWORK_TIMEOUT_S} s"),
                ConnectionError::FlushTimeout => "the broker takes no more bytes".into(),
                ConnectionError::ConnectionRefused(code) => refusal(*code).into(),
                ConnectionError::NotConnAck(_) => "the answer was not MQTT's CONNACK; is this port a broker's?".into(),
                ConnectionError::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    "connection refused; is the broker running, and is this its port?".into()
                }
                ConnectionError::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    "the answer was not MQTT; is this port a broker's?".into()
                }
                ConnectionError::Io(error) => error.to_string(),
                ConnectionError::MqttState(_) if !self.monitor.is_connected() => {
                    "the answer was not MQTT; is this port a broker's?".into()
                }
                ConnectionError::MqttState(error) => format!("the connection broke: {error}"),
                other => other.to_string(),
            },
        }
    }
}

fn refusal(code: ConnectReturnCode) -> &'static str {
    match code {
        ConnectReturnCode::BadUserNamePassword => "the broker refused the user name or the password",
        ConnectReturnCode::NotAuthorized => {
            "the broker does not allow this client; check `username`, `password_file` and its ACL"
        }
        ConnectReturnCode::BadClientId => "the broker refused the client id; set another `client_id`",
        ConnectReturnCode::RefusedProtocolVersion => "the broker does not speak MQTT 3.1.1",
        ConnectReturnCode::ServiceUnavailable => "the broker says it is unavailable",
        ConnectReturnCode::Success => "the broker refused and gave no reason",
    }
}

enum Loss {
    Error(Box<ConnectionError>),
    NoAck,
    Full,
    Closed,
}

#[derive(PartialEq, Eq)]
enum Wanted {
    Session,
    Ack,
    SubAck,
    /// Whatever comes next.
    Nothing,
}

/// The library's event loop on a task of its own: its `poll` must not be cancelled half-way, as a `select` would.
struct Wire {
    client: AsyncClient,
    events: mpsc::Receiver<Result<Event, ConnectionError>>,
    task: tokio::task::JoinHandle<()>,
}

impl Wire {
    fn start(client: AsyncClient, mut eventloop: EventLoop) -> Self {
        let mut network = NetworkOptions::new();
        network.set_connection_timeout(NETWORK_TIMEOUT_S);
        network.set_tcp_nodelay(true);
        eventloop.set_network_options(network);
        let (sender, events) = mpsc::channel(64);
        let task = tokio::spawn(async move {
            loop {
                let event = eventloop.poll().await;
                let failed = event.is_err();
                if sender.send(event).await.is_err() || failed {
                    return;
                }
            }
        });
        Self { client, events, task }
    }

    fn publish(&self, message: Message) -> Result<(), Loss> {
        let qos = match message.delivery {
            Delivery::Live => QoS::AtMostOnce,
            Delivery::Latest | Delivery::Event => QoS::AtLeastOnce,
        };
        self.client.try_publish(message.topic, qos, message.retain, message.payload).map_err(|_| Loss::Full)
    }

    fn subscribe(&self, filters: &[String]) -> Result<(), Loss> {
        let filters = filters.iter().map(|filter| SubscribeFilter::new(filter.clone(), QoS::AtLeastOnce));
        self.client.try_subscribe_many(filters).map_err(|_| Loss::Full)
    }

    async fn disconnect(&mut self) {
        if self.client.try_disconnect().is_ok() {
            // Until the packet is on the wire; what comes after it does not matter.
            while let Some(Ok(event)) = self.events.recv().await {
                if event == Event::Outgoing(Outgoing::Disconnect) {
                    break;
                }
            }
        }
    }

    fn stop(self) {
        self.task.abort();
    }
}
