//! The entities of a device.

use std::time::Duration;

use serde_json::{Value, json};

use super::device::{Device, DeviceView, ViewLabel};
use super::entity::{Availability, Entity};
use crate::domain::settings::PrecisionChoice;
use crate::sinks::mqtt::topics::{CameraTopics, Key, Topics, ViewTopics};

/// A label, or why there is none. An empty message, as `glimpsed mqtt test` sends it and as the removal of a retained one
/// arrives, is ignored; so it is by every template here.
const LABEL: &str = "{{ (value_json.label or value_json.status) if value_json is defined else this.state }}";

/// The attributes of the label's entity. No times, because each value is another row in Home Assistant's database.
const ATTRIBUTES: &str = "{{ (dict({'status': value_json.status, 'model': value_json.model.name, 'precision': \
     value_json.model.precision, 'top': value_json.top}, **({'labels': value_json.labels | map(attribute='label') | list} \
     if value_json.labels is defined else {})) if value_json is defined else {}) | tojson }}";

/// The same for the accurate model.
const OPINION: &str = "{{ ({'agree': value_json.agree, 'reason': value_json.reason, 'model': value_json.model.name, \
     'fast_label': value_json.fast.label, 'top': value_json.top} if value_json is defined else {}) | tojson }}";

/// Whether a label is among those that hold.
fn holds(label: &str) -> String {
    // A string of JSON is one of Home Assistant's templates, too.
    let label = Value::from(label);
    format!(
        "{{{{ ('ON' if value_json.labels | default([]) | selectattr('label', 'eq', {label}) | list else 'OFF') if value_json is defined else '' }}}}"
    )
}

const CONFIDENCE: &str = "{{ (value_json.confidence * 100) | round(1) if value_json is defined else '' }}";
const PICTURES: &str = "{{ value_json.pictures if value_json is defined else '' }}";
const UNSURE: &str = "{{ value_json.count if value_json is defined else '' }}";

/// The attributes of what was taught.
const TAUGHT: &str = "{{ ({'labels': value_json.classes, 'right': value_json.right, 'written': value_json.written} \
     if value_json is defined else {}) | tojson }}";
const TIMES: &str = "{{ value_json.times if value_json is defined else '' }}";
const COUNTS: &str = "{{ {'counts': value_json.counts if value_json is defined else {}} | tojson }}";
const FPS: &str = "{{ value_json.fps if value_json is defined else '' }}";
const TEMPERATURE: &str = "{{ value_json.temperature_c if value_json is defined else '' }}";
const PROBLEM: &str = "{{ ('ON' if value_json.problems else 'OFF') if value_json is defined else '' }}";
const PROBLEM_REASON: &str =
    "{{ {'reason': value_json.problems | join('; ') if value_json is defined else ''} | tojson }}";

/// A disabled camera counts as offline.
const ONLINE_OR_OFFLINE: &str = "{{ 'online' if value == 'online' else 'offline' if value else '' }}";

/// All entities, and the removals of those that this device does not have.
pub(super) fn entities(device: &Device, topics: &Topics) -> Vec<Entity> {
    let parts = Parts { device, topics, daemon: [Availability { topic: &topics.status, template: None }] };
    let views = device.views.iter().filter_map(|view| {
        let of = topics.view(&view.name)?;
        let camera = topics.camera(&view.camera)?;
        Some(parts.view(view, of, camera))
    });
    let cameras = topics.cameras.iter().map(|camera| parts.camera(camera));
    views.flatten().chain(cameras.flatten()).chain(parts.device()).collect()
}

struct Parts<'a> {
    device: &'a Device,
    topics: &'a Topics,
    /// Available while the daemon is connected.
    daemon: [Availability<'a>; 1],
}

/// A view with what its entities are made of.
struct OfView<'a> {
    view: &'a DeviceView,
    topics: &'a ViewTopics,
    daemon: Availability<'a>,
    /// Available while its camera is online, too.
    with_camera: [Availability<'a>; 2],
}

impl OfView<'_> {
    /// An entity of the view; of several, its key and its name begin with the view's.
    fn entity(&self, platform: &str, key: &str, name: &str) -> Entity {
        match self.view.name.given() {
            None => Entity::new(platform, key, name),
            Some(_) => Entity::new(platform, &self.key(key), format!("{} {}", self.view.title, lower_first(name))),
        }
    }

    /// That which people look at: it is called like the device, or of several views like the view.
    fn main_entity(&self, platform: &str, key: &str) -> Entity {
        let name = self.view.name.given().map(|_| self.view.title.clone());
        Entity::new(platform, &self.key(key), name)
    }

    fn removed(&self, platform: &str, key: &str) -> Entity {
        Entity::removed(platform, &self.key(key))
    }

    fn key(&self, key: &str) -> String {
        self.view.name.given().map_or_else(|| key.to_owned(), |view| format!("view_{view}_{key}"))
    }

    /// An entity that sets something and shows what is in effect.
    fn setting(&self, platform: &str, key: Key, name: &str) -> Entity {
        self.entity(platform, key.name(), name)
            .sets((&self.topics.set(key), &self.topics.setting(key)))
            .available_with(&[self.daemon])
    }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

impl<'a> Parts<'a> {
    fn view(&self, view: &'a DeviceView, topics: &'a ViewTopics, camera: &'a CameraTopics) -> Vec<Entity> {
        let online = Availability { topic: &camera.status, template: Some(ONLINE_OR_OFFLINE) };
        let of = OfView { view, topics, daemon: self.daemon[0], with_camera: [self.daemon[0], online] };
        [
            self.labels(&of),
            self.each_label(&of),
            self.second_opinion(&of),
            self.snapshot(&of),
            self.settings(&of),
            self.teaching(&of),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn labels(&self, of: &OfView<'_>) -> Vec<Entity> {
        let (state, every) = (&of.topics.state, self.device.heartbeat.max(Duration::from_secs(1)));
        vec![
            of.main_entity("sensor", "label")
                .icon("mdi:eye")
                .reads_through(state, LABEL)
                .attributes(state, ATTRIBUTES)
                .published_every(every)
                .available_with(&of.with_camera),
            of.entity("sensor", "confidence", "Confidence")
                .icon("mdi:percent")
                .reads_through(state, CONFIDENCE)
                .measures("%")
                .published_every(every)
                .available_with(&of.with_camera),
            of.entity("event", "change", "Label change")
                .icon("mdi:eye-refresh")
                .reads(&of.topics.event)
                .with("event_types", vec!["label_changed"])
                .available_with(&of.with_camera),
            of.entity("sensor", "day", "Changes today")
                .icon("mdi:calendar-today")
                .reads_through(&of.topics.day, TIMES)
                .attributes(&of.topics.day, COUNTS)
                .with("state_class", "total_increasing")
                .available_with(&[of.daemon]),
        ]
    }

    /// Of labels that do not exclude each other, whether each holds.
    fn each_label(&self, of: &OfView<'_>) -> Vec<Entity> {
        let every = self.device.heartbeat.max(Duration::from_secs(1));
        let entity = |one: &ViewLabel| {
            let key = format!("shows_{}", one.key);
            match one.exists {
                false => of.removed("binary_sensor", &key),
                true => of
                    .entity("binary_sensor", &key, &one.label)
                    .icon("mdi:eye-check")
                    .reads_through(&of.topics.state, &holds(&one.label))
                    .published_every(every)
                    .available_with(&of.with_camera),
            }
        };
        of.view.labels.iter().map(entity).collect()
    }

    fn second_opinion(&self, of: &OfView<'_>) -> Vec<Entity> {
        if !of.view.accurate {
            return vec![of.removed("sensor", "opinion"), of.removed("switch", "accurate")];
        }
        let topic = &of.topics.accurate;
        vec![
            of.entity("sensor", "opinion", "Label of the accurate model")
                .icon("mdi:scale-balance")
                .reads_through(topic, LABEL)
                .attributes(topic, OPINION)
                .available_with(&of.with_camera),
            of.setting("switch", Key::Accurate, "Second opinion").icon("mdi:scale-balance").config(),
        ]
    }

    fn snapshot(&self, of: &OfView<'_>) -> Vec<Entity> {
        if !self.device.pictures {
            return vec![of.removed("button", "snapshot")];
        }
        let button = of
            .entity("button", "snapshot", "Take a picture")
            .icon("mdi:camera")
            .commands(&self.topics.request("snapshot"))
            .available_with(&of.with_camera);
        vec![match of.view.name.given() {
            None => button,
            Some(view) => button.with("payload_press", json!({ "view": view }).to_string()),
        }]
    }

    /// A label is chosen, and a button keeps the next frame under it; another learns.
    fn teaching(&self, of: &OfView<'_>) -> Vec<Entity> {
        const CHOSEN: [(&str, &str); 2] = [("select", "teach_label"), ("button", "teach_add")];
        const OTHERS: [(&str, &str); 3] = [("button", "teach"), ("sensor", "taught"), ("sensor", "unsure")];
        let removed = |(platform, key): (&str, &str)| of.removed(platform, key);
        let Some(labels) = &of.view.taught else { return CHOSEN.into_iter().chain(OTHERS).map(removed).collect() };
        // The first picture of a label is taught on the page, which shows what is kept.
        let chosen = if labels.is_empty() {
            CHOSEN.map(removed).into()
        } else {
            vec![
                of.entity("select", "teach_label", "Label to teach")
                    .icon("mdi:tag-plus")
                    .with("options", labels.clone())
                    .sets((&of.topics.set(Key::TeachLabel), &of.topics.setting(Key::TeachLabel)))
                    .config()
                    .available_with(&[of.daemon]),
                of.entity("button", "teach_add", "Teach a picture")
                    .icon("mdi:camera-plus")
                    .commands(&of.topics.teach_add)
                    .config()
                    .available_with(&of.with_camera),
            ]
        };
        let learn = of
            .entity("button", "teach", "Use what was taught")
            .icon("mdi:school")
            .commands(&self.topics.request("teach"))
            .config()
            .available_with(&[of.daemon]);
        let learn = match of.view.name.given() {
            None => learn,
            Some(view) => learn.with("payload_press", json!({ "view": view }).to_string()),
        };
        let taught = of
            .entity("sensor", "taught", "Taught pictures")
            .icon("mdi:image-multiple")
            .reads_through(&of.topics.taught, PICTURES)
            .attributes(&of.topics.taught, TAUGHT)
            .measures("pictures")
            .diagnostic()
            .available_with(&[of.daemon]);
        let unsure = of
            .entity("sensor", "unsure", "Unsure pictures")
            .icon("mdi:image-search")
            .reads_through(&of.topics.unsure, UNSURE)
            .measures("pictures")
            .diagnostic()
            .available_with(&[of.daemon]);
        chosen.into_iter().chain([learn, taught, unsure]).collect()
    }

    fn settings(&self, of: &OfView<'_>) -> Vec<Entity> {
        let precisions = PrecisionChoice::ALL.map(PrecisionChoice::name).to_vec();
        vec![
            of.setting("switch", Key::Enabled, "Classification").icon("mdi:cctv"),
            of.setting("select", Key::Model, "Model")
                .icon("mdi:brain")
                .with("options", self.device.models.clone())
                .config(),
            of.setting("select", Key::Precision, "Precision")
                .icon("mdi:speedometer-medium")
                .with("options", precisions)
                .config(),
            of.setting("number", Key::Threshold, "Confidence threshold")
                .icon("mdi:tune")
                .with("min", 0)
                .with("max", 1)
                .with("step", 0.01)
                .with("mode", "slider")
                .config(),
        ]
    }

    /// A camera is called by its name where it has one.
    fn camera(&self, camera: &CameraTopics) -> Vec<Entity> {
        let key = |only: &str, named: &str| {
            camera.camera.given().map_or_else(|| only.to_owned(), |name| format!("camera_{name}_{named}"))
        };
        let name = |only: &str| camera.camera.given().map_or_else(|| only.to_owned(), |name| format!("{only} {name}"));
        let online = Availability { topic: &camera.status, template: Some(ONLINE_OR_OFFLINE) };
        let picture = match self.device.pictures {
            false => Entity::removed("image", &key("image", "image")),
            true => Entity::new("image", &key("image", "image"), name("Picture"))
                .with("image_topic", camera.image.as_str())
                .with("content_type", "image/jpeg")
                .available_with(&[self.daemon[0], online]),
        };
        let status = Entity::new("binary_sensor", &key("camera", "online"), name("Camera"))
            .reads_through(&camera.status, ONLINE_OR_OFFLINE)
            .online_or_offline()
            .diagnostic()
            .available_with(&self.daemon);
        vec![picture, status]
    }

    fn device(&self) -> Vec<Entity> {
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
        let fps = Entity::new("sensor", "fps", "Inference FPS")
            .icon("mdi:speedometer")
            .reads_through(health, FPS)
            .measures("fps")
            .published_every(every)
            .diagnostic();
        let fps = match &self.topics.cameras[..] {
            [only] => {
                let online = Availability { topic: &only.status, template: Some(ONLINE_OR_OFFLINE) };
                fps.available_with(&[self.daemon[0], online])
            }
            _ => fps.available_with(&self.daemon),
        };
        vec![
            Entity::new("button", "restart", "Restart")
                .with("device_class", "restart")
                .commands(&self.topics.request("restart"))
                .config()
                .available_with(&self.daemon),
            fps,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::share_ids;
    use crate::domain::name::Name;
    use crate::sinks::mqtt::topics::Names;

    #[test]
    fn views_whose_entities_would_have_the_same_id_are_not_configured_together() {
        let device = Device {
            id: "shelf".into(),
            name: "Shelf".into(),
            board: String::new(),
            models: Vec::new(),
            heartbeat: Duration::ZERO,
            health_every: Duration::ZERO,
            pictures: true,
            views: Vec::new(),
            cameras: Vec::new(),
            temperature: true,
            page: None,
        };
        let names = Names { views: vec![Name::new("door")], cameras: vec![Name::new("yard")] };
        let mut device = device.as_it_was(&names);
        let label = |key: &str| ViewLabel { label: key.into(), key: key.into(), exists: true };
        device.views[0].labels = vec![label("open"), label("open_model")];
        let entities = entities(&device, &Topics::new("glimpsed", "shelf", &names));
        let keys: Vec<String> = entities.into_iter().map(|entity| entity.component("shelf").0).collect();
        let keys: Vec<&str> = keys.iter().filter_map(|key| key.strip_prefix("view_door_")).collect();
        let mut others = Vec::new();
        for key in &keys {
            let parts = key.match_indices('_').map(|(at, _)| (&key[..at], &key[at + 1..]));
            others.extend(parts.filter(|(_, rest)| keys.contains(rest)).map(|(first, _)| format!("door_{first}")));
        }
        assert_eq!(others, ["door_shows_open", "door_teach"]);
        assert!(others.iter().all(|other| share_ids("door", other) && share_ids(other, "door")));
        assert!(!share_ids("door", "door_left") && !share_ids("door", "doorbell"));
    }
}
