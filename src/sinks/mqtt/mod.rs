//! MQTT: publishes events, survives the broker's absence, and receives commands.

mod broker_session;
pub mod diagnose;
pub mod discovery;
mod dispatcher;
pub mod inbound;
mod sink;
pub mod topics;

pub use broker_session::{BrokerSession, Handover, Traffic};
pub use sink::{MqttSink, NAME};
pub use topics::{Key, Topics};
