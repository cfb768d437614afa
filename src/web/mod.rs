//! The web page, the HTTP interface and the metrics.
//!
//! They have a thread and an asynchronous runtime of their own, so that whoever watches does not delay the broker's
//! connection. Pictures are decoded and encoded on at most two threads beside it.

mod admission;
mod api;
mod assets;
mod classify;
mod connection;
mod events;
mod exposition;
mod guard;
mod login;
mod metrics;
mod openapi;
mod probes;
mod problem;
mod process;
mod router;
mod schemas;
mod server;
mod session;
mod stream;
mod view;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use crate::bus::commands::Commands;
use crate::bus::hub::Hub;
use crate::bus::preview::Preview;
use crate::config::typed::Http;
use crate::domain::health;
use crate::domain::health::Health;
use crate::error::{Error, Result};
use crate::pipeline::orders::Orders;
use crate::pipeline::uploads::Uploads;
use crate::sinks::mqtt::Traffic;
use glimpsed_base::clock::Clock;
use glimpsed_base::liveness::Pulse;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::thread::Thread;
pub use metrics::Metrics;
pub use view::View;

/// Threads that decode and encode pictures.
const MAX_WORKERS: usize = 2;

/// For streams to end and answers to be finished; what is left then is cut.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// The page's and the interface's view of the rest of the daemon.
#[derive(Clone)]
pub struct Parts {
    pub commands: Commands,
    pub orders: Orders,
    pub uploads: Uploads,
    pub preview: Arc<Preview>,
    pub view: View,
    pub metrics: Metrics,
    /// Its own, so that its looks do not disturb the rates of those that are published.
    pub monitor: Arc<Mutex<crate::telemetry::health::Monitor>>,
    pub traffic: Arc<Mutex<Option<Traffic>>>,
    pub clock: Arc<dyn Clock>,
    /// When the daemon did.
    pub started: Timestamp,
    /// The threads that have given their word.
    pub pulses: Vec<Pulse>,
}

impl Parts {
    /// Attaches what listens to the hub.
    pub fn attach(&self, hub: &Hub) {
        hub.attach("view", Box::new(self.view.clone()));
        hub.attach("metrics", Box::new(self.metrics.clone()));
    }

    fn look(&self) -> Health {
        let traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let broker = traffic.map(|traffic| traffic.counters());
        self.monitor.lock().unwrap_or_else(PoisonError::into_inner).look(broker)
    }
}

/// What is asked of one configuration: everything that a request needs.
struct Site {
    parts: Parts,
    settings: Http,
    /// Whether the live picture may be seen.
    preview: bool,
    stale_after: Duration,
    hostname: String,
    door: Option<session::Door>,
    pictures: watch::Sender<Option<Arc<stream::Picture>>>,
    /// Somebody has begun to watch.
    watched: Notify,
    /// Whoever watches the picture, and whoever listens to the events.
    streams: Arc<Semaphore>,
    events: Arc<Semaphore>,
    snapshots: Semaphore,
    budget: classify::Budget,
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
}

/// Whether it listens, for the daemon's health.
#[derive(Debug, Default)]
pub struct Status {
    pub listening: AtomicBool,
    address: Mutex<Option<SocketAddr>>,
}

impl Status {
    fn set_address(&self, address: SocketAddr) {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }
}

/// What of the configuration matters here.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub http: Http,
    pub preview: bool,
    /// Without a frame for this long, labels are not fresh.
    pub stale_after: Duration,
}

/// The server while it runs.
pub struct Web {
    thread: Thread,
    shutdown: Shutdown,
    status: Arc<Status>,
}

impl Web {
    /// # Errors
    /// When the system has no thread left.
    pub fn start(settings: Settings, parts: Parts) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(MAX_WORKERS)
            .thread_name("web-worker")
            .build()
            .map_err(Error::io("cannot start the web server's runtime"))?;
        let (shutdown, status) = (Shutdown::new(), Arc::<Status>::default());
        let address = settings.http.listen;
        let site = Arc::new(Site::new(settings, parts, shutdown.clone()));
        let (until, told) = (shutdown.clone(), status.clone());
        let thread = Thread::spawn("web", move || {
            runtime.block_on(async {
                let helpers = [tokio::spawn(stream::develop(site.clone())), tokio::spawn(events::vitals(site.clone()))];
                server::serve(address, router::router(site), told, until).await;
                helpers.iter().for_each(tokio::task::JoinHandle::abort);
            });
            // A picture that is being decoded is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self { thread, shutdown, status })
    }

    /// As the daemon's health has it.
    pub fn health(&self) -> health::Web {
        let address = *self.status.address.lock().unwrap_or_else(PoisonError::into_inner);
        health::Web { listening: self.status.listening.load(Ordering::Relaxed), address }
    }

    /// Ends the streams and closes the port.
    pub async fn stop(mut self, deadline: Instant) {
        self.shutdown.trigger();
        // Whether it panicked matters no more.
        let _ = self.thread.join(deadline.min(Instant::now() + STOP_WITHIN)).await;
    }
}

impl Site {
    fn new(settings: Settings, parts: Parts, shutdown: Shutdown) -> Self {
        let Settings { http, preview, stale_after } = settings;
        Self {
            hostname: hostname(),
            door: http.token.as_ref().map(session::Door::new),
            pictures: watch::Sender::default(),
            watched: Notify::new(),
            streams: Arc::new(Semaphore::new(http.max_clients)),
            events: Arc::new(Semaphore::new(http.max_clients)),
            snapshots: Semaphore::new(1),
            budget: classify::Budget::new(),
            clock: parts.clock.clone(),
            settings: http,
            preview,
            stale_after,
            shutdown,
            parts,
        }
    }
}

/// Without its domain.
fn hostname() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    name.split('.').next().unwrap_or_default().to_owned()
}
