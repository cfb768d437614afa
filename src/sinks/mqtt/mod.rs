//! MQTT: what is published, when, and that it survives the broker's absence.

mod client;
mod outbox;
mod topics;

use std::sync::Arc;
use std::time::Duration;

pub use client::{Connection, Counters};
pub use topics::Topics;

use super::{Sink, classification_json, state_json};
use crate::clock::Clock;
use crate::label::{CameraState, Event};
use outbox::{Delivery, Message, Outbox};

/// Puts events into the outbox; the connection empties it on its own thread's time. Each thread that has something to
/// say has a clone.
#[derive(Clone)]
pub struct MqttSink {
    outbox: Arc<Outbox>,
    topics: Topics,
    clock: Arc<dyn Clock>,
    classification_interval: Duration,
    last_classification: Option<Duration>,
}

impl Sink for MqttSink {
    fn publish(&mut self, event: &Event) {
        let message = match event {
            Event::Camera(state) => Message {
                topic: self.topics.camera_status.clone(),
                payload: match state {
                    CameraState::Online => "online".into(),
                    CameraState::Offline => "offline".into(),
                },
                delivery: Delivery::Latest,
                retain: true,
            },
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
                    payload: classification_json(frame),
                    delivery: Delivery::Live,
                    retain: false,
                }
            }
            Event::Changed(stable) | Event::Heartbeat(stable) => Message {
                topic: self.topics.state.clone(),
                payload: state_json(stable),
                delivery: Delivery::Latest,
                retain: true,
            },
        };
        self.outbox.push(message);
    }
}

/// The two ends of the outbox: the sink for the inference thread, and the connection to be run.
///
/// `info` is the retained description of the device, as JSON.
pub fn new(
    settings: &crate::config::typed::Mqtt,
    device_id: &str,
    info: String,
    clock: Arc<dyn Clock>,
) -> (MqttSink, Connection) {
    let topics = Topics::new(&settings.base_topic, device_id);
    let outbox = Arc::new(Outbox::new(settings.buffer));
    // The order of a session's first messages: status, info, then whatever state there is.
    for (topic, payload) in [(&topics.status, "online".to_owned()), (&topics.info, info)] {
        outbox.push(Message { topic: topic.clone(), payload, delivery: Delivery::Latest, retain: true });
    }
    let connection = Connection::new(settings.clone(), topics.clone(), outbox.clone());
    let sink = MqttSink {
        outbox,
        topics,
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
            clock: Arc::new(clock.clone()),
            classification_interval: Duration::from_secs(1),
            last_classification: None,
        };
        for _ in 0..30 {
            sink.publish(&Event::Classified(frame(1, Some("cat"))));
            clock.advance(Duration::from_millis(100));
        }
        assert_eq!(std::iter::from_fn(|| outbox.pop()).count(), 3);
    }
}
