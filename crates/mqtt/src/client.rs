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
use crate::options::Options;
use crate::outbox::Outbox;
use crate::pace::Pace;
use crate::session::Session;
use crate::transport;
use glimpsed_base::shutdown::Shutdown;

/// The time limit on shutdown for writing DISCONNECT and closing the stream.
const GOODBYE: Duration = Duration::from_millis(200);

/// The client: keeps a session with the broker until shutdown, and starts a new one after each loss.
pub struct Connection {
    options: Options,
    goodbye: Message,
    outbox: Arc<Outbox>,
    inbox: Inbox,
    monitor: Monitor,
}

impl Connection {
    /// `goodbye` is the last will, which the broker publishes when the connection is lost; on a clean stop it is
    /// published here. `outbox` holds the messages to send, `inbox` takes the received ones.
    pub fn new(options: Options, goodbye: Message, outbox: Arc<Outbox>, inbox: Inbox) -> Self {
        let monitor = Monitor::new(outbox.clone());
        Self { options, goodbye, outbox, inbox, monitor }
    }

    /// A view of the connection's state, to be taken before [`run`](Self::run), which consumes the connection.
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// Connects, and reconnects with back-off after every loss. Returns after shutdown, with `goodbye` published if
    /// there was a session.
    pub async fn run(self, shutdown: Shutdown) {
        let mut pace = Pace::new();
        let mut last_cause = String::new();
        // The number of dropped events that was logged.
        let mut told = 0;
        loop {
            let mut began: Option<Instant> = None;
            let end = self.session(&shutdown, &mut began, &mut told).await;
            self.monitor.ended();
            self.outbox.disconnected();
            let Err(loss) = end else { return };
            self.monitor.failed();
            let wait = pace.wait_after(&loss, began.map(|began| began.elapsed()), fastrand::f64());
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
            let (cause, retry_in_ms) = (loss.to_string(), wait.as_millis() as u64);
            // A repeated cause is logged as a warning only once, not every minute.
            if cause == last_cause {
                tracing::debug!(broker = %self.options.broker, cause, retry_in_ms, "no broker");
            } else {
                tracing::warn!(broker = %self.options.broker, cause, retry_in_ms, "no broker");
            }
            last_cause = cause;
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.wait() => return,
            }
        }
    }

    async fn session(&self, shutdown: &Shutdown, began: &mut Option<Instant>, told: &mut u64) -> Result<(), Loss> {
        let mut session = tokio::select! {
            session = self.begin() => session?,
            () = shutdown.wait() => return Ok(()),
        };
        *began = Some(Instant::now());
        self.monitor.began();
        self.outbox.connected();
        tracing::info!(broker = %self.options.broker, client_id = %self.options.client_id, "connected to the broker");
        let dropped = self.outbox.dropped().event;
        if dropped > *told {
            tracing::warn!(
                dropped = dropped - *told,
                in_total = dropped,
                "events were dropped while the broker was away"
            );
            *told = dropped;
        }
        session.serve(shutdown).await?;
        match session.say_farewell(self.goodbye.clone()).await {
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

    /// Connects, and returns a session in which the broker has confirmed the subscriptions.
    async fn begin(&self) -> Result<Session<'_>, Loss> {
        let Options { broker, tls, client_id, keepalive, .. } = &self.options;
        let stream = transport::open(broker, tls.as_ref()).await?;
        let link = Link::begin(stream, &self.options, client_id, Some(&self.goodbye)).await?;
        let mut session = Session::new(link, &self.outbox, &self.inbox, &self.monitor, *keepalive);
        session.subscribe().await?;
        Ok(session)
    }
}
