//! The current state for new viewers, and events for connected ones.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::message::{About, Message, message};
use super::remembered::Remembered;
use super::seen::{Comparison, Seen, SeenCamera, SeenView, settings_json, strange_json, timeline_entry};
use glimpsed_base::clock::{Clock, offset_minutes};
use glimpsed_base::sync::Mutex;
use glimpsed_core::bus::hub::Sink;
use glimpsed_core::capture::registry::Registry;
use glimpsed_core::domain::camera::{CameraState, CameraStatus};
use glimpsed_core::domain::classification::{Classification, Stable, Status};
use glimpsed_core::domain::event::Event;
use glimpsed_core::domain::layout::Layout;
use glimpsed_core::domain::name::Name;
use glimpsed_core::domain::settings::Settings;
use glimpsed_core::domain::teaching::Strange;
use glimpsed_core::payload::{classification_json, day_json, second_opinion_value, state_json};

/// Capacity of the timeline, in labels.
const MAX_TIMELINE: usize = 200;

/// Capacity of a viewer's queue; a viewer that is further behind misses messages.
const MAX_BEHIND: usize = 64;

/// Shortest time between two published answers, because more are not readable.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(95);

/// Shared between the hub, whose events it receives, and the web server.
#[derive(Clone)]
pub struct LiveState {
    seen: Arc<Mutex<Seen>>,
    messages: broadcast::Sender<Message>,
    cameras: Registry,
    clock: Arc<dyn Clock>,
    /// The pictures of changes.
    pub(super) remembered: Remembered,
}

impl LiveState {
    pub fn new(cameras: Registry, clock: Arc<dyn Clock>) -> Self {
        Self {
            seen: Arc::default(),
            messages: broadcast::Sender::new(MAX_BEHIND),
            cameras,
            clock,
            remembered: Remembered::default(),
        }
    }

    /// Subscribes to the messages from now on.
    pub fn listen(&self) -> broadcast::Receiver<Message> {
        self.messages.subscribe()
    }

    pub fn listeners(&self) -> usize {
        self.messages.receiver_count()
    }

    /// Sends a message about the device to all listeners.
    pub fn tell(&self, name: &'static str, data: &Value) {
        self.tell_about(About::Device, name, || data.to_string());
    }

    /// Sends a message about a view to all listeners.
    pub fn tell_view(&self, view: &Name, name: &'static str, data: &Value) {
        self.tell_about(About::View(view.clone()), name, || data.to_string());
    }

    fn tell_about(&self, about: About, name: &'static str, data: impl FnOnce() -> String) {
        if self.messages.receiver_count() > 0 {
            let _ = self.messages.send(Message { name, about, data: data().into() });
        }
    }

    /// The current state, as a series of messages.
    pub fn everything(&self) -> Vec<Message> {
        let seen = self.lock();
        let mut messages = vec![self.time(), message(About::Device, "layout", &seen.layout_json())];
        for camera in &seen.cameras {
            messages.push(message(About::Camera(camera.name.clone()), "camera", &camera.json()));
        }
        if let Some(info) = &seen.info {
            messages.push(message(About::Device, "info", info));
        }
        for view in &seen.views {
            messages.extend(view.everything());
            messages.push(message(About::View(view.name.clone()), "pictures", &self.remembered.times(&view.name)));
        }
        messages.push(message(About::Device, "comparison", &seen.comparison.json()));
        messages
    }

    /// The device's time. Ages are counted from it: a browser's clock may show another.
    pub fn time(&self) -> Message {
        let now = self.clock.wall();
        message(About::Device, "clock", &json!({ "now": now.to_string(), "offset_minutes": offset_minutes(now) }))
    }

    /// Sends the device's time to all listeners.
    pub fn tell_time(&self) {
        // Fails where nobody listens.
        let _ = self.messages.send(self.time());
    }

    pub fn layout(&self) -> Arc<Layout> {
        self.lock().layout.clone()
    }

    /// The status of a camera; `None` before anything is known of it.
    pub fn camera(&self, name: &Name) -> Option<CameraStatus> {
        self.lock().cameras.iter().find(|camera| camera.name == *name)?.status.clone()
    }

    /// Those that anything is known of.
    pub fn cameras(&self) -> Vec<CameraStatus> {
        self.lock().cameras.iter().filter_map(|camera| camera.status.clone()).collect()
    }

    /// The views of whose frames most are strange.
    pub fn strange(&self) -> Vec<Strange> {
        let seen = self.lock();
        let strange = seen.views.iter().filter(|view| view.strange_since.is_some());
        strange.map(|view| Strange { view: view.name.clone(), since: view.strange_since }).collect()
    }

    /// What is known of a view and its camera.
    pub fn state(&self, view: &Name) -> Value {
        let seen = self.lock();
        let camera = seen.layout.view(view).map(|view| view.camera.clone()).unwrap_or_default();
        let camera = seen.cameras.iter().find(|known| known.name == camera).map(SeenCamera::json);
        let nothing = SeenView::default();
        let view = seen.views.iter().find(|known| known.name == *view).unwrap_or(&nothing);
        json!({
            "camera": camera.unwrap_or_else(|| SeenCamera::default().json()),
            "state": view.state.as_ref().map(|state| parsed(&state_json(state))),
            "classification": view.newest.as_ref().map(|newest| parsed(&classification_json(newest))),
            "second": view.second.as_deref().map(second_opinion_value),
            "settings": view.settings.as_ref().map(settings_json),
        })
    }

    pub fn timeline(&self, view: &Name) -> Value {
        let seen = self.lock();
        json!(
            seen.views
                .iter()
                .find(|known| known.name == *view)
                .map(|view| &view.timeline)
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
        )
    }

    /// What a view has shown today; `null` before anything is known.
    pub fn day(&self, view: &Name) -> Value {
        let day = self.lock().views.iter().find(|known| known.name == *view).and_then(|view| view.day.clone());
        day.map(|day| day_json(&day, None)).unwrap_or_default()
    }

    /// What a view has shown on the days before, newest first, since the daemon started.
    pub fn earlier_days(&self, view: &Name) -> Value {
        let seen = self.lock();
        let days = seen.views.iter().find(|known| known.name == *view).map(|view| view.earlier.iter().rev());
        days.into_iter().flatten().map(|day| day_json(day, None)).collect()
    }

    pub fn info(&self) -> Arc<Value> {
        self.lock().info.clone().unwrap_or_default()
    }

    /// False if `info` says that no model labels any frames.
    pub fn has_model(&self) -> bool {
        let info = self.info();
        info["models"].as_array().is_none_or(|models| models.iter().any(|model| model["role"] == "fast"))
    }

    /// Whether a model of this name can label, as `info` says.
    pub fn available(&self, name: &str) -> bool {
        self.info()["available_models"].as_array().is_some_and(|models| models.iter().any(|model| model == name))
    }

    pub fn settings(&self, view: &Name) -> Option<Settings> {
        self.lock().views.iter().find(|known| known.name == *view)?.settings.clone()
    }

    /// Time since the newest labelled frame of a view arrived; `None` before the first.
    pub fn frame_age(&self, view: &Name) -> Option<Duration> {
        let arrived = self.lock().views.iter().find(|known| known.name == *view)?.arrived?;
        Some(self.clock.now().saturating_sub(arrived))
    }

    /// Whether a view has labelled a frame, and its camera has not been without one for too long since.
    pub fn is_fresh(&self, view: &Name) -> bool {
        let seen = self.lock();
        let state = seen.views.iter().find(|known| known.name == *view).and_then(|view| view.state.as_ref());
        state.is_some_and(|state| state.status != Status::Stale)
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
            let Some(view) = seen.view(&frame.view) else { return };
            let total = Duration::try_from_secs_f64(frame.answer.timing.total_ms / 1000.0).unwrap_or_default();
            view.arrived = Some(now.saturating_sub(total));
            view.newest = Some(frame.clone());
            let due = view.told.is_none_or(|told| now.saturating_sub(told) >= SHORTEST_INTERVAL);
            if due {
                view.told = Some(now);
            }
            due
        };
        if told {
            self.tell_about(About::View(frame.view.clone()), "classification", || classification_json(frame));
        }
    }

    fn changed(&self, now: &Stable) {
        let entry = timeline_entry(now);
        {
            let mut seen = self.lock();
            let Some(view) = seen.view(&now.frame.view) else { return };
            view.state = Some(now.clone());
            if view.timeline.len() == MAX_TIMELINE {
                view.timeline.pop_front();
            }
            view.timeline.push_back(entry.clone());
        }
        let about = About::View(now.frame.view.clone());
        self.tell_about(about.clone(), "state", || state_json(now));
        self.tell_about(about, "change", || entry.to_string());
    }

    fn tell_camera(&self, name: &Name, change: impl FnOnce(&mut SeenCamera)) {
        let json = {
            let mut seen = self.lock();
            let Some(camera) = seen.cameras.iter_mut().find(|camera| camera.name == *name) else { return };
            change(camera);
            camera.json()
        };
        self.tell_about(About::Camera(name.clone()), "camera", || json.to_string());
    }
}

impl Sink for LiveState {
    fn publish(&mut self, event: &Event) {
        match event {
            Event::Layout(layout) => {
                let json = {
                    let mut seen = self.lock();
                    seen.arrange(layout);
                    seen.layout_json()
                };
                self.tell("layout", &json);
            }
            Event::Camera(status) => {
                if status.state != CameraState::Online
                    && let Some(camera) = self.cameras.cameras().iter().find(|camera| camera.name == status.camera)
                {
                    camera.preview.clear();
                }
                self.tell_camera(&status.camera, |camera| camera.status = Some(status.clone()));
            }
            Event::Negotiated(name, negotiated) => {
                self.tell_camera(name, |camera| camera.negotiated.clone_from(negotiated));
            }
            Event::Classified(frame) => self.classified(frame),
            Event::Changed { now, .. } => self.changed(now),
            Event::Heartbeat(state) => {
                if let Some(view) = self.lock().view(&state.frame.view) {
                    view.state = Some(state.clone());
                }
                self.tell_about(About::View(state.frame.view.clone()), "state", || state_json(state));
            }
            Event::Settings(settings) => {
                if let Some(view) = self.lock().view(&settings.view) {
                    view.settings = Some(settings.clone());
                    // An opinion of a model that was disabled is outdated.
                    if settings.accurate != Some(true) {
                        view.second = None;
                    }
                }
                let about = About::View(settings.view.clone());
                self.tell_about(about, "settings", || settings_json(settings).to_string());
            }
            Event::Info(info) => {
                self.lock().info = Some(info.clone());
                self.tell("info", info);
            }
            Event::SecondOpinion(opinion) => {
                let name = &opinion.fast.view;
                if let Some(view) = self.lock().view(name) {
                    view.second = Some(opinion.clone());
                }
                self.tell_about(About::View(name.clone()), "second", || second_opinion_value(opinion).to_string());
            }
            Event::Strange(strange) => {
                if let Some(view) = self.lock().view(&strange.view) {
                    view.strange_since = strange.since;
                }
                let about = About::View(strange.view.clone());
                self.tell_about(about, "strange", || strange_json(strange.since).to_string());
            }
            Event::Day(day) => {
                if let Some(view) = self.lock().view(&day.view) {
                    view.begin_day(day);
                }
                self.tell_about(About::View(day.view.clone()), "day", || day_json(day, None).to_string());
            }
            Event::Comparing(event) => self.compare(|comparison| comparison.hear(event)),
            // The teachers tell the page themselves, at length.
            Event::Health(_) | Event::Picture(..) | Event::Teaching(_) | Event::Moment(_) => {}
        }
    }
}

/// Parses the output of the payload functions, which is always JSON.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use glimpsed_base::clock::ManualClock;
    use glimpsed_core::domain::classification::tests_support::{frame, stable};
    use glimpsed_core::domain::day::{Day, ViewDay};
    use glimpsed_core::domain::framing::Region;
    use glimpsed_core::domain::layout::ViewEntry;

    fn view() -> (LiveState, ManualClock) {
        let clock = ManualClock::default();
        let mut view = LiveState::new(Registry::default(), Arc::new(clock.clone()));
        let entry = ViewEntry { name: Name::ONLY, title: String::new(), camera: Name::ONLY, region: Region::default() };
        let layout = Layout { cameras: vec![Name::ONLY], views: vec![entry] };
        view.publish(&Event::Layout(Arc::new(layout)));
        (view, clock)
    }

    #[test]
    fn the_timeline_keeps_the_newest_labels_and_no_more() {
        let (mut view, _) = view();
        for number in 0..MAX_TIMELINE + 5 {
            view.publish(&Event::Changed { now: stable(Some(&format!("label {number}"))), before: None });
        }
        let timeline = view.timeline(&Name::ONLY);
        let entries = timeline.as_array().expect("a list");
        assert_eq!(entries.len(), MAX_TIMELINE);
        assert_eq!(entries[0]["label"], "label 5");
    }

    #[test]
    fn the_days_before_are_kept_newest_first_and_a_day_that_comes_again_is_none_of_them() {
        let (mut view, _) = view();
        let mut tell = |date: &str| {
            let day = Day::new(date.parse().expect("a date"));
            view.publish(&Event::Day(Arc::new(ViewDay { view: Name::ONLY, day })));
            let days = view.earlier_days(&Name::ONLY);
            let dates =
                days.as_array().expect("a list").iter().map(|day| day["date"].as_str().expect("a date").to_owned());
            dates.collect::<Vec<_>>()
        };
        assert_eq!(tell("2026-11-01"), [""; 0]);
        assert_eq!(tell("2026-11-01"), [""; 0]);
        assert_eq!(tell("2026-11-02"), ["2026-11-01"]);
        assert_eq!(tell("2026-11-03"), ["2026-11-02", "2026-11-01"]);
        // The clock was wrong.
        assert_eq!(tell("2026-11-02"), ["2026-11-01"]);
        let many = (3..=30).map(|day| tell(&format!("2026-11-{day:02}"))).last().expect("some");
        assert_eq!((many.len(), many[0].as_str()), (14, "2026-11-29"));
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
        assert_eq!(view.frame_age(&Name::ONLY), None);
        clock.advance(Duration::from_secs(10));
        let mut slow = frame(1, None);
        slow.answer.timing.total_ms = 500.0;
        view.publish(&Event::Classified(slow));
        clock.advance(Duration::from_secs(2));
        assert_eq!(view.frame_age(&Name::ONLY), Some(Duration::from_millis(2500)));
    }
}
