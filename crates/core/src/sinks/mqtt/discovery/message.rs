//! The discovery message.

use serde_json::{Map, Value, json};

use super::device::Device;
use super::entities::entities;
use crate::sinks::mqtt::topics::{Names, Topics};

/// The discovery message: the device, with all of its entities, and the removals of those that it had when it had the `former` views and
/// cameras, and has no more.
pub fn payload(device: &Device, topics: &Topics, former: &[Names]) -> String {
    let mut components = Map::new();
    for names in former {
        let then = Topics::new(topics.base_topic(), &device.id, names);
        let entities = entities(&device.as_it_was(names), &then);
        components.extend(entities.iter().map(|entity| entity.removal().component(&device.id)));
    }
    components.extend(entities(device, topics).into_iter().map(|entity| entity.component(&device.id)));
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
