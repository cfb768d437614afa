//! The options of a connection: the broker's address, and the client's identity.

use std::time::Duration;

use glimpsed_base::secret::Secret;

use crate::broker_url::BrokerUrl;
use crate::tls::Tls;

/// The options of a connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The broker's address.
    pub broker: BrokerUrl,
    /// The TLS configuration; `None` without TLS. It must agree with `broker.tls`.
    pub tls: Option<Tls>,
    /// The protocol's version; `None` for MQTT 5, or 3.1.1 with a broker that does not speak it.
    pub version: Option<Version>,
    /// The client id, 1 to 128 bytes, unique among the broker's clients.
    pub client_id: String,
    /// The user name; `None` for an anonymous client.
    pub username: Option<String>,
    /// The password; it is sent only with a user name.
    pub password: Option<Secret>,
    /// The keep-alive interval: the longest time without a packet; at least 5 s, sent in whole seconds. The broker may
    /// shorten it.
    pub keepalive: Duration,
    /// Name and version of the program, for the broker's log (MQTT 5's user property `software`).
    pub software: String,
}

/// The version of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// MQTT 5.
    V5,
    /// MQTT 3.1.1.
    V311,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::V5 => "MQTT 5",
            Self::V311 => "MQTT 3.1.1",
        })
    }
}
