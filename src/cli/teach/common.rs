//! What the commands of `glimpsed teach` have in common.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;

use crate::cli::files::OptionalConfigFile;
use crate::cli::streams::Streams;
use crate::cli::{models, progress};
use glimpsed_core::config::{Config, keep_default_id};
use glimpsed_core::error::{Error, Result};
use glimpsed_core::models::spec::ModelSpec;
use glimpsed_core::teach::embedder::Embedder;
use glimpsed_core::teach::store::{PictureStore, StoreError};

/// The view of a configuration that names none.
const DEFAULT_VIEW: &str = "main";

/// What all of them take.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// What is taught; pictures of each view are kept apart
    #[arg(long, value_name = "VIEW", default_value = DEFAULT_VIEW)]
    pub(super) view: String,
    #[command(flatten)]
    pub(super) config: OptionalConfigFile,
    /// Print JSON, for scripts
    #[arg(long)]
    pub(super) json: bool,
}

impl Common {
    pub(super) fn config(&self) -> Result<Config> {
        let config = self.config.sources()?.load()?;
        keep_default_id();
        Ok(config)
    }
}

/// The pictures that are kept: in the first directory that has some, else in the first that can be written into.
pub(super) fn store(config: &Config) -> Result<PictureStore> {
    let directory = config.teach.directories.iter().find(|directory| has_something(directory));
    let directory = directory.map_or_else(|| writable(config), |directory| Ok(directory.clone()))?;
    PictureStore::open(directory, config.teach.max_pictures).map_err(|error| failed(&error))
}

fn has_something(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}

/// The first directory for taught models that can be written into, which only trying tells.
pub(super) fn writable(config: &Config) -> Result<PathBuf> {
    let works = |directory: &&PathBuf| {
        std::fs::create_dir_all(directory).is_ok() && tempfile::NamedTempFile::new_in(directory).is_ok()
    };
    let names: Vec<String> =
        config.teach.directories.iter().map(|directory| format!("`{}`", directory.display())).collect();
    config
        .teach
        .directories
        .iter()
        .find(works)
        .cloned()
        .ok_or_else(|| Error::Failed(format!("cannot write into {}; set `directory` in [teach]", names.join(" or "))))
}

pub(super) fn embedder(base: &ModelSpec) -> Result<Embedder> {
    Embedder::open(base).map_err(|cause| Error::Model { name: base.name.clone(), cause })
}

/// The model that was named, or the configured one.
pub(super) fn base(config: &Config, named: Option<&str>) -> Result<ModelSpec> {
    named.map_or_else(|| Ok(config.teach.base.clone()), |name| models::find(config, name))
}

pub(super) fn failed(error: &StoreError) -> Error {
    Error::Failed(error.to_string())
}

pub(super) fn progress_bar(pictures: usize, streams: &Streams) -> ProgressBar {
    progress::bar(streams.terminal && pictures > 1, pictures as u64, "{bar:30} {pos}/{len} pictures  {eta} left")
}
