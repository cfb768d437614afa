//! The entities of a device.

use std::time::Duration;

use super::device::Device;
use super::entity::{Availability, Entity};
use crate::domain::settings::PrecisionChoice;
use crate::sinks::mqtt::topics::{Key, Topics};

/// A label, or why there is none. An empty message, as `glimpsed mqtt test` sends it and as the removal of a retained one
/// arrives, is ignored; so it is by every template here.
const LABEL: &str = "{{ (value_json.label or value_json.status) if value_json is defined else this.state }}";

/// The attributes of the label's entity. No times, because each value is another row in Home Assistant's database.
const ATTRIBUTES: &str = "{{ ({'status': value_json.status, 'model': value_json.model.name, 'precision': \
     value_json.model.precision, 'top': value_json.top} if value_json is defined else {}) | tojson }}";

/// The same for the accurate model.
const OPINION: &str = "{{ ({'agree': value_json.agree, 'reason': value_json.reason, 'model': value_json.model.name, \
     'fast_label': value_json.fast.label, 'top': value_json.top} if value_json is defined else {}) | tojson }}";

const CONFIDENCE: &str = "{{ (value_json.confidence * 100) | round(1) if value_json is defined else '' }}";
const FPS: &str = "{{ value_json.fps if value_json is defined else '' }}";
const TEMPERATURE: &str = "{{ value_json.temperature_c if value_json is defined else '' }}";
const PROBLEM: &str = "{{ ('ON' if value_json.problems else 'OFF') if value_json is defined else '' }}";
const PROBLEM_REASON: &str =
    "{{ {'reason': value_json.problems | join('; ') if value_json is defined else ''} | tojson }}";

/// A disabled camera counts as offline.
const ONLINE_OR_OFFLINE: &str = "{{ 'online' if value == 'online' else 'offline' if value else '' }}";

/// All entities, and the removals of those that this device does not have.
pub(super) fn entities(device: &Device, topics: &Topics) -> Vec<Entity> {
    let daemon = Availability { topic: &topics.status, template: None };
    let camera = Availability { topic: &topics.camera_status, template: Some(ONLINE_OR_OFFLINE) };
    let parts = Parts { device, topics, daemon: [daemon], camera: [daemon, camera] };
    [parts.labels(), parts.second_opinion(), parts.pictures(), parts.settings(), parts.diagnostics()]
        .into_iter()
        .flatten()
        .collect()
}

struct Parts<'a> {
    device: &'a Device,
    topics: &'a Topics,
    /// Available while the daemon is connected.
    daemon: [Availability<'a>; 1],
    /// Available while the camera is online, too.
    camera: [Availability<'a>; 2],
}

impl Parts<'_> {
    fn labels(&self) -> Vec<Entity> {
        let (state, every) = (&self.topics.state, self.device.heartbeat.max(Duration::from_secs(1)));
        vec![
            Entity::new("sensor", "label", "Label")
                .icon("mdi:eye")
                .reads_through(state, LABEL)
                .attributes(state, ATTRIBUTES)
                .published_every(every)
                .available_with(&self.camera),
            Entity::new("sensor", "confidence", "Confidence")
                .icon("mdi:percent")
                .reads_through(state, CONFIDENCE)
                .measures("%")
                .published_every(every)
                .available_with(&self.camera),
            Entity::new("event", "change", "Label change")
                .icon("mdi:eye-refresh")
                .reads(&self.topics.event)
                .with("event_types", vec!["label_changed"])
                .available_with(&self.camera),
        ]
    }

    fn second_opinion(&self) -> Vec<Entity> {
        if !self.device.accurate {
            return vec![Entity::removed("sensor", "opinion"), Entity::removed("switch", "accurate")];
        }
        let topic = &self.topics.accurate;
        vec![
            Entity::new("sensor", "opinion", "Label of the accurate model")
                .icon("mdi:scale-balance")
                .reads_through(topic, LABEL)
                .attributes(topic, OPINION)
                .available_with(&self.camera),
            self.setting("switch", Key::Accurate, "accurate", "Second opinion").icon("mdi:scale-balance").config(),
        ]
    }

    fn pictures(&self) -> Vec<Entity> {
        if !self.device.pictures {
            return vec![Entity::removed("image", "image"), Entity::removed("button", "snapshot")];
        }
        vec![
            Entity::new("image", "image", "Picture")
                .with("image_topic", self.topics.camera_image.as_str())
                .with("content_type", "image/jpeg")
                .available_with(&self.camera),
            Entity::new("button", "snapshot", "Take a picture")
                .icon("mdi:camera")
                .commands(&self.topics.request("snapshot"))
                .available_with(&self.camera),
        ]
    }

    /// An entity that sets something and shows what is in effect.
    fn setting(&self, platform: &str, key: Key, name: &'static str, shown: &str) -> Entity {
        Entity::new(platform, name, shown)
            .sets((&self.topics.set(key), &self.topics.setting(key)))
            .available_with(&self.daemon)
    }

    fn settings(&self) -> Vec<Entity> {
        let precisions = PrecisionChoice::ALL.map(PrecisionChoice::name).to_vec();
        vec![
            self.setting("switch", Key::Enabled, "enabled", "Look").icon("mdi:cctv"),
            self.setting("select", Key::Model, "model", "Model")
                .icon("mdi:brain")
                .with("options", self.device.models.clone())
                .config(),
            self.setting("select", Key::Precision, "precision", "Precision")
                .icon("mdi:speedometer-medium")
                .with("options", precisions)
                .config(),
            self.setting("number", Key::Threshold, "threshold", "Unknown below")
                .icon("mdi:tune")
                .with("min", 0)
                .with("max", 1)
                .with("step", 0.01)
                .with("mode", "slider")
                .config(),
            Entity::new("button", "restart", "Restart")
                .with("device_class", "restart")
                .commands(&self.topics.request("restart"))
                .config()
                .available_with(&self.daemon),
        ]
    }

    fn diagnostics(&self) -> Vec<Entity> {
        let (health, every) = (&self.topics.health, self.device.health_every);
        let temperature = match self.device.temperature {
            false => Entity::removed("sensor", "temperature"),
            true => Entity::new("sensor", "temperature", "Temperature")
                .with("device_class", "temperature")
                .reads_through(health, TEMPERATURE)
                .measures("°C")
                .published_every(every)
                .diagnostic()
                .available_with(&self.daemon),
        };
        vec![
            Entity::new("sensor", "fps", "Frames a second")
                .icon("mdi:speedometer")
                .reads_through(health, FPS)
                .measures("fps")
                .published_every(every)
                .diagnostic()
                .available_with(&self.camera),
            Entity::new("binary_sensor", "camera", "Camera")
                .reads_through(&self.topics.camera_status, ONLINE_OR_OFFLINE)
                .online_or_offline()
                .diagnostic()
                .available_with(&self.daemon),
            Entity::new("binary_sensor", "problem", "Problem")
                .with("device_class", "problem")
                .reads_through(health, PROBLEM)
                .attributes(health, PROBLEM_REASON)
                .published_every(every)
                .diagnostic()
                .available_with(&self.daemon),
            // Always available, because it reports the availability of the others.
            Entity::new("binary_sensor", "connectivity", "Connection")
                .reads(&self.topics.status)
                .online_or_offline()
                .diagnostic(),
            temperature,
        ]
    }
}
