//! Derives each part's settings from the configuration.

use std::time::Duration;

use crate::config::Config;
use crate::config::typed::View;
use crate::domain::layout::{Layout, ViewEntry};
use crate::pipeline::orders::Rules;
use crate::web;

/// The heartbeat if no broker is configured.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(60);

/// A label is stale after this many frame timeouts without a frame, when the watchdog also declares the camera offline.
const STALE_TIMEOUTS: u32 = 2;

/// Longest time between two events with the same label, while frames arrive.
pub fn heartbeat(config: &Config) -> Duration {
    config.mqtt.as_ref().map_or(DEFAULT_HEARTBEAT, |mqtt| mqtt.heartbeat)
}

/// Without a frame for this long, the label of the view is unknown.
pub fn stale_after(config: &Config, view: &View) -> Duration {
    config.camera_of(view).frame_timeout.saturating_mul(STALE_TIMEOUTS)
}

/// The rules that the frames of a view are judged by.
pub fn rules_of(config: &Config, view: &View) -> Rules {
    Rules {
        labels: view.labels.clone(),
        policy: view.accurate.disagreement,
        gate: view.gate,
        ask: view.accurate.rules(),
        heartbeat: heartbeat(config),
        stale_after: stale_after(config, view),
    }
}

/// The cameras and views.
pub fn layout_of(config: &Config) -> Layout {
    let entry = |view: &View| ViewEntry {
        name: view.name.clone(),
        title: view.title.clone(),
        camera: view.camera.clone(),
        region: view.region,
    };
    Layout {
        cameras: config.cameras.iter().map(|camera| camera.name.clone()).collect(),
        views: config.views.iter().map(entry).collect(),
    }
}

/// The settings of the web server; `None` if it is disabled.
pub(super) fn web_settings(config: &Config) -> Option<web::Settings> {
    let http = config.http.clone()?;
    let stale_after = config.views.iter().map(|view| stale_after(config, view)).max().unwrap_or_default();
    Some(web::Settings { http, preview: config.preview, stale_after })
}
