//! What the parts need of the configuration.

use std::time::Duration;

use crate::config::Config;
use crate::domain::view::View;
use crate::pipeline::orders::Rules;
use crate::web;

/// Between two states when there is no broker that would say otherwise.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(60);

/// A camera is waited for this many frame timeouts before its last label is stale; the watchdog calls it offline then.
const STALE_TIMEOUTS: u32 = 2;

/// The shortest time between states that carry the same label.
pub fn heartbeat(config: &Config) -> Duration {
    config.mqtt.as_ref().map_or(DEFAULT_HEARTBEAT, |mqtt| mqtt.heartbeat)
}

/// Without a frame for this long, nothing is known of now.
pub fn stale_after(config: &Config) -> Duration {
    config.camera.frame_timeout.saturating_mul(STALE_TIMEOUTS)
}

/// How the camera's frames are looked at.
pub fn view_of(config: &Config) -> View {
    View { rotation: config.camera.rotation, region: config.region }
}

/// How the camera's frames are judged.
pub fn rules_of(config: &Config) -> Rules {
    Rules {
        labels: config.labels.clone(),
        policy: config.accurate.disagreement,
        gate: config.gate,
        ask: config.accurate.rules(),
        heartbeat: heartbeat(config),
        stale_after: stale_after(config),
    }
}

/// What the web page is to be like, where there is to be one.
pub(super) fn web_settings(config: &Config) -> Option<web::Settings> {
    let http = config.http.clone()?;
    Some(web::Settings { http, preview: config.preview, stale_after: stale_after(config) })
}
