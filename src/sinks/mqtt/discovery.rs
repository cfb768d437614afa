//! Home Assistant discovery: one retained message with the device and its entities
//! (<https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload>).

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::topics::{Key, Topics};
use crate::board::Board;
use crate::config::Config;
use crate::domain::health::HEALTH_EVERY;
use crate::domain::settings::PrecisionChoice;

/// The properties of the device that its entities depend on.
#[derive(Debug, Clone)]
pub struct Device {
    pub id: String,
    pub name: String,
    /// The board's model name.
    pub board: String,
    /// The models that can be selected.
    pub models: Vec<String>,
    pub heartbeat: Duration,
    /// Longest time between two messages on the health topic.
    pub health_every: Duration,
    /// Whether pictures are published on `camera/image`.
    pub pictures: bool,
    /// Whether an accurate model can be enabled.
    pub accurate: bool,
    /// Whether the board has a temperature sensor.
    pub temperature: bool,
    /// The page's address, if other machines reach it.
    pub page: Option<String>,
}

impl Device {
    /// The device that a configuration describes, on this board.
    pub fn of(config: &Config, board: &Board) -> Self {
        Self {
            id: config.device.id.clone(),
            name: config.device.name.clone(),
            board: board.model(),
            models: config.models.iter().filter(|model| model.path.is_file()).map(|model| model.name.clone()).collect(),
            heartbeat: config.mqtt.as_ref().map_or(HEALTH_EVERY, |mqtt| mqtt.heartbeat),
            health_every: HEALTH_EVERY,
            pictures: config.publish_image,
            accurate: config.accurate.model.path.is_file(),
            temperature: board.temperature().is_some(),
            page: page_of(config),
        }
    }
}

/// The page's address for other machines; `None` if they do not reach it.
fn page_of(config: &Config) -> Option<String> {
    let http = config.http.as_ref().filter(|http| !http.listen.ip().is_loopback() && http.listen.port() != 0)?;
    let ip = http.listen.ip();
    let host = match (http.hosts.first(), ip.is_unspecified()) {
        (Some(host), _) => host.clone(),
        (None, false) => match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        },
        (None, true) => {
            let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
            if name.contains('.') { name } else { format!("{name}.local") }
        }
    };
    Some(format!("http://{host}:{}/", http.listen.port()))
}

/// A value expires after this many heartbeats, so that one lost message is tolerated.
const MISSED_BEATS: u32 = 3;

/// The attributes of the label's entity. No times, because each value is another row in Home Assistant's database. An empty
/// message, as `glimpsed mqtt test` sends it and as the removal of a retained one arrives, has none; so it is for every template.
const ATTRIBUTES: &str = "{{ ({'status': value_json.status, 'model': value_json.model.name, 'precision': \
     value_json.model.precision, 'top': value_json.top} if value_json is defined else {}) | tojson }}";

/// The same for the accurate model.
const OPINION: &str = "{{ ({'agree': value_json.agree, 'reason': value_json.reason, 'model': value_json.model.name, \
     'fast_label': value_json.fast.label, 'top': value_json.top} if value_json is defined else {}) | tojson }}";

/// A label, or why there is none.
const LABEL: &str = "{{ (value_json.label or value_json.status) if value_json is defined else this.state }}";

/// A disabled camera counts as offline. An empty message, as `glimpsed mqtt test` sends it, is ignored.
const ONLINE_OR_OFFLINE: &str = "{{ 'online' if value == 'online' else 'offline' if value else '' }}";

/// The removal of an entity that the device does not have (any more). Home Assistant keeps an entity that is left out,
/// and removes one with nothing but a platform.
fn removed(platform: &str) -> Value {
    json!({ "platform": platform })
}

/// The discovery message.
pub fn payload(device: &Device, topics: &Topics) -> String {
    let components: Map<String, Value> = components(device, topics)
        .into_iter()
        .map(|(key, mut component)| {
            if component.as_object().is_some_and(|members| members.len() == 1) {
                return (key.to_owned(), component);
            }
            component["unique_id"] = format!("glimpsed_{}_{key}", device.id).into();
            let platform = component["platform"].as_str().unwrap_or_default();
            component["default_entity_id"] =
                format!("{platform}.{}_{key}", device.id.to_lowercase().replace('-', "_")).into();
            (key.to_owned(), component)
        })
        .collect();
    envelope(device, components)
}

/// A discovery message without entities: Home Assistant takes it, and keeps what it has.
pub fn without_entities(device: &Device) -> String {
    envelope(device, Map::new())
}

fn envelope(device: &Device, components: Map<String, Value>) -> String {
    let mut about = json!({
        "identifiers": [format!("glimpsed_{}", device.id)],
        "name": device.name,
        "manufacturer": "glimpsed",
        "model": device.board,
        "sw_version": env!("CARGO_PKG_VERSION"),
    });
    if let Some(page) = &device.page {
        about["configuration_url"] = page.as_str().into();
    }
    json!({
        "device": about,
        "origin": { "name": "glimpsed", "sw_version": env!("CARGO_PKG_VERSION") },
        "components": components,
    })
    .to_string()
}

fn components(device: &Device, topics: &Topics) -> Vec<(&'static str, Value)> {
    let daemon = json!([{ "topic": topics.status }]);
    // The label is available only while the camera is online.
    let camera = json!([
        { "topic": topics.status },
        { "topic": topics.camera_status, "value_template": ONLINE_OR_OFFLINE },
    ]);
    let expire_after = |every: Duration| (every * MISSED_BEATS).as_secs();
    let state_expires = expire_after(device.heartbeat.max(Duration::from_secs(1)));
    let health_expires = expire_after(device.health_every);
    let mut components = vec![
        (
            "label",
            json!({
                "platform": "sensor",
                "name": "Label",
                "icon": "mdi:eye",
                "state_topic": topics.state,
                "value_template": LABEL,
                "json_attributes_topic": topics.state,
                "json_attributes_template": ATTRIBUTES,
                "expire_after": state_expires,
                "availability": camera,
                "availability_mode": "all",
            }),
        ),
        (
            "confidence",
            json!({
                "platform": "sensor",
                "name": "Confidence",
                "icon": "mdi:percent",
                "state_topic": topics.state,
                "value_template": "{{ (value_json.confidence * 100) | round(1) if value_json is defined else '' }}",
                "unit_of_measurement": "%",
                "state_class": "measurement",
                "expire_after": state_expires,
                "availability": camera,
                "availability_mode": "all",
            }),
        ),
        (
            "change",
            json!({
                "platform": "event",
                "name": "Label change",
                "icon": "mdi:eye-refresh",
                "state_topic": topics.event,
                "event_types": ["label_changed"],
                "availability": camera,
                "availability_mode": "all",
            }),
        ),
        (
            "fps",
            json!({
                "platform": "sensor",
                "name": "Frames a second",
                "icon": "mdi:speedometer",
                "state_topic": topics.health,
                "value_template": "{{ value_json.fps if value_json is defined else '' }}",
                "unit_of_measurement": "fps",
                "state_class": "measurement",
                "entity_category": "diagnostic",
                "expire_after": health_expires,
                "availability": camera,
                "availability_mode": "all",
            }),
        ),
        (
            "camera",
            json!({
                "platform": "binary_sensor",
                "name": "Camera",
                "device_class": "connectivity",
                "state_topic": topics.camera_status,
                "payload_on": "online",
                "payload_off": "offline",
                "value_template": ONLINE_OR_OFFLINE,
                "entity_category": "diagnostic",
                "availability": daemon,
            }),
        ),
        (
            "problem",
            json!({
                "platform": "binary_sensor",
                "name": "Problem",
                "device_class": "problem",
                "state_topic": topics.health,
                "value_template": "{{ ('ON' if value_json.problems else 'OFF') if value_json is defined else '' }}",
                "json_attributes_topic": topics.health,
                "json_attributes_template":
                    "{{ {'reason': value_json.problems | join('; ') if value_json is defined else ''} | tojson }}",
                "entity_category": "diagnostic",
                "expire_after": health_expires,
                "availability": daemon,
            }),
        ),
        // Always available, because it reports the availability of the others.
        (
            "connectivity",
            json!({
                "platform": "binary_sensor",
                "name": "Connection",
                "device_class": "connectivity",
                "state_topic": topics.status,
                "payload_on": "online",
                "payload_off": "offline",
                "entity_category": "diagnostic",
            }),
        ),
        (
            "enabled",
            json!({
                "platform": "switch",
                "name": "Look",
                "icon": "mdi:cctv",
                "command_topic": topics.set(Key::Enabled),
                "state_topic": topics.setting(Key::Enabled),
                "availability": daemon,
            }),
        ),
        (
            "model",
            json!({
                "platform": "select",
                "name": "Model",
                "icon": "mdi:brain",
                "command_topic": topics.set(Key::Model),
                "state_topic": topics.setting(Key::Model),
                "options": device.models,
                "entity_category": "config",
                "availability": daemon,
            }),
        ),
        (
            "precision",
            json!({
                "platform": "select",
                "name": "Precision",
                "icon": "mdi:speedometer-medium",
                "command_topic": topics.set(Key::Precision),
                "state_topic": topics.setting(Key::Precision),
                "options": PrecisionChoice::ALL.map(PrecisionChoice::name),
                "entity_category": "config",
                "availability": daemon,
            }),
        ),
        (
            "threshold",
            json!({
                "platform": "number",
                "name": "Unknown below",
                "icon": "mdi:tune",
                "command_topic": topics.set(Key::Threshold),
                "state_topic": topics.setting(Key::Threshold),
                "min": 0,
                "max": 1,
                "step": 0.01,
                "mode": "slider",
                "entity_category": "config",
                "availability": daemon,
            }),
        ),
        (
            "restart",
            json!({
                "platform": "button",
                "name": "Restart",
                "device_class": "restart",
                "command_topic": topics.request("restart"),
                "entity_category": "config",
                "availability": daemon,
            }),
        ),
    ];
    let temperature = || {
        json!({
            "platform": "sensor",
            "name": "Temperature",
            "device_class": "temperature",
            "state_topic": topics.health,
            "value_template": "{{ value_json.temperature_c if value_json is defined else '' }}",
            "unit_of_measurement": "°C",
            "state_class": "measurement",
            "entity_category": "diagnostic",
            "expire_after": health_expires,
            "availability": daemon,
        })
    };
    let image = || {
        json!({
            "platform": "image",
            "name": "Picture",
            "image_topic": topics.camera_image,
            "content_type": "image/jpeg",
            "availability": camera,
            "availability_mode": "all",
        })
    };
    let snapshot = || {
        json!({
            "platform": "button",
            "name": "Take a picture",
            "icon": "mdi:camera",
            "command_topic": topics.request("snapshot"),
            "availability": camera,
            "availability_mode": "all",
        })
    };
    let accurate = || {
        json!({
            "platform": "switch",
            "name": "Second opinion",
            "icon": "mdi:scale-balance",
            "command_topic": topics.set(Key::Accurate),
            "state_topic": topics.setting(Key::Accurate),
            "entity_category": "config",
            "availability": daemon,
        })
    };
    let opinion = || {
        json!({
            "platform": "sensor",
            "name": "Label of the accurate model",
            "icon": "mdi:scale-balance",
            "state_topic": topics.accurate,
            "value_template": LABEL,
            "json_attributes_topic": topics.accurate,
            "json_attributes_template": OPINION,
            "availability": camera,
            "availability_mode": "all",
        })
    };
    components.push(("opinion", if device.accurate { opinion() } else { removed("sensor") }));
    components.push(("accurate", if device.accurate { accurate() } else { removed("switch") }));
    components.push(("temperature", if device.temperature { temperature() } else { removed("sensor") }));
    components.push(("image", if device.pictures { image() } else { removed("image") }));
    components.push(("snapshot", if device.pictures { snapshot() } else { removed("button") }));
    components
}
