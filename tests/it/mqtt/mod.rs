//! The connection to a real mosquitto, with what goes wrong between them.

mod commands;
mod diagnose;
mod limits;
mod namespace;
mod outages;
mod proxy;
mod rabbitmq;
mod renamed;
mod scripted;
mod tls;
mod two_devices;
mod upgraded;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use glimpsed_base::shutdown::Shutdown;
use glimpsed_core::config::Sources;
use glimpsed_core::config::typed::Mqtt;
use glimpsed_core::sinks::mqtt::Topics;
use glimpsed_mqtt::{Connection, Counters, Delivery, Inbox, Incoming, Message, Monitor, Outbox};
use tokio::sync::mpsc::Receiver;

use crate::support::{ConfigFile, PATIENCE, Subscriber};

/// The settings that a file with this `[mqtt]` table leads to.
fn settings(url: &str, rest: &str) -> Mqtt {
    let file = ConfigFile::new(&format!("[device]\nid = \"test\"\n[mqtt]\nurl = {url:?}\n{rest}"));
    let sources = Sources::read(file.path().as_ref()).expect("readable");
    sources.load().expect("valid").mqtt.expect("a broker")
}

/// A connection on a thread of its own, with what the daemon would hold of it.
struct Device {
    outbox: Arc<Outbox>,
    monitor: Monitor,
    commands: Receiver<Incoming>,
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
}

impl Device {
    fn start(settings: Mqtt) -> Self {
        let topics = Topics::new(&settings.base_topic, "test", &Default::default());
        let outbox = Arc::new(Outbox::new(settings.buffer));
        outbox.push(Message::new(topics.status.clone(), "online", Delivery::Latest, true));
        let goodbye = Message::new(topics.status, "offline", Delivery::Latest, true);
        let subscriptions = ["glimpsed/test/+/set", "glimpsed/test/request/+"].map(str::to_owned).to_vec();
        let (inbox, commands) = Inbox::new(subscriptions);
        let connection = Connection::new(settings.connection, goodbye, outbox.clone(), inbox);
        let (monitor, shutdown) = (connection.monitor(), Shutdown::new());
        let run = connection.run(shutdown.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(run);
            runtime.shutdown_background();
        });
        Self { outbox, monitor, commands, shutdown, thread: Some(thread) }
    }

    fn counters(&self) -> Counters {
        self.monitor.counters()
    }

    /// Waits until the counters are so.
    fn until(&self, what: &str, reached: impl Fn(&Counters) -> bool) -> Counters {
        // The longest wait between two tries to connect is a minute.
        let deadline = Instant::now() + 3 * PATIENCE;
        loop {
            let counters = self.counters();
            if reached(&counters) {
                return counters;
            }
            assert!(Instant::now() < deadline, "not {what}: {counters:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn connected(&self) -> Counters {
        self.until("connected", |counters| counters.connected)
    }

    fn idle(&self) -> Counters {
        self.until("idle", |counters| counters.connected && counters.waiting == 0)
    }

    fn events(&self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.push("event", &number.to_string(), Delivery::Event);
        }
    }

    /// Asserts that no thread that labels would ever wait for this.
    fn push(&self, topic: &str, payload: &str, delivery: Delivery) {
        let (topic, retain) = (format!("glimpsed/test/{topic}"), delivery == Delivery::Latest);
        let started = Instant::now();
        self.outbox.push(Message::new(topic, payload, delivery, retain));
        // A lock and a copy take a microsecond; a busy machine may take the processor away meanwhile.
        assert!(started.elapsed() < Duration::from_millis(200), "a push took {:?}", started.elapsed());
    }

    /// Asks it to stop; returns how long that took.
    fn stop(mut self) -> Duration {
        let started = Instant::now();
        self.shutdown.trigger();
        self.thread.take().expect("running").join().expect("no panic");
        started.elapsed()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}

/// The numbers of the events that arrive, until `last` does.
fn events_until(subscriber: &mut Subscriber, last: u32) -> Vec<u32> {
    let mut numbers = Vec::new();
    subscriber.find("the last event", |message| {
        if message.topic.ends_with("/event") {
            numbers.push(message.payload.parse().ok()?);
        }
        (numbers.last() == Some(&last)).then_some(())
    });
    numbers
}

/// Seconds of CPU that this process has used; under nextest a test is a process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields[place].parse::<f64>().expect("a number");
    // utime and stime, in hundredths: USER_HZ is 100 wherever Linux shows them.
    (ticks(11) + ticks(12)) / 100.0
}

/// Resident memory of this process in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}
