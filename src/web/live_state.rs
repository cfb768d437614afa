//! The current state for new viewers, and events for connected ones.

use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::bus::hub::Sink;
use crate::bus::preview::Preview;
use crate::domain::camera::{CameraState, CameraStatus, Negotiated};
use crate::domain::classification::{Classification, SecondOpinion, Stable};
use crate::domain::event::{Comparing, Event};
use crate::domain::settings::Settings;
use crate::payload::rounding::rounded;
use crate::payload::{
    camera_json, camera_status_json, classification_json, second_opinion_value, state_json, status_name,
};
use glimpsed_base::clock::Clock;
use glimpsed_base::sync::Mutex;

/// Capacity of the timeline, in labels.
const MAX_TIMELINE: usize = 200;

/// Capacity of a viewer's queue; a viewer that is further behind misses messages.
const MAX_BEHIND: usize = 64;

/// Shortest time between two published answers, because more are not readable.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(95);

/// An event for the viewers.
#[derive(Debug, Clone)]
pub struct Message {
    pub name: &'static str,
    /// JSON without line breaks.
    pub data: Arc<str>,
}

/// Shared between the hub, whose events it receives, and the web server.
#[derive(Clone)]
pub struct LiveState {
    seen: Arc<Mutex<Seen>>,
    messages: broadcast::Sender<Message>,
    preview: Arc<Preview>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Seen {
    camera: Option<CameraStatus>,
    negotiated: Option<Negotiated>,
    newest: Option<Classification>,
    /// When the newest frame arrived, in monotonic time.
    arrived: Option<Duration>,
    /// When an answer was last published.
    told: Option<Duration>,
    state: Option<Stable>,
    /// The accurate model's last opinion.
    second: Option<Arc<SecondOpinion>>,
    settings: Option<Settings>,
    info: Option<Arc<Value>>,
    timeline: VecDeque<Value>,
    comparison: Comparison,
}

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
    fn hear(&mut self, event: &Comparing) {
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

impl LiveState {
    pub fn new(preview: Arc<Preview>, clock: Arc<dyn Clock>) -> Self {
        Self { seen: Arc::default(), messages: broadcast::Sender::new(MAX_BEHIND), preview, clock }
    }

    /// Subscribes to the messages from now on.
    pub fn listen(&self) -> broadcast::Receiver<Message> {
        self.messages.subscribe()
    }

    pub fn listeners(&self) -> usize {
        self.messages.receiver_count()
    }

    /// Sends a message to all listeners.
    pub fn tell(&self, name: &'static str, data: &Value) {
        if self.messages.receiver_count() > 0 {
            let _ = self.messages.send(message(name, &data.to_string()));
        }
    }

    /// The current state, as a series of messages.
    pub fn everything(&self) -> Vec<Message> {
        let seen = self.lock();
        let mut messages = vec![message("camera", &seen.camera().to_string())];
        if let Some(info) = &seen.info {
            messages.push(message("info", &info.to_string()));
        }
        if let Some(settings) = &seen.settings {
            messages.push(message("settings", &settings_json(settings).to_string()));
        }
        if let Some(newest) = &seen.newest {
            messages.push(message("classification", &classification_json(newest)));
        }
        if let Some(second) = &seen.second {
            messages.push(message("second", &second_opinion_value(second).to_string()));
        }
        if let Some(state) = &seen.state {
            messages.push(message("state", &state_json(state)));
        }
        messages.push(message("timeline", &json!(seen.timeline).to_string()));
        messages.push(message("comparison", &seen.comparison.json().to_string()));
        messages
    }

    pub fn camera(&self) -> Option<CameraStatus> {
        self.lock().camera.clone()
    }

    pub fn state(&self) -> Value {
        let seen = self.lock();
        json!({
            "camera": seen.camera(),
            "state": seen.state.as_ref().map(|state| parsed(&state_json(state))),
            "classification": seen.newest.as_ref().map(|newest| parsed(&classification_json(newest))),
            "second": seen.second.as_deref().map(second_opinion_value),
            "settings": seen.settings.as_ref().map(settings_json),
        })
    }

    pub fn timeline(&self) -> Value {
        json!(self.lock().timeline)
    }

    pub fn info(&self) -> Arc<Value> {
        self.lock().info.clone().unwrap_or_default()
    }

    /// False if `info` says that no model labels the camera's frames.
    pub fn has_model(&self) -> bool {
        let info = self.info();
        info["models"].as_array().is_none_or(|models| models.iter().any(|model| model["role"] == "fast"))
    }

    /// Whether a model of this name can label, as `info` says.
    pub fn available(&self, name: &str) -> bool {
        self.info()["available_models"].as_array().is_some_and(|models| models.iter().any(|model| model == name))
    }

    pub fn settings(&self) -> Option<Settings> {
        self.lock().settings.clone()
    }

    /// Time since the newest labelled frame arrived; `None` before the first.
    pub fn frame_age(&self) -> Option<Duration> {
        self.lock().arrived.map(|arrived| self.clock.now().saturating_sub(arrived))
    }

    pub fn comparison(&self) -> Comparison {
        self.lock().comparison.clone()
    }

    /// Changes the state of the comparison and publishes it.
    pub fn compare(&self, change: impl FnOnce(&mut Comparison)) {
        let json = {
            let mut seen = self.lock();
            change(&mut seen.comparison);
            seen.comparison.json()
        };
        self.tell("comparison", &json);
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock()
    }

    fn classified(&self, frame: &Classification) {
        let now = self.clock.now();
        let told = {
            let mut seen = self.lock();
            let total = Duration::try_from_secs_f64(frame.answer.timing.total_ms / 1000.0).unwrap_or_default();
            seen.arrived = Some(now.saturating_sub(total));
            seen.newest = Some(frame.clone());
            let due = seen.told.is_none_or(|told| now.saturating_sub(told) >= SHORTEST_INTERVAL);
            if due {
                seen.told = Some(now);
            }
            due
        };
        if told && self.messages.receiver_count() > 0 {
            let _ = self.messages.send(message("classification", &classification_json(frame)));
        }
    }

    fn changed(&self, now: &Stable) {
        let entry = timeline_entry(now);
        {
            let mut seen = self.lock();
            seen.state = Some(now.clone());
            if seen.timeline.len() == MAX_TIMELINE {
                seen.timeline.pop_front();
            }
            seen.timeline.push_back(entry.clone());
        }
        self.tell("state", &parsed(&state_json(now)));
        self.tell("change", &entry);
    }
}

impl Sink for LiveState {
    fn publish(&mut self, event: &Event) {
        match event {
            Event::Camera(status) => {
                self.lock().camera = Some(status.clone());
                if status.state != CameraState::Online {
                    self.preview.clear();
                }
                let camera = self.lock().camera();
                self.tell("camera", &camera);
            }
            Event::Negotiated(negotiated) => {
                self.lock().negotiated.clone_from(negotiated);
                let camera = self.lock().camera();
                self.tell("camera", &camera);
            }
            Event::Classified(frame) => self.classified(frame),
            Event::Changed { now, .. } => self.changed(now),
            Event::Heartbeat(state) => {
                self.lock().state = Some(state.clone());
                self.tell("state", &parsed(&state_json(state)));
            }
            Event::Settings(settings) => {
                let mut seen = self.lock();
                seen.settings = Some(settings.clone());
                // An opinion of a model that was disabled is outdated.
                if settings.accurate != Some(true) {
                    seen.second = None;
                }
                drop(seen);
                self.tell("settings", &settings_json(settings));
            }
            Event::Info(info) => {
                self.lock().info = Some(info.clone());
                self.tell("info", info);
            }
            Event::SecondOpinion(opinion) => {
                self.lock().second = Some(opinion.clone());
                self.tell("second", &second_opinion_value(opinion));
            }
            Event::Comparing(event) => self.compare(|comparison| comparison.hear(event)),
            Event::Health(_) | Event::Picture(_) => {}
        }
    }
}

impl Seen {
    fn camera(&self) -> Value {
        let mut camera = camera_status_json(self.camera.as_ref());
        camera["negotiated"] = self.negotiated.as_ref().map(camera_json).into();
        camera
    }
}

fn settings_json(settings: &Settings) -> Value {
    let Settings { enabled, model, precision, threshold, accurate } = settings;
    json!({
        "enabled": enabled,
        "model": model,
        "precision": precision.name(),
        "threshold": rounded(f64::from(*threshold), 4),
        "accurate": accurate,
    })
}

fn timeline_entry(state: &Stable) -> Value {
    json!({
        "since": state.since.to_string(),
        "label": state.label.as_deref(),
        "status": status_name(state.status),
        "confidence": rounded(f64::from(state.confidence), 4),
    })
}

/// Parses the output of the payload functions, which is always JSON.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn message(name: &'static str, data: &str) -> Message {
    Message { name, data: data.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::classification::tests_support::{frame, stable};
    use glimpsed_base::clock::ManualClock;

    fn view() -> (LiveState, ManualClock) {
        let clock = ManualClock::default();
        (LiveState::new(Arc::default(), Arc::new(clock.clone())), clock)
    }

    #[test]
    fn the_timeline_keeps_the_newest_labels_and_no_more() {
        let (mut view, _) = view();
        for number in 0..MAX_TIMELINE + 5 {
            view.publish(&Event::Changed { now: stable(Some(&format!("label {number}"))), before: None });
        }
        let timeline = view.timeline();
        let entries = timeline.as_array().expect("a list");
        assert_eq!(entries.len(), MAX_TIMELINE);
        assert_eq!(entries[0]["label"], "label 5");
    }

    #[test]
    fn answers_are_told_as_often_as_they_can_be_read() {
        let (mut view, clock) = view();
        let mut listener = view.listen();
        for seq in 0..100 {
            view.publish(&Event::Classified(frame(seq, Some("cat"))));
            clock.advance(Duration::from_millis(10));
        }
        let mut told = 0;
        while listener.try_recv().is_ok() {
            told += 1;
        }
        assert_eq!(told, 10);
    }

    #[test]
    fn a_frame_grows_old_from_when_it_arrived() {
        let (mut view, clock) = view();
        assert_eq!(view.frame_age(), None);
        clock.advance(Duration::from_secs(10));
        let mut slow = frame(1, None);
        slow.answer.timing.total_ms = 500.0;
        view.publish(&Event::Classified(slow));
        clock.advance(Duration::from_secs(2));
        assert_eq!(view.frame_age(), Some(Duration::from_millis(2500)));
    }
}
