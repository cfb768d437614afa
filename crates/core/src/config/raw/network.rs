//! What leaves the device, and what is let in.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::interval::Interval;

/// The broker.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawMqtt {
    /// `mqtt://host` or `mqtt://host:port`; `mqtts://` is with TLS. Without it nothing is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Must be unlike every other client's. Default: made from the machine's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Version of the protocol: `auto` is MQTT 5, or 3.1.1 with a broker that does not speak it; `5` and `3.1.1` insist.
    pub version: MqttVersion,
    /// First part of every topic.
    pub base_topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// User name for the broker.
    pub username: Option<String>,
    /// File that holds the password (its first line), so that the password is not in this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// How long the connection may be silent before it is probed.
    pub keepalive: Interval,
    /// How many events are kept while the broker is away; the oldest are dropped first, and counted.
    pub buffer: u32,
    /// Shortest time between two messages on the `classification` topic; `0s` publishes every frame.
    pub classification_interval: Interval,
    /// The `state` topic is sent again after this long without a change.
    pub heartbeat: Interval,
    pub tls: RawTls,
}

/// The protocol between us and the broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum MqttVersion {
    #[default]
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "5")]
    V5,
    #[serde(rename = "3.1.1")]
    V311,
}

/// For a broker at `mqtts://`; files in PEM.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawTls {
    /// Certificates of the CAs that the broker's may be signed by. Default: what the system trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// This device's certificate, for a broker that wants one, with those between it and its CA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// Private key of `cert`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// The name that the broker's certificate must be for. Default: the host in `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

impl Default for RawMqtt {
    fn default() -> Self {
        Self {
            url: None,
            client_id: None,
            version: MqttVersion::default(),
            base_topic: "glimpsed".into(),
            username: None,
            password_file: None,
            keepalive: Interval::from_secs(30),
            buffer: 1000,
            classification_interval: Interval::from_secs(1),
            heartbeat: Interval::from_secs(60),
            tls: RawTls::default(),
        }
    }
}

/// Entities in Home Assistant, which finds them by itself.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawHomeAssistant {
    /// Publish a discovery message for Home Assistant.
    pub enabled: bool,
    /// Home Assistant's discovery prefix.
    pub prefix: String,
}

impl Default for RawHomeAssistant {
    fn default() -> Self {
        Self { enabled: true, prefix: "homeassistant".into() }
    }
}

/// The web page, the HTTP interface and the metrics.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawHttp {
    /// Serve them.
    pub enabled: bool,
    /// Address and port to listen on: `127.0.0.1:8080` is for this machine alone, `0.0.0.0:8080` for all, with a token.
    pub listen: String,
    /// File whose first line is the token that every request needs, and that the page asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Names that the page is reached by, besides addresses, `localhost` and this machine's own name.
    pub hosts: Vec<String>,
    /// Address of a proxy that has checked who asks, such as Home Assistant's ingress: what comes from there needs no token and
    /// may be of any name. Without `token_file`, others get the probes and the log-in alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<String>,
    /// Largest picture in bytes that may be sent to be labelled.
    pub max_upload: u32,
    /// How many may watch the picture at once, and as many the events.
    pub max_clients: u32,
}

impl Default for RawHttp {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: "127.0.0.1:8080".into(),
            token_file: None,
            hosts: Vec::new(),
            ingress: None,
            max_upload: 16_000_000,
            max_clients: 32,
        }
    }
}

/// What leaves the device.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawPrivacy {
    /// Publish pictures over MQTT: one whenever the label changes, and when a snapshot is asked for.
    pub publish_image: bool,
    /// Show the live picture on the web page.
    pub preview: bool,
    /// Let the rules in `[[notify]]` send pictures to whom they tell something.
    pub notify_image: bool,
}

impl Default for RawPrivacy {
    fn default() -> Self {
        Self { publish_image: false, preview: true, notify_image: false }
    }
}
