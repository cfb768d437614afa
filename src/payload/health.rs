//! The health figures as JSON.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::rounding::{VERSION, rounded};
use crate::domain::health::{Broker, Health, Pace};

/// How the device and the daemon are (topic `health`). Counts are since the daemon started.
#[derive(Serialize, JsonSchema)]
pub(super) struct HealthPayload {
    /// Version of this format.
    v: u32,
    uptime_s: u64,
    /// Of the warmest part of the board; `null` where it has no sensor.
    temperature_c: Option<f64>,
    /// Whether the supply is too weak; `null` where the board cannot say.
    throttled: Option<bool>,
    /// What the temperature makes of the frames: all are labelled, one in some, or none.
    #[schemars(extend("enum" = ["normal", "reduced", "paused"]))]
    thermal: &'static str,
    /// Frames labelled a second.
    fps: f64,
    captured: u64,
    /// Frames that have an answer.
    labelled: u64,
    /// Of these, those that show what an earlier one showed, and have its answer.
    cached: u64,
    /// Of these, those that no model looked at because there is no light.
    too_dark: u64,
    /// Frames that came sooner than they are wanted.
    skipped: u64,
    /// Frames that could not be decoded or labelled.
    failed: u64,
    /// Frames that a newer one replaced before they were looked at.
    overwritten: u64,
    /// Frames that came broken from the camera.
    damaged: u64,
    /// How often the camera was opened again.
    reconnects: u64,
    rss_bytes: Option<u64>,
    mqtt: Option<BrokerPayload>,
    /// The web page, unless it is switched off.
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<WebPayload>,
}

/// Whether the web page is served.
#[derive(Serialize, JsonSchema)]
struct WebPayload {
    /// Not while another program has its port.
    listening: bool,
    /// Address and port.
    address: Option<String>,
}

/// The connection to the broker.
#[derive(Serialize, JsonSchema)]
struct BrokerPayload {
    connected: bool,
    /// Sessions that have begun.
    connects: u64,
    /// Tries that led to no session, and sessions that were lost.
    failures: u64,
    published: u64,
    /// Messages that wait to be sent or acknowledged.
    waiting: u64,
    /// Events that will never arrive: too many while the broker was away, or refused by it.
    dropped_events: u64,
    /// Other messages that were not sent: mostly single answers while the broker was away.
    dropped_others: u64,
    /// Commands that were thrown away because too many came at once.
    refused_commands: u64,
}

/// The payload of `health`.
pub fn health_json(health: &Health) -> Value {
    let broker = |broker: &Broker| BrokerPayload {
        connected: broker.connected,
        connects: broker.connects,
        failures: broker.failures,
        published: broker.published.sum(),
        waiting: broker.waiting,
        dropped_events: broker.dropped.event,
        dropped_others: broker.dropped.live + broker.dropped.latest,
        refused_commands: broker.refused_commands,
    };
    let payload = HealthPayload {
        v: VERSION,
        uptime_s: health.uptime.as_secs(),
        temperature_c: health.temperature_celsius.map(|temperature| rounded(temperature, 1)),
        throttled: health.throttled,
        thermal: match health.pace {
            Pace::Full => "normal",
            Pace::OneIn(_) => "reduced",
            Pace::None => "paused",
        },
        fps: rounded(health.fps, 2),
        captured: health.captured,
        labelled: health.labelled,
        cached: health.cached,
        too_dark: health.too_dark,
        skipped: health.skipped,
        failed: health.failed,
        overwritten: health.overwritten,
        damaged: health.damaged,
        reconnects: health.reconnects,
        rss_bytes: health.rss_bytes,
        mqtt: health.broker.as_ref().map(broker),
        http: health.web.map(|web| WebPayload {
            listening: web.listening,
            address: web.address.map(|address| address.to_string()),
        }),
    };
    // Numbers and strings only: serialising them cannot fail.
    serde_json::to_value(payload).unwrap_or_default()
}
