//! MQTT: what is published, when, and that it survives the broker's absence; and what is asked for from there.

mod dispatcher;
pub mod diagnose;
pub mod discovery;
mod broker_session;
mod sink;
pub mod topics;
pub mod inbound;

pub use broker_session::{Handover, BrokerSession, Traffic};
pub use sink::{MqttSink, NAME};
pub use topics::{Key, Topics};
