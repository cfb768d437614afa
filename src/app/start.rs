//! What the daemon starts with: the configuration of the file, or the last one that worked.

use std::path::Path;
use std::time::Instant;

use crate::config::diagnostics::{Place, Problem, Problems};
use crate::config::{Config, Sources, keep_default_id};
use crate::error::{Error, Result};
use crate::infer::precision::{self, Chosen};
use crate::telemetry::logging;

/// A configuration with its model.
pub struct Prepared {
    pub(super) sources: Sources,
    pub(super) config: Config,
    /// The model, or why it cannot be loaded.
    pub(super) chosen: std::result::Result<Chosen, String>,
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
        Ok(Self { sources, config, chosen: Ok(chosen), config_error: None })
    }

    /// Reads the file and loads its model. If that fails, the last configuration of this file that worked is used instead, unless
    /// `strict`. If its model cannot be loaded either, the result is without a model. The log is set up on the way.
    ///
    /// # Errors
    /// What is wrong with the file or its model, if none has worked yet, or `strict`.
    pub fn from_file(path: &Path, strict: bool) -> Result<Self> {
        let kept = Sources::last_good(path);
        let read = Sources::read(path).and_then(|sources| match &kept {
            Some(kept) if sources.text.trim().is_empty() && !kept.text.trim().is_empty() => Err(emptied(path)),
            _ => Ok(sources),
        });
        let (file, error) = match read {
            Ok(sources) => match Self::begin(&sources) {
                Ok(prepared) => return Ok(prepared),
                Err(error) => (with_config(sources), error),
            },
            Err(problems) => (None, problems.into()),
        };
        let Some(last) = kept.filter(|_| !strict).and_then(with_config) else { return Err(error) };
        let summary = match &error {
            // The full report quotes the file, so it goes to the log only.
            Error::Config(problems) => problems.summary(),
            other => other.to_string(),
        };
        logging::init(last.1.log);
        tracing::error!("{error}");
        let model = |config: &Config| (config.model.clone(), config.precision);
        let same_model = file.as_ref().is_some_and(|(_, config)| model(config) == model(&last.1));
        if !same_model && let Ok(prepared) = Self::begin(&last.0) {
            tracing::error!(
                file = %path.display(),
                "this configuration cannot work; the last one that worked is in effect until it is corrected"
            );
            return Ok(Self { config_error: Some(summary), ..prepared });
        }
        // Of the file, nothing is wrong but the models.
        keep_default_id();
        let is_last = file.is_none();
        let (sources, config) = file.unwrap_or(last);
        match Self::load(sources.clone(), config.clone()) {
            // The accurate one is missing.
            Ok(prepared) => Ok(Self { config_error: Some(summary), ..prepared }),
            Err(cause) => {
                let cause = cause.to_string();
                tracing::error!(
                    cause,
                    "nothing is labelled until the model can be loaded; it is tried again and again"
                );
                Ok(Self { sources, config, chosen: Err(cause), config_error: is_last.then_some(summary) })
            }
        }
    }

    fn begin(sources: &Sources) -> Result<Self> {
        let config = sources.load()?;
        logging::init(config.log);
        keep_default_id();
        Self::load(sources.clone(), config)
    }
}

/// What can work once its models are there.
fn with_config(sources: Sources) -> Option<(Sources, Config)> {
    let config = sources.load_awaiting_models().ok()?;
    Some((sources, config))
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
