//! Messages, and what their sender cares about.

use serde::Serialize;

/// What the library accepts and sends; its own default of 10 KiB would cut a connection over a long payload.
pub const MAX_PACKET_BYTES: usize = 1 << 20;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub delivery: Delivery,
    pub retain: bool,
}

/// What the sender cares about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Worth something only now: not kept while the broker is away, sent once (QoS 0).
    Live,
    /// Only the newest on its topic counts: replaces an unsent one, is acknowledged (QoS 1), and is sent again after each
    /// reconnect, because the broker may have forgotten it. Never dropped.
    Latest,
    /// Each one counts: acknowledged (QoS 1), kept in order while the broker is away; when there are too many, the oldest
    /// is dropped.
    Event,
}

/// A number for each kind of message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub live: u64,
    pub latest: u64,
    pub event: u64,
}

impl Tally {
    pub fn sum(&self) -> u64 {
        self.live + self.latest + self.event
    }

    pub fn plus(self, other: Self) -> Self {
        Self { live: self.live + other.live, latest: self.latest + other.latest, event: self.event + other.event }
    }

    pub fn count(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Live => self.live += 1,
            Delivery::Latest => self.latest += 1,
            Delivery::Event => self.event += 1,
        }
    }
}
