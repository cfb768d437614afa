//! What is known of the cameras and views, as JSON for viewers that come later.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::message::{About, Message};
use glimpsed_base::leaving;
use glimpsed_core::domain::camera::{CameraStatus, Negotiated};
use glimpsed_core::domain::classification::{Classification, SecondOpinion, Stable};
use glimpsed_core::domain::day::ViewDay;
use glimpsed_core::domain::event::Comparing;
use glimpsed_core::domain::layout::{Layout, ViewEntry};
use glimpsed_core::domain::name::Name;
use glimpsed_core::domain::settings::Settings;
use glimpsed_core::payload::rounding::rounded;
use glimpsed_core::payload::{
    RegionPayload, camera_json, camera_status_json, classification_json, day_json, second_opinion_value, state_json,
    status_name,
};

#[derive(Default)]
pub(super) struct Seen {
    pub(super) layout: Arc<Layout>,
    pub(super) cameras: Vec<SeenCamera>,
    pub(super) views: Vec<SeenView>,
    pub(super) info: Option<Arc<Value>>,
    pub(super) comparison: Comparison,
}

#[derive(Default)]
pub(super) struct SeenCamera {
    pub(super) name: Name,
    pub(super) status: Option<CameraStatus>,
    pub(super) negotiated: Option<Negotiated>,
}

#[derive(Default)]
pub(super) struct SeenView {
    pub(super) name: Name,
    pub(super) newest: Option<Classification>,
    /// When the newest frame arrived, in monotonic time.
    pub(super) arrived: Option<Duration>,
    /// When an answer was last published.
    pub(super) told: Option<Duration>,
    pub(super) state: Option<Stable>,
    /// The accurate model's last opinion.
    pub(super) second: Option<Arc<SecondOpinion>>,
    pub(super) settings: Option<Settings>,
    pub(super) strange_since: Option<Timestamp>,
    pub(super) timeline: VecDeque<Value>,
    pub(super) day: Option<Arc<ViewDay>>,
    /// The days before that, oldest first, as they were told last.
    pub(super) earlier: VecDeque<Arc<ViewDay>>,
}

/// Two weeks: people look back to last week's same day.
const MAX_EARLIER: usize = 14;

/// The state of the model comparison.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    pub running: bool,
    /// The progress while it runs.
    pub progress: Option<Value>,
    pub report: Option<Value>,
    /// Why the last one failed.
    pub error: Option<String>,
}

impl Comparison {
    pub(super) fn hear(&mut self, event: &Comparing) {
        self.running = matches!(event, Comparing::Running(_));
        self.error = None;
        self.progress = None;
        match event {
            Comparing::Running(progress) => self.progress = serde_json::to_value(progress).ok(),
            Comparing::Finished(report) => self.report = serde_json::to_value(&**report).ok(),
            Comparing::Failed(cause) => self.error = Some(cause.clone()),
        }
    }

    pub fn json(&self) -> Value {
        json!({ "running": self.running, "progress": self.progress, "report": self.report, "error": self.error })
    }
}

impl Seen {
    /// What is known of cameras and views that stay is kept.
    pub(super) fn arrange(&mut self, layout: &Arc<Layout>) {
        self.layout = layout.clone();
        let (mut cameras, mut views) = (std::mem::take(&mut self.cameras), std::mem::take(&mut self.views));
        for name in &layout.cameras {
            let known = cameras.iter_mut().find(|camera| camera.name == *name).map(std::mem::take);
            self.cameras.push(SeenCamera { name: name.clone(), ..known.unwrap_or_default() });
        }
        for entry in &layout.views {
            let known = views.iter_mut().find(|view| view.name == entry.name).map(std::mem::take);
            self.views.push(SeenView { name: entry.name.clone(), ..known.unwrap_or_default() });
        }
    }

    /// `None` of a view that was removed.
    pub(super) fn view(&mut self, name: &Name) -> Option<&mut SeenView> {
        self.views.iter_mut().find(|view| view.name == *name)
    }

    pub(super) fn layout_json(&self) -> Value {
        let view = |view: &ViewEntry| {
            json!({
                "name": view.name.as_str(),
                "title": view.title,
                "camera": view.camera.as_str(),
                "region": RegionPayload::from(view.region),
            })
        };
        json!({
            "cameras": self.layout.cameras.iter().map(Name::as_str).collect::<Vec<_>>(),
            "views": self.layout.views.iter().map(view).collect::<Vec<_>>(),
        })
    }
}

impl SeenCamera {
    pub(super) fn json(&self) -> Value {
        let mut camera = camera_status_json(self.status.as_ref());
        camera["negotiated"] = self.negotiated.as_ref().map(camera_json).into();
        if let Some(name) = self.name.given() {
            camera["camera"] = name.into();
        }
        camera
    }
}

impl SeenView {
    /// A clock that is set back brings a day again, which is no earlier one then.
    pub(super) fn begin_day(&mut self, day: &Arc<ViewDay>) {
        let date = day.day.date;
        if let Some(before) = self.day.replace(day.clone()).filter(|before| before.day.date < date) {
            self.earlier.push_back(before);
        }
        self.earlier.retain(|earlier| earlier.day.date < date);
        while self.earlier.len() > MAX_EARLIER {
            self.earlier.pop_front();
        }
    }

    pub(super) fn everything(&self) -> Vec<Message> {
        let about = || About::View(self.name.clone());
        let mut messages = Vec::new();
        let mut push = |name, data: String| messages.push(Message { name, about: about(), data: data.into() });
        if let Some(settings) = &self.settings {
            push("settings", settings_json(settings).to_string());
        }
        if let Some(newest) = &self.newest {
            push("classification", classification_json(newest));
        }
        if let Some(second) = &self.second {
            push("second", second_opinion_value(second).to_string());
        }
        if let Some(state) = &self.state {
            push("state", state_json(state));
        }
        push("strange", strange_json(self.strange_since).to_string());
        push("timeline", json!(self.timeline).to_string());
        if let Some(day) = &self.day {
            push("day", day_json(day, None).to_string());
        }
        messages
    }
}

pub(super) fn settings_json(settings: &Settings) -> Value {
    let Settings { view, enabled, model, model_error, precision, threshold, accurate, max_fps: _ } = settings;
    let mut json = json!({
        "enabled": enabled,
        "model": model,
        "model_error": model_error.as_deref().map(leaving::clean),
        "precision": precision.name(),
        "threshold": rounded(f64::from(*threshold), 4),
        "accurate": accurate,
    });
    if let Some(view) = view.given() {
        json["view"] = view.into();
    }
    json
}

pub(super) fn strange_json(since: Option<Timestamp>) -> Value {
    json!({ "since": since.map(|since| since.to_string()) })
}

pub(super) fn timeline_entry(state: &Stable) -> Value {
    let mut entry = json!({
        "since": state.since.to_string(),
        "label": state.label.as_deref(),
        "status": status_name(state.status),
        "confidence": rounded(f64::from(state.confidence), 4),
    });
    if let Some(labels) = &state.labels {
        entry["labels"] = labels.held.iter().map(|held| &*held.label).collect();
    }
    if let Some(view) = state.frame.view.given() {
        entry["view"] = view.into();
    }
    entry
}
