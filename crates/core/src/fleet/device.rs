//! What is known of one device, from its own words.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

/// Whether a device is connected to the broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Presence {
    /// It has never said.
    #[default]
    Unknown,
    Online,
    Offline,
}

impl Presence {
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Online => "online",
            Self::Offline => "offline",
        }
    }
}

/// What a view says.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// `None` where there is none, such as in the dark.
    pub label: Option<String>,
    /// Why there is none: "known", "unknown", "too_dark", "covered", "stale".
    pub status: String,
    pub confidence: Option<f64>,
    /// When the frame was captured, by the device's clock.
    pub at: Option<Timestamp>,
}

/// One device. All texts are safe to show and bounded; everything is as the device says it, so nothing is certain.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Device {
    pub id: String,
    pub presence: Presence,
    /// When it went offline, if that was seen.
    pub offline_since: Option<Timestamp>,
    pub name: Option<String>,
    pub version: Option<String>,
    pub board: Option<String>,
    /// Of the configuration in effect, but for what tells devices apart.
    pub config_hash: Option<String>,
    /// The models that label its video.
    pub models: Vec<String>,
    /// The names of its views; none of a device whose only view has no name.
    pub view_names: Vec<String>,
    /// Another device of the same id: what is said of it.
    pub twin: Option<String>,
    /// The daemon's process, and the one before.
    pub(super) instances: [Option<String>; 2],
    pub started: Option<Timestamp>,
    pub fps: Option<f64>,
    pub temperature_celsius: Option<f64>,
    /// Frames that were wanted and not labelled: replaced by newer ones, damaged, failed.
    pub dropped_frames: Option<u64>,
    /// Events that will never arrive.
    pub dropped_events: Option<u64>,
    /// Address and port that its page listens on.
    pub page: Option<String>,
    /// What somebody should look after, in the device's words.
    pub problems: Vec<String>,
    /// By the view's name, which is empty for an only view without one.
    pub said: BTreeMap<String, Said>,
    /// Views that are switched off.
    pub switched_off: BTreeSet<String>,
    /// By topic, what it sent there that is not understood.
    pub nonsense: BTreeMap<&'static str, String>,
    /// The topics that were heard.
    pub(super) heard: BTreeSet<&'static str>,
}

impl Device {
    /// Of which nothing is known yet.
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), ..Self::default() }
    }

    pub fn is_online(&self) -> bool {
        self.presence == Presence::Online
    }

    /// The labels of its views, in the order of their names.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.said.values().filter_map(|said| said.label.as_deref())
    }

    /// When its newest frame was captured that has an answer.
    pub fn newest_frame(&self) -> Option<Timestamp> {
        self.said.values().filter_map(|said| said.at).max()
    }

    /// How long it has been as it is: since the daemon started, or since the device went offline, or was last known to be there.
    pub fn since(&self, now: Timestamp) -> Option<Duration> {
        let at = match self.presence {
            Presence::Online => self.started,
            Presence::Offline => self.offline_since.or_else(|| self.newest_frame()),
            Presence::Unknown => None,
        };
        at.map(|at| elapsed(at, now))
    }
}

/// The time from `at` to `now`; none if `at` is still to come, because clocks differ.
pub fn elapsed(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at)).unwrap_or_default()
}
