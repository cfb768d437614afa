//! The state that all request handlers share.

use std::path::PathBuf;
use std::sync::Arc;

use glimpsed_base::clock::Clock;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_core::bus::commands::Commands;
use glimpsed_core::bus::hub::Hub;
use glimpsed_core::capture::registry::Registry;
use glimpsed_core::config::typed::Http;
use glimpsed_core::domain::health::Health;
use glimpsed_core::pipeline::orders::Orders;
use glimpsed_core::pipeline::uploads::Uploads;
use glimpsed_core::sinks::mqtt::Traffic;
use glimpsed_core::teach::lessons::Lessons;
use glimpsed_core::teach::teachers::Teachers;
use glimpsed_core::telemetry::health::Monitor;
use glimpsed_core::telemetry::threads::Threads;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::downloads::{Downloads, ModelFiles};
use super::live_state::LiveState;
use super::metrics::Metrics;
use super::pictures::AllPictures;
use super::session::Door;
use glimpsed_base::sync::Mutex;

/// The web server's handles to the rest of the daemon.
#[derive(Clone)]
pub struct Parts {
    pub commands: Commands,
    pub orders: Orders,
    pub uploads: Uploads,
    pub cameras: Registry,
    pub view: LiveState,
    pub metrics: Metrics,
    pub downloads: Downloads,
    pub teachers: Teachers,
    /// A separate monitor, so that a scrape does not change the rates in the published health.
    pub monitor: Arc<Mutex<Monitor>>,
    pub traffic: Arc<Mutex<Option<Traffic>>>,
    pub clock: Arc<dyn Clock>,
    /// When the daemon started.
    pub started: Timestamp,
    /// The threads with a liveness deadline.
    pub threads: Threads,
    /// The configuration file.
    pub file: PathBuf,
}

impl Parts {
    /// Attaches its sinks to the hub.
    pub fn attach(&self, hub: &Hub) {
        hub.attach("view", Box::new(self.view.clone()));
        hub.attach("metrics", Box::new(self.metrics.clone()));
        hub.attach("remembered", Box::new(self.view.remembered.clone()));
    }

    pub(super) fn look(&self) -> Health {
        let traffic = self.traffic.lock().clone();
        let broker = traffic.map(|traffic| traffic.counters());
        Health { cameras: self.view.cameras(), strange: self.view.strange(), ..self.monitor.lock().look(broker) }
    }
}

/// The configuration of the web server.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub http: Http,
    pub preview: bool,
    /// Of how many changes a picture is kept.
    pub remember: usize,
    pub models: ModelFiles,
    /// One for each view, or none where nothing is taught over HTTP.
    pub lessons: Vec<Lessons>,
}

/// Everything that a request handler needs, for one configuration.
pub(super) struct Site {
    pub(super) parts: Parts,
    pub(super) settings: Http,
    /// Whether the live picture is enabled.
    pub(super) preview: bool,
    pub(super) models: ModelFiles,
    pub(super) lessons: Vec<Lessons>,
    pub(super) hostname: String,
    pub(super) door: Option<Arc<Door>>,
    pub(super) pictures: AllPictures,
    /// Limits of the viewers of the picture and of the events.
    pub(super) streams: Arc<Semaphore>,
    pub(super) events: Arc<Semaphore>,
    /// Of the pages, twice as many as may watch at full rate: the others get a picture now and then.
    pub(super) pages: Arc<Semaphore>,
    pub(super) snapshots: Semaphore,
    /// For the search for cameras.
    pub(super) looking: Arc<Semaphore>,
    /// For the trial of a camera or a broker before it is chosen.
    pub(super) trying: Arc<Semaphore>,
    /// One is made at a time.
    pub(super) thumbnails: Semaphore,
    pub(super) budget: super::upload_budget::Budget,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shutdown: Shutdown,
}

impl Site {
    pub(super) fn new(settings: Settings, parts: Parts, shutdown: Shutdown) -> Self {
        let Settings { http, preview, remember, models, lessons } = settings;
        parts.view.remembered.keep(remember);
        Self {
            hostname: hostname(),
            door: http.token.as_ref().map(|token| Arc::new(Door::new(token))),
            pictures: AllPictures::new(parts.cameras.clone()),
            streams: Arc::new(Semaphore::new(http.max_clients)),
            events: Arc::new(Semaphore::new(http.max_clients)),
            pages: Arc::new(Semaphore::new(2 * http.max_clients)),
            snapshots: Semaphore::new(1),
            looking: Arc::new(Semaphore::new(1)),
            trying: Arc::new(Semaphore::new(1)),
            thumbnails: Semaphore::new(1),
            budget: super::upload_budget::Budget::new(),
            clock: parts.clock.clone(),
            settings: http,
            preview,
            models,
            lessons,
            shutdown,
            parts,
        }
    }
}

/// The host name without its domain.
fn hostname() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    name.split('.').next().unwrap_or_default().to_owned()
}
