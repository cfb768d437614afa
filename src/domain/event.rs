//! What is published.

use std::sync::Arc;

use super::camera::{CameraState, Negotiated};
use super::classification::{Classification, SecondOpinion, Stable};
use super::comparison::{Progress, Report};
use super::health::Health;
use super::settings::Settings;

/// What is published.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The camera came or went.
    Camera(CameraState),
    /// What its driver agreed to; `None` for a source without a driver.
    Negotiated(Option<Negotiated>),
    /// A frame was labelled.
    Classified(Classification),
    /// The accurate model has looked at a frame too.
    SecondOpinion(Arc<SecondOpinion>),
    /// Another label holds now than `before`, which is `None` when there was none or none was known.
    Changed { now: Stable, before: Option<Arc<str>> },
    /// The same label still holds.
    Heartbeat(Stable),
    /// Something was set.
    Settings(Settings),
    /// What this device is and how it is configured, as JSON.
    Info(Arc<serde_json::Value>),
    /// How the device and the daemon are.
    Health(Arc<Health>),
    /// A picture with its labels drawn in, as a JPEG file.
    Picture(Arc<[u8]>),
    /// The models are compared.
    Comparing(Comparing),
}

/// How far a comparison of the models is.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparing {
    Running(Progress),
    Finished(Arc<Report>),
    Failed(String),
}

/// What the newest event of counts for somebody who comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Info,
    Settings,
    Camera,
    Negotiated,
    State,
    Health,
    Comparison,
}

impl Event {
    /// What it is about and how it is told to somebody who comes later; `None` if it is only of the moment.
    pub fn lasting(&self) -> Option<(Subject, Self)> {
        let subject = match self {
            Self::Changed { now, .. } => return Some((Subject::State, Self::Heartbeat(now.clone()))),
            Self::Classified(_) | Self::SecondOpinion(_) | Self::Picture(_) => return None,
            Self::Camera(_) => Subject::Camera,
            Self::Negotiated(_) => Subject::Negotiated,
            Self::Heartbeat(_) => Subject::State,
            Self::Settings(_) => Subject::Settings,
            Self::Info(_) => Subject::Info,
            Self::Health(_) => Subject::Health,
            Self::Comparing(_) => Subject::Comparison,
        };
        Some((subject, self.clone()))
    }
}
