//! What the daemon starts with: the configuration of the file, or the last one that worked.

use std::path::Path;
use std::time::Instant;

use crate::control::model_info::{ModelState, NotLoaded};
use crate::control::model_pool::{Loaded, ModelPool};
use glimpsed_core::config::diagnostics::{Place, Problem, Problems};
use glimpsed_core::config::{Config, Sources, keep_default_id};
use glimpsed_core::domain::name::Name;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::infer::ModelError;
use glimpsed_core::telemetry::logging;

/// A configuration with its models.
pub struct Prepared {
    pub(super) sources: Sources,
    pub(super) config: Config,
    /// The models, and of each view what it labels with, or why it has no model.
    pub(super) pool: ModelPool,
    pub(super) models: Vec<(Name, ModelState)>,
    /// Why the file is not in effect, and the last configuration that worked is.
    pub(super) config_error: Option<String>,
}

impl Prepared {
    /// Loads the models of `config`, which was read from `sources`.
    ///
    /// # Errors
    /// When a model cannot be loaded.
    pub fn load(sources: Sources, config: Config) -> Result<Self> {
        let (mut prepared, errors) = Self::load_what_can(sources, config);
        match errors.into_iter().next() {
            None => Ok(prepared),
            Some((name, cause)) => {
                // Two configurations' models need not be in memory at once.
                prepared.pool = ModelPool::default();
                Err(Error::Model { name, cause })
            }
        }
    }

    /// As [`Self::load`]; also returns the models that cannot be loaded, whose views are without one.
    fn load_what_can(sources: Sources, config: Config) -> (Self, Vec<(String, ModelError)>) {
        let (mut pool, mut errors, mut models) = (ModelPool::default(), Vec::new(), Vec::new());
        for choice in config.choices() {
            let start = Instant::now();
            let state = match Loaded::read(&choice.spec, choice.precision, &pool.networks) {
                Ok(loaded) => {
                    let (info, load_ms) = (loaded.info.clone(), start.elapsed().as_millis() as u64);
                    tracing::info!(model = %info.id.name, precision = %info.id.precision, why = info.why, load_ms, "model loaded");
                    pool.keep(choice.clone(), loaded);
                    Ok(info)
                }
                Err(cause) => {
                    let name = choice.spec.name.clone();
                    errors.push((name.clone(), cause.clone()));
                    Err(NotLoaded::Refused { name, cause })
                }
            };
            let views = config.views.iter().filter(|view| view.choice() == choice);
            models.extend(views.map(|view| (view.name.clone(), state.clone())));
        }
        for warning in config.changes_since_taught().iter().chain(&config.cameras_without_views()) {
            tracing::warn!("{warning}");
        }
        (Self { sources, config, pool, models, config_error: None }, errors)
    }

    /// Reads the file and loads its model. If that fails, the last configuration of this file that worked is used instead, unless
    /// `strict`. If its model cannot be loaded either, the result is without a model. The log is set up on the way.
    ///
    /// # Errors
    /// What is wrong with the file or its model, if none has worked yet, or `strict`.
    pub fn from_file(path: &Path, strict: bool) -> Result<Self> {
        let kept = Sources::last_good(path);
        let read = Sources::read(path).and_then(|sources| match &kept {
            Some(kept) => sources.emptied_since(kept).map(emptied).map_or(Ok(()), Err).map(|()| sources),
            None => Ok(sources),
        });
        let (file, error) = match read {
            Ok(sources) => match Self::begin(&sources) {
                Ok(prepared) => return Ok(prepared),
                Err(error) => (with_config(sources), error),
            },
            Err(problems) => (None, problems.into()),
        };
        let Some((is_whole, last)) = kept.filter(|_| !strict).and_then(with_what_is_there) else { return Err(error) };
        let summary = match &error {
            // The full report quotes the file, so it goes to the log only.
            Error::Config(problems) => problems.summary(),
            other => other.to_string(),
        };
        logging::init(last.1.log);
        tracing::error!("{error}");
        if !is_whole {
            let (page, broker) = (last.1.http.is_some(), last.1.mqtt.is_some());
            tracing::error!(
                page,
                broker,
                "what it needs is missing; the rest of the last configuration that worked is in effect"
            );
        }
        let same_models = file.as_ref().is_some_and(|(_, config)| config.choices() == last.1.choices());
        if is_whole
            && !same_models
            && let Ok(prepared) = Self::begin(&last.0)
        {
            tracing::error!(
                file = %path.display(),
                "this configuration cannot work; the last one that worked is in effect until it is corrected"
            );
            return Ok(Self { config_error: Some(summary), ..prepared });
        }
        // Of the file, nothing is wrong but the models; or it has worked, and something around it is missing.
        keep_default_id();
        let is_last = file.is_none();
        let (sources, config) = file.unwrap_or(last);
        let (prepared, errors) = Self::load_what_can(sources, config);
        if errors.is_empty() {
            // An accurate one is missing.
            return Ok(Self { config_error: Some(summary), ..prepared });
        }
        for (name, cause) in errors {
            let cause = Error::Model { name, cause }.to_string();
            tracing::error!(cause, "nothing is labelled until the model can be loaded; it is tried again and again");
        }
        Ok(Self { config_error: is_last.then_some(summary), ..prepared })
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

/// The same of a configuration that has worked before: what is missing around it by now (a password, a token, a program, a wrong variable
/// of the environment) does not keep the rest from working. Also whether it is the whole.
fn with_what_is_there(sources: Sources) -> Option<(bool, (Sources, Config))> {
    let whole = with_config(sources.clone()).map(|whole| (true, whole));
    whole.or_else(|| Some((false, sources.load_without_the_absent().ok()?)))
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
