//! The daemon's health: figures from all its parts.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use super::camera::CameraStatus;
use super::name::Name;
use super::teaching::Strange;

/// Interval of the health events; the first one comes sooner.
pub const HEALTH_EVERY: Duration = Duration::from_secs(60);

/// One health sample.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Health {
    /// Since the daemon started.
    pub uptime: Duration,
    /// The highest temperature sensor of the board.
    pub temperature_celsius: Option<f64>,
    /// Whether undervoltage makes the board throttle itself; `None` if it does not report that.
    pub throttled: Option<bool>,
    /// The share of frames that is labelled at this temperature.
    pub pace: Pace,
    /// Frames labelled per second since the previous sample.
    pub fps: f64,
    pub captured: u64,
    /// Frames with an answer.
    pub labelled: u64,
    /// Of these, frames whose content had not changed and that reused the previous answer.
    pub cached: u64,
    /// Of these, frames that were too dark for the model, or of one colour.
    pub too_dark: u64,
    /// Frames that came sooner than the configured rate allows.
    pub skipped: u64,
    /// Frames that could not be decoded or labelled.
    pub failed: u64,
    /// Frames that a newer one replaced before they were labelled.
    pub overwritten: u64,
    /// Frames that arrived damaged from the camera.
    pub damaged: u64,
    pub reconnects: u64,
    /// Resident memory of the process.
    pub rss_bytes: Option<u64>,
    /// Those that anything is known of.
    pub cameras: Vec<CameraStatus>,
    /// `None` if no broker is configured.
    pub broker: Option<Broker>,
    /// `None` if nobody is told anything.
    pub notices: Option<Notices>,
    /// `None` if the web page is disabled.
    pub web: Option<Web>,
    /// Why the configuration as it was edited last is not in effect.
    pub config_error: Option<String>,
    /// Why the model cannot be loaded.
    pub model_error: Option<String>,
    /// The views of which no frame can be labelled, and what is wrong with the last one.
    pub failing: Vec<(Name, String)>,
    /// The views of whose frames most are strange.
    pub strange: Vec<Strange>,
}

/// Whether the web page is served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Web {
    /// False while another program holds its port.
    pub listening: bool,
    /// The address that is or was served.
    pub address: Option<SocketAddr>,
}

/// What became of the notices to people since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notices {
    pub sent: u64,
    pub waiting: u64,
    /// They came sooner after the last one than their rule allows, and were not sent.
    pub too_soon: u64,
    /// They will never arrive.
    pub lost: u64,
    /// Whose last try failed, and why; `None` while all arrive.
    pub failing: Option<String>,
}

/// Counters of the connection to the broker since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Broker {
    /// The broker's address, as a URL.
    pub address: String,
    pub connected: bool,
    /// Sessions that were established.
    pub connects: u64,
    /// Failed connection attempts and lost sessions.
    pub failures: u64,
    /// The last of these, as it came; kept when there is a session again.
    pub last_error: Option<String>,
    pub published: Tally,
    /// Messages that wait to be sent or acknowledged.
    pub waiting: u64,
    /// Messages dropped for good: events beyond the queue's capacity, single replies while the broker was away.
    pub dropped: Tally,
    /// Commands that were dropped because the queue was full.
    pub refused_commands: u64,
    /// What another device with the same id says of itself.
    pub twin: Option<String>,
}

/// The share of frames that is labelled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pace {
    #[default]
    Full,
    /// One frame in this many.
    OneIn(u32),
    None,
}

impl Pace {
    /// The share of frames that is labelled, from 1 (all) to 0 (none).
    pub fn share(self) -> f64 {
        match self {
            Self::Full => 1.0,
            Self::OneIn(frames) => 1.0 / f64::from(frames),
            Self::None => 0.0,
        }
    }
}

/// A count per kind of message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub live: u64,
    pub latest: u64,
    pub event: u64,
    pub answer: u64,
}

impl Tally {
    pub fn sum(&self) -> u64 {
        self.live + self.latest + self.event + self.answer
    }

    pub fn plus(self, other: Self) -> Self {
        Self {
            live: self.live + other.live,
            latest: self.latest + other.latest,
            event: self.event + other.event,
            answer: self.answer + other.answer,
        }
    }
}
