//! MQTT: publishes events, survives the broker's absence, and receives commands.

mod broker_session;
mod clean;
pub mod diagnose;
pub mod discovery;
mod dispatcher;
pub mod inbound;
mod presence;
mod published;
mod sink;
pub mod table;
pub mod topics;
mod unsent;

pub use broker_session::{BrokerSession, Handover, Traffic};
pub use clean::Leftovers;
pub use sink::{MqttSink, NAME};
pub use topics::{Key, Names, Topics};
