//! The connection to the broker. Only this file names rumqttc.
//!
//! rumqttc reconnects at once and without delay, and throws its queue away when the broker has no session; so each
//! connection here gets a client of its own, the waits between them are ours, and a message leaves the outbox for good
//! only when the broker has acknowledged it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, Incoming, LastWill, MqttOptions, NetworkOptions,
    Outgoing, QoS,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::outbox::{Delivery, Message, Outbox};
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

/// What the library accepts and sends; its own default of 10 KiB would cut a connection over a long payload.
const MAX_PACKET_BYTES: usize = 1 << 20;

/// On shutdown: for the acknowledgement of the message that is on its way.
const LAST_ACK: Duration = Duration::from_millis(250);

/// On shutdown: for what is queued and the `offline` behind it. The whole stop has two seconds.
const FAREWELL: Duration = Duration::from_millis(750);

/// What happened so far.
#[derive(Debug, Default)]
pub struct Counters {
    pub connected: AtomicBool,
    pub connects: AtomicU64,
    pub published: AtomicU64,
}

/// Keeps a session with the broker until shutdown.
pub struct Connection {
    settings: Mqtt,
    topics: Topics,
    outbox: Arc<Outbox>,
    counters: Arc<Counters>,
}

/// Connects once, as the daemon would, and leaves again. Under a client id of its own: the broker would throw out a daemon
/// of the same name.
///
/// # Errors
/// Why there is no session, in plain words.
pub async fn probe(settings: &Mqtt) -> Result<(), String> {
    let mut settings = settings.clone();
    settings.client_id.push_str("-doctor");
    let connection = Connection::new(settings, Topics::new("glimpsed", "doctor"), Arc::new(Outbox::new(1)));
    let (client, eventloop) = AsyncClient::new(connection.options(), 16);
    let mut wire = Wire::start(client, eventloop);
    let session = wire.wait_for(Wanted::Session).await;
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
    pub(super) fn new(settings: Mqtt, topics: Topics, outbox: Arc<Outbox>) -> Self {
        Self { settings, topics, outbox, counters: Arc::default() }
    }

    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Connects, and connects again after every loss; returns after shutdown, with `offline` published if there was a
    /// session.
    pub async fn run(self, shutdown: Shutdown) {
        let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        let mut last_cause = String::new();
        loop {
            let started = Instant::now();
            let end = self.session(&shutdown).await;
            self.counters.connected.store(false, Ordering::Relaxed);
            self.outbox.disconnected();
            let End::Lost(cause) = end else { return };
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
        if matches!(end, End::Shutdown) && self.counters.connected.load(Ordering::Relaxed) {
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
        if let Err(cause) = wire.wait_for(Wanted::Session).await {
            return End::Lost(self.explain(&cause));
        }
        self.counters.connected.store(true, Ordering::Relaxed);
        self.counters.connects.fetch_add(1, Ordering::Relaxed);
        self.outbox.connected();
        tracing::info!(broker = %self.settings.broker, client_id = %self.settings.client_id, "connected to the broker");
        let dropped = self.outbox.dropped();
        if dropped > 0 {
            tracing::warn!(dropped, "messages were dropped while the broker was away (since start)");
        }
        loop {
            while let Some(message) = self.outbox.pop() {
                if let Err(cause) = self.send(wire, message).await {
                    return End::Lost(self.explain(&cause));
                }
            }
            tokio::select! {
                () = self.outbox.wait() => {}
                () = shutdown.wait() => return End::Shutdown,
                lost = wire.wait_for(Wanted::Nothing) => match lost {
                    Ok(()) => {}
                    Err(cause) => return End::Lost(self.explain(&cause)),
                },
            }
        }
    }

    /// Sends one message; an acknowledged one goes back into the outbox unless the acknowledgement came.
    async fn send(&self, wire: &mut Wire, message: Message) -> Result<(), Loss> {
        let mut unsent = Unsent { outbox: &self.outbox, message: Some(message.clone()) };
        wire.publish(&message)?;
        if message.delivery == Delivery::Latest {
            timeout(ACK_TIMEOUT, wire.wait_for(Wanted::Ack)).await.map_err(|_| Loss::NoAck)??;
        }
        unsent.message = None;
        self.counters.published.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// What is still queued, then `offline`, then a clean DISCONNECT, which makes the broker forget the will.
    async fn say_farewell(&self, wire: &mut Wire) {
        while let Some(message) = self.outbox.pop() {
            if self.send(wire, message).await.is_err() {
                return;
            }
        }
        let offline = Message {
            topic: self.topics.status.clone(),
            payload: "offline".into(),
            delivery: Delivery::Latest,
            retain: true,
        };
        if wire.publish(&offline).is_ok() && wire.wait_for(Wanted::Ack).await.is_ok() {
            wire.disconnect().await;
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
                ConnectionError::MqttState(_) if !self.counters.connected.load(Ordering::Relaxed) => {
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

/// Goes back into the outbox when it is dropped before it was acknowledged, also when the session's future is.
struct Unsent<'a> {
    outbox: &'a Outbox,
    message: Option<Message>,
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            self.outbox.put_back(message);
        }
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

    fn publish(&self, message: &Message) -> Result<(), Loss> {
        let qos = match message.delivery {
            Delivery::Live => QoS::AtMostOnce,
            Delivery::Latest => QoS::AtLeastOnce,
        };
        self.client.try_publish(&message.topic, qos, message.retain, message.payload.as_bytes()).map_err(|_| Loss::Full)
    }

    async fn wait_for(&mut self, wanted: Wanted) -> Result<(), Loss> {
        loop {
            match self.events.recv().await {
                None => return Err(Loss::Closed),
                Some(Err(error)) => return Err(Loss::Error(Box::new(error))),
                Some(Ok(Event::Incoming(Incoming::ConnAck(_)))) if wanted == Wanted::Session => return Ok(()),
                Some(Ok(Event::Incoming(Incoming::PubAck(_)))) if wanted == Wanted::Ack => return Ok(()),
                Some(Ok(_)) if wanted == Wanted::Nothing => return Ok(()),
                Some(Ok(_)) => {}
            }
        }
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
