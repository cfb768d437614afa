//! What the daemon starts with: the configuration of the file, or the last one that worked.

use std::path::Path;
use std::time::Instant;

use crate::config::diagnostics::{Place, Problem, Problems};
use crate::config::{Config, Sources, keep_default_id};
use crate::error::{Error, Result};
use crate::infer::precision::{self, Chosen};
use crate::telemetry::logging;

/// A configuration whose model is loaded.
pub struct Prepared {
    pub(super) sources: Sources,
    pub(super) config: Config,
    pub(super) chosen: Chosen,
    /// Why the file is not in effect, and the last configuration that worked is.
    pub(super) config_error: Option<String>,
}

impl Prepared {
    /// Loads the model of `config`, which was read from `sources`.
    ///
    /// # Errors
    /// When the model cannot be loaded.
    pub fn load(sources: Sources, config: Config) -> Result<Self> {
        let start = Instant::now();
        let chosen = precision::load(&config.model, config.precision)
            .map_err(|cause| Error::Model { name: config.model.name.clone(), cause })?;
        let load_ms = start.elapsed().as_millis() as u64;
        let (id, why) = (&chosen.model.id, &chosen.why);
        tracing::info!(model = %id.name, precision = %id.precision, why, load_ms, "model loaded");
        if let Some(warning) = &chosen.model.warning {
            tracing::warn!("{warning}");
        }
        for change in config.changes_since_taught() {
            tracing::warn!("{change}");
        }
        Ok(Self { sources, config, chosen, config_error: None })
    }

    /// Reads the file and loads its model. If that fails, the last configuration of this file that worked is used instead, unless
    /// `strict`. The log is set up on the way.
    ///
    /// # Errors
    /// What is wrong with the file or its model, if there is no other configuration that works.
    pub fn from_file(path: &Path, strict: bool) -> Result<Self> {
        let kept = Sources::last_good(path);
        let read = Sources::read(path).and_then(|sources| match &kept {
            Some(kept) if sources.text.trim().is_empty() && !kept.text.trim().is_empty() => Err(emptied(path)),
            _ => sources.load().map(|config| (sources, config)),
        });
        let error = match read.map_err(Error::from).and_then(Self::begin) {
            Ok(prepared) => return Ok(prepared),
            Err(error) => error,
        };
        let kept = kept.filter(|_| !strict);
        let Some(last) = kept.and_then(|kept| kept.load().ok().map(|config| (kept, config))) else { return Err(error) };
        let summary = match &error {
            // The full report quotes the file, so it goes to the log only.
            Error::Config(problems) => problems.summary(),
            other => other.to_string(),
        };
        logging::init(last.1.log);
        tracing::error!("{error}");
        let Ok(prepared) = Self::begin(last) else { return Err(error) };
        tracing::error!(
            file = %path.display(),
            "this configuration cannot work; the last one that worked is in effect until it is corrected"
        );
        Ok(Self { config_error: Some(summary), ..prepared })
    }

    fn begin((sources, config): (Sources, Config)) -> Result<Self> {
        logging::init(config.log);
        keep_default_id();
        Self::load(sources, config)
    }
}

/// A crash while the file is written leaves it empty. So an empty file does not count as a request for the defaults.
fn emptied(path: &Path) -> Problems {
    let mut problems = Problems::new(path.display().to_string(), "");
    problems.push(Problem {
        place: Place::Nowhere,
        title: "the configuration is empty, and was not before".into(),
        label: "nothing".into(),
        hint: Some("if the defaults are what you want, put a comment into it".into()),
    });
    problems
}
