//! Derives each part's settings from the configuration.

use std::time::Duration;

use crate::config::Config;
use crate::domain::view::View;
use crate::pipeline::orders::Rules;
use crate::teach::lessons::Lessons;
use crate::web::downloads::ModelFiles;
use crate::web::{self};

/// The heartbeat if no broker is configured.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(60);

/// A label is stale after this many frame timeouts without a frame, when the watchdog also declares the camera offline.
const STALE_TIMEOUTS: u32 = 2;

/// Longest time between two events with the same label, while frames arrive.
pub fn heartbeat(config: &Config) -> Duration {
    config.mqtt.as_ref().map_or(DEFAULT_HEARTBEAT, |mqtt| mqtt.heartbeat)
}

/// Without a frame for this long, the label is unknown.
pub fn stale_after(config: &Config) -> Duration {
    config.camera.frame_timeout.saturating_mul(STALE_TIMEOUTS)
}

/// Rotation and region of the camera's frames.
pub fn view_of(config: &Config) -> View {
    View { rotation: config.camera.rotation, region: config.region }
}

/// The rules that the camera's frames are judged by.
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

/// What can be taught over HTTP.
fn lessons_of(config: &Config) -> Option<Lessons> {
    let teach = &config.teach;
    teach.over_http.then(|| Lessons {
        directories: teach.directories.clone(),
        base: teach.base.clone(),
        max_pictures: teach.max_pictures,
        name: "main".into(),
        view: view_of(config),
    })
}

/// The settings of the web server; `None` if it is disabled.
pub(super) fn web_settings(config: &Config) -> Option<web::Settings> {
    let http = config.http.clone()?;
    let models = ModelFiles { searched: config.model_directories.clone(), mirror: config.mirror.clone() };
    Some(web::Settings {
        http,
        preview: config.preview,
        models,
        lessons: lessons_of(config),
        stale_after: stale_after(config),
    })
}
