//! How the daemon is: numbers from all its parts.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

/// One look at everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Health {
    /// Since the daemon started.
    pub uptime: Duration,
    /// Of the warmest part of the board.
    pub temperature_celsius: Option<f64>,
    /// Whether the supply is too weak, so that the board slows itself down; `None` where it cannot say.
    pub throttled: Option<bool>,
    /// How many of the frames are labelled, because of the temperature.
    pub pace: Pace,
    /// Frames labelled a second, since the look before this one.
    pub fps: f64,
    pub captured: u64,
    /// Frames that have an answer.
    pub labelled: u64,
    /// Of these, those that show what an earlier one showed, and have its answer.
    pub cached: u64,
    /// Of these, those that no model looked at because there is no light.
    pub too_dark: u64,
    /// Frames that came sooner than they are wanted.
    pub skipped: u64,
    /// Frames that could not be decoded or labelled.
    pub failed: u64,
    /// Frames that a newer one replaced before anyone looked at them.
    pub overwritten: u64,
    /// Frames that came broken from the camera.
    pub damaged: u64,
    pub reconnects: u64,
    /// Resident memory of the process.
    pub rss_bytes: Option<u64>,
    /// `None` without a broker.
    pub broker: Option<Broker>,
    /// `None` where the web page is switched off.
    pub web: Option<Web>,
}

/// Whether the web page is served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Web {
    /// Not while another program has its port.
    pub listening: bool,
    /// Where it is or was served.
    pub address: Option<SocketAddr>,
}

/// What happened on the way to the broker so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Broker {
    pub connected: bool,
    /// Sessions that have begun.
    pub connects: u64,
    /// Tries that led to no session, and sessions that were lost.
    pub failures: u64,
    pub published: Tally,
    /// Messages that wait to be sent or acknowledged.
    pub waiting: u64,
    /// Messages that will never arrive: events that were too many, single answers while the broker was away.
    pub dropped: Tally,
    /// Commands thrown away because too many came at once.
    pub refused_commands: u64,
}

/// How many of the frames are labelled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pace {
    #[default]
    Full,
    /// One of so many.
    OneIn(u32),
    None,
}

impl Pace {
    /// The part of the frames that is labelled, from 1 (all) to 0 (none).
    pub fn share(self) -> f64 {
        match self {
            Self::Full => 1.0,
            Self::OneIn(frames) => 1.0 / f64::from(frames),
            Self::None => 0.0,
        }
    }
}

/// A number for each kind of message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub live: u64,
    pub latest: u64,
    pub event: u64,
}

impl Tally {
    pub fn sum(&self) -> u64 {
        self.live + self.latest + self.event
    }

    pub fn plus(self, other: Self) -> Self {
        Self { live: self.live + other.live, latest: self.latest + other.latest, event: self.event + other.event }
    }
}
