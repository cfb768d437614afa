//! Messages and their delivery guarantees.

use glimpsed_base::budget;
use serde::Serialize;

/// The largest packet that is sent or accepted, in bytes: 1 MiB.
pub const MAX_PACKET_BYTES: usize = budget::MQTT_PACKET;

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The topic, without wildcards.
    pub topic: String,
    /// The content.
    pub payload: Vec<u8>,
    /// The delivery guarantee, which also decides the QoS.
    pub delivery: Delivery,
    /// Whether the broker retains it for later subscribers.
    pub retain: bool,
    /// What the requester recognises the answer by (MQTT 5's Correlation Data); not sent with 3.1.1.
    pub correlation: Option<Vec<u8>>,
}

impl Message {
    /// A message without correlation data.
    pub fn new(topic: impl Into<String>, payload: impl Into<Vec<u8>>, delivery: Delivery, retain: bool) -> Self {
        Self { topic: topic.into(), payload: payload.into(), delivery, retain, correlation: None }
    }

    /// The approximate size in memory and in a packet, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.topic.len() + self.payload.len() + self.correlation.as_ref().map_or(0, Vec::len)
    }
}

/// The delivery guarantee of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Of value only now: sent once (QoS 0), and dropped while there is no session.
    Live,
    /// Only the newest on its topic counts: it replaces an unsent one, is acknowledged (QoS 1), and is sent again after
    /// each reconnect, because the broker may have lost it. It is dropped only if it is too large, or of a topic too
    /// many.
    Latest,
    /// Each one counts: acknowledged (QoS 1), and kept in order while there is no session. When the queue is full the
    /// oldest is dropped.
    Event,
    /// The answer to somebody who waits for it: as [`Event`](Self::Event), in a short queue of its own, so that many
    /// answers never displace an event.
    Answer,
}

/// A count for each [`Delivery`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Messages with [`Delivery::Live`].
    pub live: u64,
    /// Messages with [`Delivery::Latest`].
    pub latest: u64,
    /// Messages with [`Delivery::Event`].
    pub event: u64,
    /// Messages with [`Delivery::Answer`].
    pub answer: u64,
}

impl Tally {
    /// Counts one message.
    pub fn count(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Live => self.live += 1,
            Delivery::Latest => self.latest += 1,
            Delivery::Event => self.event += 1,
            Delivery::Answer => self.answer += 1,
        }
    }
}
