//! MQTT: publishes events, survives the broker's absence, and receives commands.

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
