//! How to reach a broker, and as whom.

use std::time::Duration;

use glimpsed_base::secret::Secret;

use crate::broker_url::BrokerUrl;
use crate::tls::Tls;

/// What a connection needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Where the broker listens.
    pub broker: BrokerUrl,
    /// Where the broker's address asks for TLS.
    pub tls: Option<Tls>,
    /// The protocol's version.
    pub version: Version,
    /// 1 to 128 bytes.
    pub client_id: String,
    /// `None`: an anonymous client.
    pub username: Option<String>,
    /// Sent with a user name only.
    pub password: Option<Secret>,
    /// The longest silence; at least 5 s.
    pub keepalive: Duration,
    /// Name and version of the program, for the broker's log (MQTT 5's user property `software`).
    pub software: String,
}

/// Of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// MQTT 5.
    V5,
    /// MQTT 3.1.1.
    V311,
}
