//! Where the daemon has published, in a file of the state directory. A device that was renamed, or got another base topic or discovery
//! prefix, while it was stopped has left retained messages there, which the next start removes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::clean::Leftovers;
use super::discovery::{self, Device};
use super::sink::retained;
use super::table::Place;
use super::topics::{Names, Topics};
use crate::config::Config;
use crate::config::typed::Mqtt;
use crate::directories;
use crate::domain::name::Name;
use glimpsed_base::backoff::Backoff;
use glimpsed_base::files;
use glimpsed_mqtt::{Loss, Monitor, Outbox};

/// The largest number of places that are remembered: the newest.
const MAX_PLACES: usize = 16;

const MAX_FILE_BYTES: u64 = 64 << 10;

const MODE: u32 = 0o600;

/// The waits until there is a connection, and between two tries.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How often the removal is tried while the broker cannot be reached for it.
const MAX_TRIES: usize = 5;

/// Where this daemon publishes now, and has before.
pub(super) struct Published {
    file: String,
    directories: Vec<PathBuf>,
    settings: Mqtt,
    here: Place,
}

impl Published {
    /// By the daemon whose configuration is in `path`.
    pub(super) fn new(path: &Path, settings: &Mqtt, config: &Config, discovery_prefix: Option<&str>) -> Self {
        let Names { views, cameras } = Names::of(config);
        let given = |names: &[Name]| names.iter().filter_map(Name::given).map(str::to_owned).collect();
        let here = Place {
            broker: settings.connection.broker.to_string(),
            base_topic: settings.base_topic.clone(),
            device_id: config.device.id.clone(),
            discovery_prefix: discovery_prefix.map(str::to_owned),
            views: given(&views),
            cameras: given(&cameras),
        };
        let (file, directories) = (directories::name_for(path, "published", "json"), directories::state());
        Self { file, directories, settings: settings.clone(), here }
    }

    /// Stores the current place, and once there is a connection removes what is left in other places at this broker.
    pub(super) async fn tidy(self, monitor: Monitor, announce: Option<Announce>) {
        let Ok((this, places)) = spawn_blocking(move || {
            let places = self.note();
            (self, places)
        })
        .await
        else {
            return;
        };
        if places.is_empty() {
            return;
        }
        let self_topics = this.here.topics();
        let mut backoff = Backoff::new(WAITS.0, WAITS.1);
        while !monitor.counters().connected {
            sleep(backoff.next_wait(1.0)).await;
        }
        if let Some(announce) = announce {
            let is_here = |place: &&Place| place.topics().are_of_same_device(&self_topics);
            announce.without(places.iter().filter(is_here).map(Place::names).collect());
        }
        let mut done = Vec::new();
        for place in places {
            if this.clear(&place).await {
                done.push(place);
            }
        }
        let _ = spawn_blocking(move || this.forget(&done)).await;
    }

    /// Removes what is left in another place. False if that is to be tried at the next start.
    async fn clear(&self, place: &Place) -> bool {
        let keep = self.here.retained();
        if place.retained().is_subset(&keep) {
            return true;
        }
        let (topics, mut backoff) = (place.topics().everything(), Backoff::new(WAITS.0, WAITS.1));
        let hint = format!("GLIMPSED_DEVICE_ID={} glimpsed mqtt clean", place.device_id);
        for _ in 0..MAX_TRIES {
            match self.removed(place, &keep).await {
                Ok(Outcome::Nothing) => {}
                Ok(Outcome::Removed(messages)) => {
                    tracing::info!(
                        topics,
                        messages,
                        "what the device had left under its former name, prefix, views or cameras was removed"
                    );
                }
                Ok(Outcome::Running) => {
                    tracing::warn!(
                        topics,
                        "these topics were this device's, and another one uses them now; nothing is removed"
                    );
                }
                Ok(Outcome::Left(messages)) => {
                    tracing::warn!(
                        topics,
                        messages,
                        hint,
                        "the broker lets nobody remove what the device had left under its former name, prefix, views or cameras"
                    );
                }
                Err(Loss::Refused(cause)) => {
                    tracing::warn!(
                        topics,
                        cause,
                        hint,
                        "what the device had left under its former name, prefix, views or cameras cannot be removed"
                    );
                }
                Err(loss) => {
                    tracing::debug!(topics, %loss, "the topics of the device's earlier name or prefix could not be removed; it is tried again");
                    sleep(backoff.next_wait(fastrand::f64())).await;
                    continue;
                }
            }
            return true;
        }
        false
    }

    async fn removed(&self, place: &Place, keep: &BTreeSet<String>) -> Result<Outcome, Loss> {
        let settings = Mqtt { base_topic: place.base_topic.clone(), ..self.settings.clone() };
        let is_here = place.topics().are_of_same_device(&self.here.topics());
        let found = Leftovers::of_before(&settings, place, keep, !is_here).await?;
        if found.running {
            return Ok(Outcome::Running);
        }
        let removal = found.remove().await?;
        Ok(match (removal.left.len().max(removal.refused.len()), removal.sent) {
            (0, 0) => Outcome::Nothing,
            (0, sent) => Outcome::Removed(sent),
            (left, _) => Outcome::Left(left),
        })
    }

    /// Adds this place to the file, if it is not there, and returns the others at this broker.
    fn note(&self) -> Vec<Place> {
        let mut places = self.read();
        if !places.contains(&self.here) {
            places.push(self.here.clone());
            let surplus = places.len().saturating_sub(MAX_PLACES);
            places.drain(..surplus);
            self.write(&places);
        }
        places.retain(|place| *place != self.here && place.broker == self.here.broker);
        places
    }

    fn forget(&self, done: &[Place]) {
        let mut places = self.read();
        let all = places.len();
        places.retain(|place| !done.contains(place));
        if places.len() < all {
            self.write(&places);
        }
    }

    /// A damaged file counts as none: the topics that it listed stay at the broker.
    fn read(&self) -> Vec<Place> {
        let text = self
            .directories
            .iter()
            .find_map(|directory| files::read_text(&directory.join(&self.file), MAX_FILE_BYTES).ok());
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    fn write(&self, places: &[Place]) {
        if let Err(cause) = directories::keep_json_within(&self.directories, &self.file, &places, MODE) {
            tracing::info!(%cause, "if the device is renamed while it is stopped, its old topics stay at the broker");
        }
    }
}

/// Tells Home Assistant of the entities that the device has no more.
pub(super) struct Announce {
    topic: String,
    device: Device,
    topics: Topics,
    outbox: Arc<Outbox>,
}

impl Announce {
    /// `None` without discovery.
    pub(super) fn of(discovery: Option<&str>, device: &Device, topics: &Topics, outbox: &Arc<Outbox>) -> Option<Self> {
        let (topics, outbox) = (topics.clone(), outbox.clone());
        Some(Self { topic: discovery?.to_owned(), device: device.clone(), topics, outbox })
    }

    /// Publishes the device without the entities that it had with these views and cameras.
    fn without(&self, former: Vec<Names>) {
        if !former.is_empty() {
            let payload = discovery::payload(&self.device, &self.topics, &former);
            self.outbox.push(retained(&self.topic, payload));
        }
    }
}

/// What became of the removal.
enum Outcome {
    Nothing,
    /// The number of messages that were removed.
    Removed(usize),
    /// The number of messages that are still there.
    Left(usize),
    /// Another daemon uses the topics.
    Running,
}
