//! An MQTT connection for an unattended device: it survives outages of the broker, loses no event below the queue's
//! capacity, and retries with back-off.

#![deny(missing_docs)]

mod broker_url;
mod certificate;
mod client;
mod inbox;
mod lane;
mod link;
mod loss;
mod message;
mod monitor;
mod negotiation;
mod options;
mod outbox;
mod pace;
mod refusals;
mod session;
mod subscriptions;
mod suspects;
pub mod tls;
pub mod transport;
mod wire;

pub use broker_url::{BrokerUrl, InvalidUrl};
pub use certificate::Certificate;
pub use client::{Connection, Farewell};
pub use inbox::{Inbox, Incoming, Reply};
pub use link::Link;
pub use loss::Loss;
pub use message::{Delivery, MAX_PACKET_BYTES, Message, Tally};
pub use monitor::{Counters, Monitor};
pub use negotiation::dial;
pub use options::{Options, Version};
pub use outbox::Outbox;
pub use wire::{Limits, Received, Refusal, Refused, Sent};

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
