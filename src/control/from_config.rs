//! Derives each part's settings from the configuration.

use std::time::Duration;

use crate::web;
use crate::web::downloads::ModelFiles;
use glimpsed_core::config::Config;
use glimpsed_core::config::typed::{Notify, View};
use glimpsed_core::domain::layout::{Layout, ViewEntry};
use glimpsed_core::domain::name::Name;
use glimpsed_core::pipeline::orders::Rules;
use glimpsed_core::teach::lessons::Lessons;

/// The heartbeat if no broker is configured.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(60);

/// A label is stale after this many frame timeouts without a frame, when the watchdog also declares the camera offline.
const STALE_TIMEOUTS: u32 = 2;

/// Longest time between two events with the same label, while frames arrive.
pub fn heartbeat(config: &Config) -> Duration {
    config.mqtt.as_ref().map_or(DEFAULT_HEARTBEAT, |mqtt| mqtt.heartbeat)
}

/// Without a frame for this long, the label of the view is unknown.
fn stale_after(config: &Config, view: &View) -> Duration {
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
        remembers: remembered(config) > 0,
        stale_after: stale_after(config, view),
    }
}

/// How many pictures of changes the page shows.
fn remembered(config: &Config) -> usize {
    if config.preview && config.http.is_some() { config.teach.remember } else { 0 }
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

/// What notices to people depend on: the rules, and what people call the device and its views.
pub(super) fn notices_of(config: &Config) -> (&[Notify], &str, Vec<(&Name, &str)>) {
    let titles = config.views.iter().map(|view| (&view.name, view.title.as_str())).collect();
    (&config.notices, &config.device.name, titles)
}

/// What can be taught while the daemon runs: each view, or nothing.
pub(super) fn lessons_of(config: &Config) -> Vec<Lessons> {
    let teach = &config.teach;
    let of = |view: &View| Lessons {
        directories: teach.directories.clone(),
        base: teach.base.clone(),
        max_pictures: teach.max_pictures,
        view: view.name.clone(),
        name: view.name.to_string(),
        framing: config.framing(view),
        max_duty: config.max_duty,
    };
    if teach.while_running { config.views.iter().map(of).collect() } else { Vec::new() }
}

/// The settings of the web server; `None` if it is disabled.
pub(super) fn web_settings(config: &Config) -> Option<web::Settings> {
    let http = config.http.clone()?;
    let models = ModelFiles { searched: config.model_directories.clone(), mirror: config.mirror.clone() };
    Some(web::Settings {
        http,
        preview: config.preview,
        remember: remembered(config),
        models,
        lessons: lessons_of(config),
    })
}
