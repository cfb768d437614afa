//! What is asked of the daemon: the configuration of the file, and the settings that were changed since.

use serde_json::Value;

use glimpsed_core::config::typed::View;
use glimpsed_core::config::{Config, Sources};

/// Keys that are read only at the start of the daemon.
const ONLY_AT_START: [&str; 2] = ["log.", "stdout."];

/// The state that the controller brings about.
pub(super) struct Desired {
    /// The configuration in effect: the file's, with the settings changed since.
    pub live: Config,
    /// Why the file as it is now is not in effect.
    pub error: Option<String>,
    /// The file and the environment that it comes from.
    pub sources: Sources,
    /// The configuration of the file.
    file: Config,
    /// Each key of the configuration with its value and origin, for `info`.
    pub effective: Value,
    /// `effective` as it was when the daemon started.
    started: Value,
}

impl Desired {
    /// `live` is the configuration of the `file` with other settings.
    pub(super) fn new(sources: Sources, file: Config, live: Config, error: Option<String>) -> Self {
        let effective = sources.show_json().unwrap_or_default();
        let started = effective.clone();
        Self { live, error, sources, file, effective, started }
    }

    /// This file's configuration is in effect from now on.
    pub(super) fn accept(&mut self, sources: Sources, config: Config, effective: Value) {
        (self.sources, self.file, self.effective) = (sources, config, effective);
    }

    /// A file's configuration with the settings changed at run time, except those whose key was edited since.
    pub(super) fn with_what_was_set(&self, file: &Config) -> Config {
        let mut next = file.clone();
        for view in &mut next.views {
            let (Some(before), Some(live)) = (self.file.view(&view.name), self.live.view(&view.name)) else { continue };
            if view.enabled == before.enabled {
                view.enabled = live.enabled;
            }
            if view.model.name == before.model.name
                && let Some(chosen) = file.models.iter().find(|model| model.name == live.model.name)
            {
                view.model = chosen.clone();
            }
            if view.precision == before.precision {
                view.precision = live.precision;
            }
            if view.labels.unknown_below == before.labels.unknown_below {
                view.labels.unknown_below = live.labels.unknown_below;
            }
            if view.accurate.enabled == before.accurate.enabled {
                view.accurate.enabled = live.accurate.enabled;
            }
        }
        next
    }

    /// The views that are on in the file and off now.
    pub(super) fn switched_off(&self) -> Vec<String> {
        let is_on = |view: &&View| self.file.view(&view.name).is_some_and(|view| view.enabled);
        let off = self.live.views.iter().filter(|view| !view.enabled).filter(is_on);
        off.map(|view| view.name.to_string()).collect()
    }

    /// Keys that were edited and take effect only after a restart.
    pub(super) fn restart_required(&self) -> Vec<String> {
        let value = |of: &Value, key: &str| of.get(key).map(|entry| entry["value"].clone());
        let keys = self.effective.as_object().into_iter().flat_map(|keys| keys.keys());
        let fixed = keys.filter(|key| ONLY_AT_START.iter().any(|table| key.starts_with(table)));
        fixed.filter(|key| value(&self.effective, key) != value(&self.started, key)).cloned().collect()
    }
}
