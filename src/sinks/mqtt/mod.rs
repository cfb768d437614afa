//! MQTT: what is published, when, and that it survives the broker's absence.

mod certificate;
mod client;
pub mod diagnose;
mod inbox;
mod link;
mod loss;
mod monitor;
mod outbox;
mod pace;
mod session;
pub mod tls;
mod topics;
mod transport;
mod wire;

use std::sync::Arc;
use std::time::Duration;

pub use client::Connection;
pub use inbox::{Inbox, Incoming};
pub use monitor::{Counters, Monitor};
pub use outbox::{Delivery, Message, Outbox, Tally};
pub use topics::Topics;

use super::{Sink, camera_json, classification_json, state_json};
use crate::clock::Clock;
use crate::label::{CameraState, Event};
use serde_json::Value;

/// The largest packet that is sent or accepted; the library's own default of 10 KiB would cut a connection over a long
/// payload.
const MAX_PACKET_BYTES: usize = 1 << 20;

/// Puts events into the outbox; the connection empties it on its own thread's time. Each thread that has something to
/// say has a clone.
#[derive(Clone)]
pub struct MqttSink {
    outbox: Arc<Outbox>,
    topics: Topics,
    /// What `info` says; the camera's part follows when the camera is open.
    info: Value,
    clock: Arc<dyn Clock>,
    classification_interval: Duration,
    last_classification: Option<Duration>,
}

impl Sink for MqttSink {
    fn publish(&mut self, event: &Event) {
        let message = match event {
            Event::Camera(CameraState::Online) => retained(&self.topics.camera_status, "online".into()),
            Event::Camera(CameraState::Offline) => retained(&self.topics.camera_status, "offline".into()),
            Event::Negotiated(camera) => {
                self.info["camera"] = camera_json(camera);
                retained(&self.topics.info, self.info.to_string())
            }
            Event::Classified(frame) => {
                let now = self.clock.now();
                let due = self
                    .last_classification
                    .is_none_or(|last| now.saturating_sub(last) >= self.classification_interval);
                if !due {
                    return;
                }
                self.last_classification = Some(now);
                Message {
                    topic: self.topics.classification.clone(),
                    payload: classification_json(frame).into(),
                    delivery: Delivery::Live,
                    retain: false,
                }
            }
            Event::Changed(stable) | Event::Heartbeat(stable) => retained(&self.topics.state, state_json(stable)),
        };
        self.outbox.push(message);
    }
}

fn retained(topic: &str, payload: String) -> Message {
    Message { topic: topic.to_owned(), payload: payload.into(), delivery: Delivery::Latest, retain: true }
}

/// The two ends of the outbox: the sink for the inference thread, and the connection to be run.
///
/// `info` is the retained description of the device.
pub fn new(
    settings: &crate::config::typed::Mqtt,
    device_id: &str,
    info: Value,
    clock: Arc<dyn Clock>,
) -> (MqttSink, Connection) {
    let topics = Topics::new(&settings.base_topic, device_id);
    let outbox = Arc::new(Outbox::new(settings.buffer));
    // The order of a session's first messages: status, info, then whatever state there is.
    outbox.push(retained(&topics.status, "online".into()));
    outbox.push(retained(&topics.info, info.to_string()));
    let (inbox, _) = Inbox::new(Vec::new());
    let connection = Connection::new(settings.clone(), topics.clone(), outbox.clone(), inbox);
    let sink = MqttSink {
        outbox,
        topics,
        info,
        clock,
        classification_interval: settings.classification_interval,
        last_classification: None,
    };
    (sink, connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::label::tests_support::frame;

    #[test]
    fn classifications_are_limited_in_rate_and_changes_are_not() {
        let clock = ManualClock::default();
        let outbox = Arc::new(Outbox::new(100));
        outbox.connected();
        let mut sink = MqttSink {
            outbox: outbox.clone(),
            topics: Topics::new("glimpsed", "shelf"),
            info: Value::Null,
            clock: Arc::new(clock.clone()),
            classification_interval: Duration::from_secs(1),
            last_classification: None,
        };
        for _ in 0..30 {
            sink.publish(&Event::Classified(frame(1, Some("cat"))));
            clock.advance(Duration::from_millis(100));
        }
        assert_eq!(std::iter::from_fn(|| outbox.take()).count(), 3);
    }
    #[test]
    fn what_the_camera_agreed_to_becomes_part_of_info() {
        let outbox = Arc::new(Outbox::new(100));
        outbox.connected();
        let mut sink = MqttSink {
            outbox: outbox.clone(),
            topics: Topics::new("glimpsed", "shelf"),
            info: serde_json::json!({ "version": "1" }),
            clock: Arc::new(ManualClock::default()),
            classification_interval: Duration::ZERO,
            last_classification: None,
        };
        let camera = crate::label::Negotiated { format: "MJPG".into(), width: 640, height: 480, fps: Some(29.97) };
        sink.publish(&Event::Negotiated(camera));
        let (_, message) = outbox.take().expect("a message");
        assert!(message.topic == "glimpsed/shelf/info" && message.retain, "{message:?}");
        let info: Value = serde_json::from_slice(&message.payload).expect("JSON");
        let expected = serde_json::json!({ "format": "MJPG", "width": 640, "height": 480, "fps": 29.97 });
        assert_eq!(info, serde_json::json!({ "version": "1", "camera": expected }));
    }
}
