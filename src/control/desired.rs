//! What is asked of the daemon: the configuration of the file, the settings that were changed since, and whether the camera
//! is on.

use serde_json::Value;

use crate::config::{Config, Sources};

/// Keys that are read only at the start of the daemon.
const ONLY_AT_START: [&str; 2] = ["log.", "stdout."];

/// How the daemon starts.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// Whether the camera is open from the start.
    pub enabled: bool,
    /// Why the file is not in effect, and the last configuration that worked is.
    pub config_error: Option<String>,
}

/// The state that the controller brings about.
pub(super) struct Desired {
    /// The configuration in effect: the file's, with the settings changed since.
    pub live: Config,
    /// Whether the camera is on.
    pub enabled: bool,
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
    pub(super) fn new(sources: Sources, config: Config, Start { enabled, config_error }: Start) -> Self {
        let effective = sources.show_json().unwrap_or_default();
        let (file, started) = (config.clone(), effective.clone());
        Self { live: config, enabled, error: config_error, sources, file, effective, started }
    }

    /// This file's configuration is in effect from now on.
    pub(super) fn accept(&mut self, sources: Sources, config: Config, effective: Value) {
        (self.sources, self.file, self.effective) = (sources, config, effective);
    }

    /// A file's configuration with the settings changed at run time, except those whose key was edited since.
    pub(super) fn with_what_was_set(&self, file: &Config) -> Config {
        let mut next = file.clone();
        if file.model.name == self.file.model.name
            && let Some(chosen) = file.models.iter().find(|model| model.name == self.live.model.name)
        {
            next.model = chosen.clone();
        }
        if file.precision == self.file.precision {
            next.precision = self.live.precision;
        }
        if file.labels.unknown_below == self.file.labels.unknown_below {
            next.labels.unknown_below = self.live.labels.unknown_below;
        }
        if file.accurate.enabled == self.file.accurate.enabled {
            next.accurate.enabled = self.live.accurate.enabled;
        }
        next
    }

    /// Keys that were edited and take effect only after a restart.
    pub(super) fn restart_required(&self) -> Vec<String> {
        let value = |of: &Value, key: &str| of.get(key).map(|entry| entry["value"].clone());
        let keys = self.effective.as_object().into_iter().flat_map(|keys| keys.keys());
        let fixed = keys.filter(|key| ONLY_AT_START.iter().any(|table| key.starts_with(table)));
        fixed.filter(|key| value(&self.effective, key) != value(&self.started, key)).cloned().collect()
    }
}
