//! The topic names.

use crate::config::Config;
use crate::domain::name::Name;

/// Home Assistant's discovery prefix unless it is told otherwise.
pub const HOME_ASSISTANT: &str = "homeassistant";

/// Topics of one device: `<base_topic>/<device id>/...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    base: String,
    pub status: String,
    pub info: String,
    pub health: String,
    pub views: Vec<ViewTopics>,
    pub cameras: Vec<CameraTopics>,
}

/// Topics of a view: those of the device if it is the only one, else `<device>/view/<view>/...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewTopics {
    pub view: Name,
    /// What they begin with, without the last slash.
    base: String,
    pub state: String,
    pub classification: String,
    pub accurate: String,
    pub event: String,
    /// What was taught.
    pub taught: String,
    /// Adds a picture to it.
    pub teach_add: String,
    /// How many frames wait for somebody to say what they show.
    pub unsure: String,
    pub day: String,
}

/// Topics of a camera: `<device>/camera/...` if it is the only one, else `<device>/camera/<camera>/...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraTopics {
    pub camera: Name,
    pub status: String,
    pub image: String,
}

/// The names that topics are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    pub views: Vec<Name>,
    pub cameras: Vec<Name>,
}

impl Default for Names {
    /// Of a device with one view and one camera, which have no names.
    fn default() -> Self {
        Self { views: vec![Name::ONLY], cameras: vec![Name::ONLY] }
    }
}

impl Names {
    pub fn of(config: &Config) -> Self {
        Self {
            views: config.views.iter().map(|view| view.name.clone()).collect(),
            cameras: config.cameras.iter().map(|camera| camera.name.clone()).collect(),
        }
    }
}

/// The settings, each written to `<key>/set` and retained on `<key>/state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Enabled,
    Model,
    Precision,
    Threshold,
    Accurate,
    /// The label of pictures that are added without one; where something can be taught.
    TeachLabel,
}

impl Key {
    /// Those that each view has.
    pub const ALL: [Self; 5] = [Self::Enabled, Self::Model, Self::Precision, Self::Threshold, Self::Accurate];

    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Model => "model",
            Self::Precision => "precision",
            Self::Threshold => "threshold",
            Self::Accurate => "accurate",
            Self::TeachLabel => "teach/label",
        }
    }
}

impl Topics {
    pub fn new(base_topic: &str, device_id: &str, names: &Names) -> Self {
        let base = format!("{base_topic}/{device_id}");
        let topic = |name: &str| format!("{base}/{name}");
        let view = |name: &Name| {
            let base = name.given().map_or_else(|| base.clone(), |name| topic(&format!("view/{name}")));
            let topic = |name: &str| format!("{base}/{name}");
            ViewTopics {
                view: name.clone(),
                state: topic("state"),
                classification: topic("classification"),
                accurate: topic("accurate"),
                event: topic("event"),
                taught: topic("teach/state"),
                teach_add: topic("teach/add"),
                unsure: topic("unsure"),
                day: topic("day"),
                base,
            }
        };
        let camera = |name: &Name| CameraTopics {
            camera: name.clone(),
            status: topic(&camera_topic(name, "status")),
            image: topic(&camera_topic(name, "image")),
        };
        Self {
            status: topic("status"),
            info: topic("info"),
            health: topic("health"),
            views: names.views.iter().map(view).collect(),
            cameras: names.cameras.iter().map(camera).collect(),
            base,
        }
    }

    /// Those of a configuration's device with this base topic.
    pub fn of(config: &Config, base_topic: &str) -> Self {
        Self::new(base_topic, &config.device.id, &Names::of(config))
    }

    pub fn view(&self, name: &Name) -> Option<&ViewTopics> {
        self.views.iter().find(|view| view.view == *name)
    }

    pub fn camera(&self, name: &Name) -> Option<&CameraTopics> {
        self.cameras.iter().find(|camera| camera.camera == *name)
    }

    /// Whether it is the same device's, with whatever views and cameras.
    pub fn are_of_same_device(&self, other: &Self) -> bool {
        self.base == other.base
    }

    /// The topic of the events of a device whose only view has no name.
    pub fn event_without_name(&self) -> String {
        format!("{}/event", self.base)
    }

    /// The filter for everything the device publishes and subscribes to.
    pub fn everything(&self) -> String {
        format!("{}/#", self.base)
    }

    pub fn request(&self, command: &str) -> String {
        format!("{}/request/{command}", self.base)
    }

    pub fn response(&self, command: &str) -> String {
        format!("{}/response/{command}", self.base)
    }

    /// What the topics of all devices begin with.
    pub fn base_topic(&self) -> &str {
        self.base.rsplit_once('/').map_or("", |(base, _)| base)
    }

    /// The part of the device's topic behind the device id.
    pub fn below<'a>(&self, topic: &'a str) -> Option<&'a str> {
        topic.strip_prefix(&self.base)?.strip_prefix('/')
    }

    /// The discovery topic of the device.
    pub fn discovery(prefix: &str, device_id: &str) -> String {
        format!("{prefix}/device/{device_id}/config")
    }

    /// The topics of Home Assistant's birth message: below the discovery prefix as most people set it, and where it is without a
    /// setting of its own, because the prefix does not change it.
    pub fn births(prefix: &str) -> Vec<String> {
        let mut births = vec![format!("{prefix}/status"), format!("{HOME_ASSISTANT}/status")];
        births.dedup();
        births
    }
}

impl ViewTopics {
    /// The state topic of a setting.
    pub fn setting(&self, key: Key) -> String {
        format!("{}/{}/state", self.base, key.name())
    }

    /// The command topic of a setting.
    pub fn set(&self, key: Key) -> String {
        format!("{}/{}/set", self.base, key.name())
    }
}

/// A topic of a camera below the device's.
pub fn camera_topic(camera: &Name, name: &str) -> String {
    match camera.given() {
        None => format!("camera/{name}"),
        Some(camera) => format!("camera/{camera}/{name}"),
    }
}
