//! The MQTT sink: puts events into the outbox.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::discovery::{self, Device, DeviceView};
use super::topics::Key;
use crate::bus::hub::Sink;
use crate::domain::camera::CameraState;
use crate::domain::classification::{Stable, Status};
use crate::domain::event::Event;
use crate::domain::name::Name;
use crate::domain::settings::Settings;
use crate::domain::teaching::Teaching;
use crate::payload::{
    camera_json, camera_state_name, classification_json, day_json, event_json, health_json, second_opinion_value,
    state_json, taught_json, unsure_json,
};
use crate::sinks::mqtt::presence::instance;
use crate::sinks::mqtt::topics::Topics;
use glimpsed_base::clock::Clock;
use glimpsed_mqtt::{Delivery, Message, Outbox};
use serde_json::Value;

/// The sink's name in the hub.
pub const NAME: &str = "mqtt";

/// Puts events into the outbox, which the connection's task empties.
pub struct MqttSink {
    outbox: Arc<Outbox>,
    topics: Topics,
    /// The payload of `info`; the cameras' parts are added when they are open.
    info: Value,
    negotiated: BTreeMap<Name, Value>,
    /// The states that were published last.
    camera_states: BTreeMap<Name, CameraState>,
    clock: Arc<dyn Clock>,
    classification_interval: Duration,
    last_classifications: BTreeMap<Name, Duration>,
    /// What was published of teaching, by topic.
    taught: BTreeMap<String, String>,
    announced: Option<Announced>,
}

/// What Home Assistant was told on a topic: each of the labels that do not exclude each other has an entity.
struct Announced {
    topic: String,
    device: Device,
}

impl MqttSink {
    pub fn new(outbox: Arc<Outbox>, topics: Topics, clock: Arc<dyn Clock>, classification_interval: Duration) -> Self {
        Self {
            outbox,
            topics,
            info: Value::Null,
            negotiated: BTreeMap::new(),
            camera_states: BTreeMap::new(),
            clock,
            classification_interval,
            last_classifications: BTreeMap::new(),
            taught: BTreeMap::new(),
            announced: None,
        }
    }

    /// Tells Home Assistant, on this topic, which labels a model of the device has, as soon as it has answered.
    pub fn announcing(self, topic: Option<&str>, device: &Device) -> Self {
        let announced = topic.map(|topic| Announced { topic: topic.to_owned(), device: device.clone() });
        Self { announced, ..self }
    }

    fn announce_labels(&mut self, stable: &Stable) {
        let possible = stable.labels.as_ref().map_or(&[][..], |labels| &labels.possible);
        self.announce(&stable.frame.view, |view| view.set_labels(possible));
    }

    /// Tells Home Assistant what there is, if `change` has changed something of the view.
    fn announce(&mut self, view: &Name, change: impl FnOnce(&mut DeviceView) -> bool) {
        let Some(Announced { topic, device }) = &mut self.announced else { return };
        if device.views.iter_mut().find(|known| known.name == *view).is_some_and(change) {
            let payload = discovery::payload(device, &self.topics, &[]);
            self.outbox.push(retained(topic, payload));
        }
    }

    fn retain(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.outbox.push(retained(topic, payload));
    }

    fn tell_info(&self) {
        let mut info = self.info.clone();
        info["instance"] = instance().into();
        for (camera, negotiated) in &self.negotiated {
            match camera.given() {
                None => info["camera"] = negotiated.clone(),
                Some(name) => info["cameras"][name] = negotiated.clone(),
            }
        }
        self.retain(&self.topics.info, info.to_string());
    }

    fn classification_is_due(&mut self, view: &Name) -> bool {
        let now = self.clock.now();
        let last = self.last_classifications.get(view);
        let due = last.is_none_or(|last| now.saturating_sub(*last) >= self.classification_interval);
        if due {
            self.last_classifications.insert(view.clone(), now);
        }
        due
    }

    fn send(&self, topic: &str, delivery: Delivery, payload: impl Into<Vec<u8>>) {
        self.outbox.push(Message::new(topic, payload, delivery, false));
    }

    fn tell_state(&self, stable: &Stable) {
        if let Some(topics) = self.topics.view(&stable.frame.view) {
            self.retain(&topics.state, state_json(stable));
        }
    }

    /// A label that became stale is not published as an event, because no change was seen.
    fn tell_change(&self, now: &Stable, before: Option<&str>) {
        // Of several labels, others than the most likely one may have changed.
        if now.status != Status::Stale
            && (now.label.as_deref() != before || now.labels.is_some())
            && let Some(topics) = self.topics.view(&now.frame.view)
        {
            self.send(&topics.event, Delivery::Event, event_json(now, before));
        }
    }

    /// Where nothing can be taught, what is retained from before is removed.
    fn tell_teaching(&mut self, teaching: &Teaching) {
        self.announce(&teaching.view, |view| view.set_taught(teaching));
        let Some(topics) = self.topics.view(&teaching.view) else { return };
        let state = teaching.state.as_ref();
        let taught = state.map(taught_json).unwrap_or_default();
        let unsure = state.map(unsure_json).unwrap_or_default();
        let label = state.and_then(|state| state.label.clone()).unwrap_or_default();
        let messages = [
            (topics.taught.clone(), taught),
            (topics.unsure.clone(), unsure),
            (topics.setting(Key::TeachLabel), label),
        ];
        for (topic, payload) in messages {
            if self.taught.insert(topic.clone(), payload.clone()).as_ref() != Some(&payload) {
                self.retain(&topic, payload);
            }
        }
    }

    fn tell_settings(&self, settings: &Settings) {
        let Some(topics) = self.topics.view(&settings.view) else { return };
        for key in Key::ALL {
            let value = match key {
                // It is told with what was taught.
                Key::TeachLabel => continue,
                Key::Enabled => on_or_off(settings.enabled),
                Key::Model => settings.model.clone(),
                Key::Precision => settings.precision.name().to_owned(),
                Key::Threshold => settings.threshold.to_string(),
                // Without an accurate model, a retained value from before is removed.
                Key::Accurate => settings.accurate.map(on_or_off).unwrap_or_default(),
            };
            self.retain(&topics.setting(key), value);
        }
    }
}

fn on_or_off(on: bool) -> String {
    if on { "ON" } else { "OFF" }.to_owned()
}

impl Sink for MqttSink {
    fn publish(&mut self, event: &Event) {
        match event {
            // What is wrong with it is told in `health`.
            Event::Camera(status) => {
                if self.camera_states.insert(status.camera.clone(), status.state) != Some(status.state)
                    && let Some(topics) = self.topics.camera(&status.camera)
                {
                    self.retain(&topics.status, camera_state_name(status.state));
                }
            }
            // A requester over MQTT receives the report as the answer. With other views there is another session. What is strange is told
            // in `health`. Pictures of changes do not leave the device.
            Event::Comparing(_) | Event::Layout(_) | Event::Strange(_) | Event::Moment(_) => {}
            Event::Negotiated(camera, negotiated) => {
                match negotiated {
                    Some(negotiated) => drop(self.negotiated.insert(camera.clone(), camera_json(negotiated))),
                    None => drop(self.negotiated.remove(camera)),
                }
                self.tell_info();
            }
            Event::Info(info) => {
                self.info = Value::clone(info);
                self.tell_info();
            }
            Event::Classified(frame) => {
                if self.classification_is_due(&frame.view)
                    && let Some(topics) = self.topics.view(&frame.view)
                {
                    self.send(&topics.classification, Delivery::Live, classification_json(frame));
                }
            }
            Event::SecondOpinion(opinion) => {
                if let Some(topics) = self.topics.view(&opinion.fast.view) {
                    self.send(&topics.accurate, Delivery::Live, second_opinion_value(opinion).to_string());
                }
            }
            Event::Changed { now, before } => {
                self.announce_labels(now);
                self.tell_state(now);
                self.tell_change(now, before.as_deref());
            }
            Event::Heartbeat(stable) => {
                self.announce_labels(stable);
                self.tell_state(stable);
            }
            Event::Day(day) => {
                if let Some(topics) = self.topics.view(&day.view) {
                    self.retain(&topics.day, day_json(day, Some(instance())).to_string());
                }
            }
            Event::Settings(settings) => self.tell_settings(settings),
            Event::Teaching(teaching) => self.tell_teaching(teaching),
            Event::Health(health) => self.retain(&self.topics.health, health_json(health).to_string()),
            Event::Picture(camera, jpeg) => {
                if let Some(topics) = self.topics.camera(camera) {
                    self.send(&topics.image, Delivery::Live, &jpeg[..]);
                }
            }
        }
    }
}

pub(super) fn retained(topic: &str, payload: impl Into<Vec<u8>>) -> Message {
    Message::new(topic, payload, Delivery::Latest, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::classification::tests_support::{frame, several, stable};
    use crate::domain::settings::PrecisionChoice;
    use glimpsed_base::clock::ManualClock;
    use serde_json::json;

    struct Sent {
        sink: MqttSink,
        outbox: Arc<Outbox>,
        clock: ManualClock,
    }

    impl Sent {
        fn new(classification_interval: Duration) -> Self {
            let (outbox, clock) = (Arc::new(Outbox::new(100)), ManualClock::default());
            outbox.connected();
            let topics = Topics::new("glimpsed", "shelf", &Default::default());
            let sink = MqttSink::new(outbox.clone(), topics, Arc::new(clock.clone()), classification_interval);
            Self { sink, outbox, clock }
        }

        /// Messages since the last call: topic below the device, payload, whether retained.
        fn messages(&self) -> Vec<(String, String, bool)> {
            let taken = std::iter::from_fn(|| self.outbox.take()).map(|(_, message)| message);
            taken
                .map(|message| {
                    let below = message.topic.strip_prefix("glimpsed/shelf/").expect("ours").to_owned();
                    (below, String::from_utf8_lossy(&message.payload).into_owned(), message.retain)
                })
                .collect()
        }
    }

    #[test]
    fn classifications_are_limited_in_rate_and_changes_are_not() {
        let mut sent = Sent::new(Duration::from_secs(1));
        for _ in 0..30 {
            sent.sink.publish(&Event::Classified(frame(1, Some("cat"))));
            sent.clock.advance(Duration::from_millis(100));
        }
        assert_eq!(sent.messages().len(), 3);
    }

    #[test]
    fn what_the_camera_agreed_to_becomes_part_of_info_and_stays_there() {
        let mut sent = Sent::new(Duration::ZERO);
        let camera =
            crate::domain::camera::Negotiated { format: "MJPG".into(), width: 640, height: 480, fps: Some(29.97) };
        sent.sink.publish(&Event::Info(Arc::new(json!({ "version": "1" }))));
        sent.sink.publish(&Event::Negotiated(Name::ONLY, Some(camera)));
        sent.sink.publish(&Event::Info(Arc::new(json!({ "version": "2" }))));
        let messages = sent.messages();
        let [(topic, payload, true)] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!(topic, "info");
        let info: Value = serde_json::from_str(payload).expect("JSON");
        let camera = json!({ "format": "MJPG", "width": 640, "height": 480, "fps": 29.97 });
        assert_eq!(info, json!({ "version": "2", "camera": camera, "instance": instance() }));
    }

    #[test]
    fn a_change_is_state_and_event_but_the_loss_of_frames_is_only_state() {
        let mut sent = Sent::new(Duration::ZERO);
        let topics = |sent: &Sent| sent.messages().into_iter().map(|(topic, ..)| topic).collect::<Vec<_>>();
        sent.sink.publish(&Event::Changed { now: stable(Some("cat")), before: None });
        assert_eq!(topics(&sent), ["state", "event"]);
        let stale = Stable { status: Status::Stale, ..stable(None) };
        sent.sink.publish(&Event::Changed { now: stale, before: Some("cat".into()) });
        assert_eq!(topics(&sent), ["state"]);
        sent.sink.publish(&Event::Changed { now: stable(None), before: None });
        assert_eq!(topics(&sent), ["state"], "nothing was known, nothing is known");
    }

    fn shelf() -> Device {
        let view = DeviceView {
            name: Name::ONLY,
            title: "Shelf".into(),
            camera: Name::ONLY,
            accurate: false,
            taught: None,
            labels: Vec::new(),
        };
        Device {
            id: "shelf".into(),
            name: "Shelf".into(),
            board: "Board".into(),
            models: Vec::new(),
            heartbeat: Duration::from_secs(60),
            health_every: Duration::from_secs(60),
            pictures: false,
            views: vec![view],
            cameras: vec![Name::ONLY],
            temperature: false,
            page: None,
        }
    }

    #[test]
    fn each_independent_label_is_an_entity_until_another_model_has_it_no_more() {
        let mut sent = Sent::new(Duration::ZERO);
        sent.sink = sent.sink.announcing(Some("glimpsed/shelf/discovery"), &shelf());
        let announced = |sent: &mut Sent, stable: Stable| {
            sent.sink.publish(&Event::Changed { now: stable, before: None });
            let messages = sent.messages();
            let found = messages.iter().find(|(topic, ..)| topic == "discovery").map(|(_, payload, _)| payload.clone());
            found.map(|payload| serde_json::from_str::<Value>(&payload).expect("JSON")["components"].clone())
        };
        assert_eq!(announced(&mut sent, stable(Some("cat"))), None, "of one label there is nothing new to tell");
        let labels = several(&["Fahrrad \"rot\""], &["Fahrrad \"rot\"", "cat", "Cat"]);
        let components = announced(&mut sent, labels.clone()).expect("announced");
        let sensor = &components["shows_fahrrad__rot_"];
        assert_eq!(sensor["platform"], "binary_sensor");
        assert_eq!(sensor["state_topic"], "glimpsed/shelf/state");
        let template = sensor["value_template"].as_str().expect("a template");
        assert!(template.contains("selectattr('label', 'eq', \"Fahrrad \\\"rot\\\"\")"), "{template}");
        assert!(components["shows_cat"].is_object() && components["shows_cat_2"].is_object(), "names stay apart");
        assert_eq!(announced(&mut sent, labels), None, "nothing has changed");
        let gone = announced(&mut sent, stable(Some("cat"))).expect("announced");
        assert_eq!(gone["shows_cat"], json!({ "platform": "binary_sensor" }), "removed");
    }

    #[test]
    fn at_most_twenty_labels_are_entities() {
        let mut sent = Sent::new(Duration::ZERO);
        sent.sink = sent.sink.announcing(Some("glimpsed/shelf/discovery"), &shelf());
        let names: Vec<String> = (0..50).map(|number| format!("label {number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        sent.sink.publish(&Event::Heartbeat(several(&[], &names)));
        let (_, payload, _) = sent.messages().into_iter().find(|(topic, ..)| topic == "discovery").expect("announced");
        assert_eq!(payload.matches("\"shows_label_").count(), 20);
    }

    #[test]
    fn settings_are_shown_as_they_are_set() {
        let mut sent = Sent::new(Duration::ZERO);
        let settings = Settings {
            view: Name::ONLY,
            enabled: false,
            model: "mobilenet-v2".into(),
            model_error: None,
            precision: PrecisionChoice::Auto,
            threshold: 0.35,
            accurate: Some(true),
            max_fps: None,
        };
        sent.sink.publish(&Event::Settings(settings));
        let retained = |topic: &str, payload: &str| (topic.to_owned(), payload.to_owned(), true);
        assert_eq!(
            sent.messages(),
            [
                retained("enabled/state", "OFF"),
                retained("model/state", "mobilenet-v2"),
                retained("precision/state", "auto"),
                retained("threshold/state", "0.35"),
                retained("accurate/state", "ON")
            ]
        );
    }
}
