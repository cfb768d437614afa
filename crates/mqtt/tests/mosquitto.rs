//! A connection with a real broker: what is published arrives, what waited for an outage too, and a clean stop says goodbye.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "a test")]

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use glimpsed_base::shutdown::Shutdown;
use glimpsed_mqtt::{Connection, Delivery, Inbox, Incoming, Message, Options, Outbox};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(20);

/// A mosquitto on a port of loopback, which ends with this value.
struct Broker {
    process: Child,
    port: u16,
}

impl Broker {
    /// `None`, and a word about it, where mosquitto is not installed.
    fn start(port: u16) -> Option<Self> {
        let mut command = Command::new("mosquitto");
        command.args(["-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        match command.spawn() {
            Ok(process) => Some(Self { process, port }),
            Err(error) => {
                eprintln!("SKIPPED: mosquitto cannot be started: {error}");
                None
            }
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A client that runs.
struct Client {
    outbox: Arc<Outbox>,
    incoming: Receiver<Incoming>,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Client {
    fn start(name: &str, port: u16, filters: &[&str]) -> Self {
        Self::with(Arc::new(Outbox::new(100)), name, port, filters)
    }

    /// A client of which messages are waiting already.
    fn with(outbox: Arc<Outbox>, name: &str, port: u16, filters: &[&str]) -> Self {
        let options = Options {
            broker: format!("mqtt://127.0.0.1:{port}").parse().expect("an address"),
            tls: None,
            version: None,
            client_id: name.into(),
            username: None,
            password: None,
            keepalive: Duration::from_secs(30),
            software: "test".into(),
        };
        let (inbox, incoming) = Inbox::new(filters.iter().map(|&filter| filter.to_owned()).collect());
        let goodbye = Message::new(format!("{name}/status"), "offline", Delivery::Latest, true);
        let shutdown = Shutdown::new();
        let connection = Connection::new(options, goodbye, outbox.clone(), inbox);
        let task = tokio::spawn(connection.run(shutdown.clone()));
        Self { outbox, incoming, shutdown, task }
    }

    fn publish(&self, topic: &str, payload: &str, delivery: Delivery) {
        self.outbox.push(Message::new(topic, payload, delivery, delivery == Delivery::Latest));
    }

    /// The next message that arrives, as topic and text.
    async fn receive(&mut self) -> (String, String) {
        let message = tokio::time::timeout(PATIENCE, self.incoming.recv()).await.expect("in time").expect("a message");
        (message.topic, String::from_utf8(message.payload).expect("text"))
    }

    async fn stop(self) {
        self.shutdown.trigger();
        tokio::time::timeout(PATIENCE, self.task).await.expect("in time").expect("no panic");
    }
}

fn pair(topic: &str, payload: &str) -> (String, String) {
    (topic.into(), payload.into())
}

#[tokio::test]
async fn a_message_arrives_and_a_clean_stop_says_goodbye() {
    let Some(broker) = Broker::start(free_port()) else { return };
    let mut listener = Client::start("listener", broker.port, &["shelf/#"]);
    let shelf = Client::start("shelf", broker.port, &[]);
    shelf.publish("shelf/status", "online", Delivery::Latest);
    assert_eq!(listener.receive().await, pair("shelf/status", "online"));
    shelf.publish("shelf/event", "espresso", Delivery::Event);
    assert_eq!(listener.receive().await, pair("shelf/event", "espresso"));
    shelf.stop().await;
    assert_eq!(listener.receive().await, pair("shelf/status", "offline"));
    listener.stop().await;
}

#[tokio::test]
async fn what_waited_for_a_session_arrives_events_in_order_and_of_a_state_the_newest() {
    let Some(broker) = Broker::start(free_port()) else { return };
    let mut listener = Client::start("listener", broker.port, &["shelf/event", "shelf/state"]);
    // Its own message comes back: it has subscribed.
    listener.publish("shelf/state", "before", Delivery::Event);
    assert_eq!(listener.receive().await, pair("shelf/state", "before"));
    let outbox = Arc::new(Outbox::new(100));
    for number in 0..20 {
        outbox.push(Message::new("shelf/event", number.to_string(), Delivery::Event, false));
        outbox.push(Message::new("shelf/state", format!("state {number}"), Delivery::Latest, true));
    }
    let shelf = Client::with(outbox, "shelf", broker.port, &[]);
    let mut events = Vec::new();
    let mut states = Vec::new();
    while events.len() < 20 || states.is_empty() {
        let (topic, payload) = listener.receive().await;
        if topic == "shelf/event" { &mut events } else { &mut states }.push(payload);
    }
    assert_eq!(events, (0..20).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(states, ["state 19"]);
    shelf.stop().await;
    listener.stop().await;
}
