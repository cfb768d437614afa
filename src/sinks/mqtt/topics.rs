//! The topic names.

/// Home Assistant's discovery prefix unless it is told otherwise.
pub const HOME_ASSISTANT: &str = "homeassistant";

/// Topics of one device: `<base_topic>/<device id>/...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    base: String,
    pub status: String,
    pub info: String,
    pub state: String,
    pub classification: String,
    pub accurate: String,
    pub event: String,
    pub health: String,
    pub camera_status: String,
    pub camera_image: String,
}

/// The settings, each written to `<key>/set` and retained on `<key>/state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Enabled,
    Model,
    Precision,
    Threshold,
    Accurate,
}

impl Key {
    pub const ALL: [Self; 5] = [Self::Enabled, Self::Model, Self::Precision, Self::Threshold, Self::Accurate];

    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Model => "model",
            Self::Precision => "precision",
            Self::Threshold => "threshold",
            Self::Accurate => "accurate",
        }
    }
}

impl Topics {
    pub fn new(base_topic: &str, device_id: &str) -> Self {
        let base = format!("{base_topic}/{device_id}");
        let topic = |name: &str| format!("{base}/{name}");
        Self {
            status: topic("status"),
            info: topic("info"),
            state: topic("state"),
            classification: topic("classification"),
            accurate: topic("accurate"),
            event: topic("event"),
            health: topic("health"),
            camera_status: topic("camera/status"),
            camera_image: topic("camera/image"),
            base,
        }
    }

    /// The filter for everything the device publishes and subscribes to.
    pub fn everything(&self) -> String {
        format!("{}/#", self.base)
    }

    /// The state topic of a setting.
    pub fn setting(&self, key: Key) -> String {
        format!("{}/{}/state", self.base, key.name())
    }

    /// The command topic of a setting.
    pub fn set(&self, key: Key) -> String {
        format!("{}/{}/set", self.base, key.name())
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
