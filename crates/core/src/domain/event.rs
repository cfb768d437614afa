//! The events that the daemon publishes.

use std::sync::Arc;

use super::camera::{CameraStatus, Negotiated};
use super::classification::{Classification, SecondOpinion, Stable};
use super::comparison::{Progress, Report};
use super::day::ViewDay;
use super::health::Health;
use super::layout::Layout;
use super::moment::Moment;
use super::name::Name;
use super::settings::Settings;
use super::teaching::{Strange, Teaching};

/// One published event.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The camera went online or offline, or was disabled, or what is wrong with it has changed.
    Camera(CameraStatus),
    /// The format that the camera's driver agreed to; `None` for a source without a driver.
    Negotiated(Name, Option<Negotiated>),
    /// The answer for one frame.
    Classified(Classification),
    /// The accurate model's answer for a frame.
    SecondOpinion(Arc<SecondOpinion>),
    /// The stable label changed; `before` is `None` if there was none or it was unknown.
    Changed { now: Stable, before: Option<Arc<str>> },
    /// The stable label has not changed.
    Heartbeat(Stable),
    /// Most of what a view shows has become strange, unlike all that its model was taught with, or is no longer.
    Strange(Strange),
    /// What was taught of a view, or that nothing can be.
    Teaching(Arc<Teaching>),
    /// The frame of a change, which comes after its [`Event::Changed`]; only where somebody wants to see it.
    Moment(Arc<Moment>),
    /// What a view has shown today has changed, or goes on.
    Day(Arc<ViewDay>),
    /// A runtime setting of a view changed.
    Settings(Settings),
    /// The device's identity and configuration, as JSON.
    Info(Arc<serde_json::Value>),
    /// The health of the device and the daemon.
    Health(Arc<Health>),
    /// A picture of this camera with its labels drawn in, as a JPEG file.
    Picture(Name, Arc<[u8]>),
    /// Which cameras and views there are, from now on.
    Layout(Arc<Layout>),
    /// Progress or result of a model comparison.
    Comparing(Comparing),
}

/// The state of a model comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparing {
    Running(Progress),
    Finished(Arc<Report>),
    Failed(String),
}

/// Subjects whose newest event is kept for sinks that are attached later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    Layout,
    Info,
    Settings(Name),
    Camera(Name),
    Negotiated(Name),
    State(Name),
    Strange(Name),
    Teaching(Name),
    Day(Name),
    Health,
    Comparison,
}

impl Event {
    /// The subject, and the event in the form that a later sink receives; `None` if only current sinks are to get it.
    pub fn lasting(&self) -> Option<(Subject, Self)> {
        let subject = match self {
            Self::Changed { now, .. } => {
                return Some((Subject::State(now.frame.view.clone()), Self::Heartbeat(now.clone())));
            }
            Self::Classified(_) | Self::SecondOpinion(_) | Self::Picture(..) | Self::Moment(_) => return None,
            Self::Layout(_) => Subject::Layout,
            Self::Camera(status) => Subject::Camera(status.camera.clone()),
            Self::Negotiated(camera, _) => Subject::Negotiated(camera.clone()),
            Self::Heartbeat(state) => Subject::State(state.frame.view.clone()),
            Self::Strange(strange) => Subject::Strange(strange.view.clone()),
            Self::Teaching(teaching) => Subject::Teaching(teaching.view.clone()),
            Self::Day(day) => Subject::Day(day.view.clone()),
            Self::Settings(settings) => Subject::Settings(settings.view.clone()),
            Self::Info(_) => Subject::Info,
            Self::Health(_) => Subject::Health,
            Self::Comparing(_) => Subject::Comparison,
        };
        Some((subject, self.clone()))
    }
}

impl Subject {
    /// Whether it is about a camera or view that this layout does not have.
    pub fn is_gone(&self, layout: &Layout) -> bool {
        match self {
            Self::Camera(camera) | Self::Negotiated(camera) => !layout.cameras.contains(camera),
            Self::Settings(view) | Self::State(view) | Self::Strange(view) | Self::Teaching(view) | Self::Day(view) => {
                layout.view(view).is_none()
            }
            Self::Layout | Self::Info | Self::Health | Self::Comparison => false,
        }
    }
}
