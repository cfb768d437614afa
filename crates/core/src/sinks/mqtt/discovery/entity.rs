//! One entity of Home Assistant, and what several of them have in common.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// A value expires after this many of its intervals, so that one lost message is tolerated.
const MISSED_INTERVALS: u32 = 3;

/// An entity under construction.
pub(super) struct Entity {
    /// Unique within the device.
    key: String,
    members: Map<String, Value>,
}

impl Entity {
    /// `platform` is Home Assistant's: `sensor`, `switch`, ... One without a name is called like the device.
    pub(super) fn new(platform: &str, key: &str, name: impl Into<Value>) -> Self {
        Self::removed(platform, key).with("name", name)
    }

    /// The removal of an entity that the device does not have (any more). Home Assistant keeps an entity that is left
    /// out, and removes one with nothing but a platform.
    pub(super) fn removed(platform: &str, key: &str) -> Self {
        Self { key: key.to_owned(), members: Map::new() }.with("platform", platform)
    }

    pub(super) fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    pub(super) fn icon(self, icon: &str) -> Self {
        self.with("icon", icon)
    }

    /// Its state is what is published on `topic`, as it is.
    pub(super) fn reads(self, topic: &str) -> Self {
        self.with("state_topic", topic)
    }

    /// Its state is what `template` makes of what is published on `topic`.
    pub(super) fn reads_through(self, topic: &str, template: &str) -> Self {
        self.reads(topic).with("value_template", template)
    }

    /// `template` makes a JSON object of what is published on `topic`.
    pub(super) fn attributes(self, topic: &str, template: &str) -> Self {
        self.with("json_attributes_topic", topic).with("json_attributes_template", template)
    }

    /// A command goes to this topic.
    pub(super) fn commands(self, topic: &str) -> Self {
        self.with("command_topic", topic)
    }

    /// A command goes to the first topic, and what is in effect comes on the second.
    pub(super) fn sets(self, (set, setting): (&str, &str)) -> Self {
        self.commands(set).reads(setting)
    }

    /// A number, of which Home Assistant keeps statistics.
    pub(super) fn measures(self, unit: &str) -> Self {
        self.with("unit_of_measurement", unit).with("state_class", "measurement")
    }

    /// Its two states are those of a status topic.
    pub(super) fn online_or_offline(self) -> Self {
        self.with("device_class", "connectivity").with("payload_on", "online").with("payload_off", "offline")
    }

    /// Its value is published at least once in `interval`.
    pub(super) fn published_every(self, interval: Duration) -> Self {
        self.with("expire_after", (interval * MISSED_INTERVALS).as_secs())
    }

    pub(super) fn diagnostic(self) -> Self {
        self.with("entity_category", "diagnostic")
    }

    pub(super) fn config(self) -> Self {
        self.with("entity_category", "config")
    }

    /// Available while every one of these topics says `online`.
    pub(super) fn available_with(self, topics: &[Availability<'_>]) -> Self {
        let list: Vec<Value> = topics.iter().map(Availability::json).collect();
        let several = list.len() > 1;
        let entity = self.with("availability", list);
        if several { entity.with("availability_mode", "all") } else { entity }
    }

    /// The removal of this entity.
    pub(super) fn removal(&self) -> Self {
        Self::removed(self.members["platform"].as_str().unwrap_or_default(), &self.key)
    }

    /// Its key, and its part of the discovery message.
    pub(super) fn component(self, device: &str) -> (String, Value) {
        let is_removal = self.members.len() == 1;
        if is_removal {
            return (self.key, Value::Object(self.members));
        }
        let platform = self.members["platform"].as_str().unwrap_or_default();
        let id = format!("{platform}.{}_{}", device.to_lowercase().replace('-', "_"), self.key);
        let unique = format!("glimpsed_{device}_{}", self.key);
        let key = self.key.clone();
        (key, Value::Object(self.with("unique_id", unique).with("default_entity_id", id).members))
    }
}

/// A topic that tells whether entities are available.
#[derive(Clone, Copy)]
pub(super) struct Availability<'a> {
    pub(super) topic: &'a str,
    /// Makes `online` or `offline` of other words; `None` if the topic has just these two.
    pub(super) template: Option<&'a str>,
}

impl Availability<'_> {
    fn json(&self) -> Value {
        match self.template {
            None => json!({ "topic": self.topic }),
            Some(template) => json!({ "topic": self.topic, "value_template": template }),
        }
    }
}
