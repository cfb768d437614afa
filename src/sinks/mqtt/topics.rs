//! The names of the topics.

/// Topics of one device: `<base_topic>/<device id>/...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    pub status: String,
    pub info: String,
    pub state: String,
    pub classification: String,
    pub camera_status: String,
}

impl Topics {
    pub fn new(base_topic: &str, device_id: &str) -> Self {
        let topic = |name: &str| format!("{base_topic}/{device_id}/{name}");
        Self {
            status: topic("status"),
            info: topic("info"),
            state: topic("state"),
            classification: topic("classification"),
            camera_status: topic("camera/status"),
        }
    }
}
