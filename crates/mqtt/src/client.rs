//! The client: session after session with the broker, until shutdown.
//!
//! Only rumqttc's codecs are used, because its event loop reconnects without back-off, discards its queue when the
//! broker has no session, and cannot check the certificate for another name than the host's. Here the back-off is our
//! own, and a message leaves the outbox only when the broker has acknowledged it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::inbox::Inbox;
use crate::link::Link;
use crate::loss::Loss;
use crate::message::Message;
use crate::monitor::Monitor;
use crate::negotiation::Negotiation;
use crate::options::Options;
use crate::outbox::Outbox;
use crate::pace::{GOOD_SESSION, Pace};
use crate::session::Session;
use crate::suspects::{Suspect, Suspects};
use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::sync::Mutex;

/// The time limit on shutdown for writing DISCONNECT and closing the stream.
const GOODBYE: Duration = Duration::from_millis(200);

/// The client: keeps a session with the broker until shutdown, and starts a new one after each loss.
pub struct Connection {
    options: Options,
    goodbye: Goodbye,
    outbox: Arc<Outbox>,
    inbox: Inbox,
    monitor: Monitor,
}

impl Connection {
    /// `goodbye` is the last will, which the broker publishes when the connection is lost; on a clean stop it is
    /// published here. `outbox` holds the messages to send, `inbox` takes the received ones.
    pub fn new(options: Options, goodbye: Message, outbox: Arc<Outbox>, inbox: Inbox) -> Self {
        let monitor = Monitor::new(outbox.clone());
        let last = Arc::new(Mutex::new(goodbye.clone()));
        Self { options, goodbye: Goodbye { will: goodbye, last }, outbox, inbox, monitor }
    }

    /// A handle to replace what is published on a clean stop, to be taken before [`run`](Self::run).
    pub fn farewell(&self) -> Farewell {
        Farewell(self.goodbye.last.clone())
    }

    /// A view of the connection's state, to be taken before [`run`](Self::run), which consumes the connection.
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// Connects, and reconnects with back-off after every loss. Returns after shutdown, with `goodbye` published if
    /// there was a session.
    pub async fn run(self, shutdown: Shutdown) {
        let mut memory = Memory {
            negotiation: Negotiation::new(&self.options, self.goodbye.will.clone()),
            suspects: Suspects::default(),
            dropped: 0,
            told_limits: None,
        };
        let mut pace = Pace::new();
        let mut last_cause = String::new();
        loop {
            let mut held = Held::default();
            let end = self.session(&shutdown, &mut memory, &mut held).await;
            self.monitor.ended();
            self.outbox.disconnected();
            self.tell_losses(&mut memory.dropped);
            let Err(loss) = end else { return };
            let cause = loss.to_string();
            self.monitor.failed(&cause);
            let lasted = held.began.map(|began| began.elapsed());
            let wait = pace.wait_after(&loss, lasted, held.oldest.is_some(), fastrand::f64());
            let good = lasted.is_some_and(|lasted| lasted >= GOOD_SESSION);
            if let Some(Suspect { topic, bytes }) = memory.suspects.ended(&loss, good, held.oldest) {
                let hint = "the broker may take no message of this size, with QoS 1 or retained, or not on this topic; its log says more";
                tracing::warn!(topic, bytes, hint, "a message ends session after session; it is left out");
            }
            if pace.has_twin(&loss) {
                let client_id = &self.options.client_id;
                let hint =
                    "give each its own `client_id` in [mqtt]; copies of one system's disk share the machine's id";
                tracing::warn!(
                    client_id,
                    hint,
                    "another client seems to use the same client id: each throws the other out"
                );
            }
            let retry_in_ms = wait.as_millis() as u64;
            // A repeated cause is logged as a warning only once, not every minute.
            if cause == last_cause {
                tracing::debug!(broker = %self.options.broker, cause, retry_in_ms, "not connected to the broker");
            } else {
                tracing::warn!(broker = %self.options.broker, cause, retry_in_ms, "not connected to the broker");
            }
            last_cause = cause;
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.wait() => return,
            }
        }
    }

    async fn session(&self, shutdown: &Shutdown, memory: &mut Memory, held: &mut Held) -> Result<(), Loss> {
        let link = tokio::select! {
            link = memory.negotiation.begin(&self.options) => link?,
            () = shutdown.wait() => return Ok(()),
        };
        self.tell_limits(&link, &mut memory.told_limits);
        let (version, keepalive) = (link.version, self.options.keepalive);
        let mut session = Session::new(link, &self.outbox, &self.inbox, &self.monitor, &memory.suspects, keepalive);
        // The session begins when the broker has confirmed the subscriptions.
        tokio::select! {
            subscribed = session.subscribe() => subscribed?,
            () = shutdown.wait() => return Ok(()),
        }
        held.began = Some(Instant::now());
        self.monitor.began();
        self.outbox.connected();
        tracing::info!(broker = %self.options.broker, client_id = %self.options.client_id, %version, "connected to the broker");
        self.tell_losses(&mut memory.dropped);
        let served = session.serve(shutdown).await;
        held.oldest = session.oldest();
        served?;
        let goodbye = self.goodbye.last.lock().clone();
        match session.say_farewell(goodbye).await {
            Ok(true) => {
                // Nothing can be done if DISCONNECT is not sent.
                let _ = timeout(GOODBYE, session.link.end()).await;
            }
            Ok(false) | Err(_) => {
                tracing::warn!("the broker did not acknowledge `offline` in time; its will says it instead");
            }
        }
        Ok(())
    }

    /// Logs how many events were dropped since it was logged last.
    fn tell_losses(&self, told: &mut u64) {
        let in_total = self.outbox.dropped().event;
        if in_total > *told {
            tracing::warn!(dropped = in_total - *told, in_total, "events were dropped");
            *told = in_total;
        }
    }

    /// Logs what the broker cannot do, and what that means; again only when it changes.
    fn tell_limits(&self, link: &Link, told: &mut Option<(bool, bool)>) {
        let now = (link.limits.acknowledges, link.limits.retains);
        if told.replace(now) == Some(now) {
            return;
        }
        let broker = &self.options.broker;
        if !link.limits.acknowledges {
            let hint = "messages that are under way when the connection breaks are lost, and nobody can tell";
            tracing::warn!(%broker, hint, "the broker takes QoS 0 only");
        }
        if !link.limits.retains {
            let hint =
                "a later subscriber gets nothing until the next message; a restart of Home Assistant asks for all";
            tracing::warn!(%broker, hint, "the broker retains nothing");
        }
    }
}

/// The last messages of a session: the one that the broker publishes, and the one that is published here.
struct Goodbye {
    will: Message,
    last: Arc<Mutex<Message>>,
}

/// Replaces what a connection publishes on a clean stop.
#[derive(Debug, Clone)]
pub struct Farewell(Arc<Mutex<Message>>);

impl Farewell {
    /// `message` is published instead of the goodbye.
    pub fn set(&self, message: Message) {
        *self.0.lock() = message;
    }
}

/// What is kept from one session to the next.
struct Memory {
    negotiation: Negotiation,
    suspects: Suspects,
    /// The number of dropped events that was logged.
    dropped: u64,
    /// The broker's limits that were logged: QoS 1, retain.
    told_limits: Option<(bool, bool)>,
}

/// How far a session came.
#[derive(Default)]
struct Held {
    began: Option<Instant>,
    /// The oldest message under way at its end.
    oldest: Option<Suspect>,
}
