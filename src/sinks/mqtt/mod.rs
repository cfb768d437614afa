//! MQTT: what is published, when, and that it survives the broker's absence; and what is asked for from there.

mod attention;
pub mod diagnose;
pub mod discovery;
mod presence;
mod sink;
pub mod topics;
pub mod wishes;

pub use presence::{Heritage, Presence, Traffic};
pub use sink::{MqttSink, NAME};
pub use topics::{Key, Topics};
