//! `glimpsed teach`

mod exchange;
mod keep;
mod learn;
mod report;
mod status;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::files::OptionalConfigFile;
use super::models;
use super::streams::Streams;
use crate::config::{Config, keep_default_id};
use crate::error::{Error, Result};
use crate::models::spec::ModelSpec;
use crate::teach::eye::Eye;
use crate::teach::shelf::{Shelf, ShelfError};

/// The view of a configuration that names none.
const DEFAULT_VIEW: &str = "main";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    learn: learn::Learn,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Keep pictures under a label
    Add(keep::Add),
    /// Say what is kept and what was taught
    Status(status::Status),
    /// Remove pictures that are kept, a label with all of them, or a view
    Remove(keep::Remove),
    /// Copy the pictures that are kept into a folder or a zip archive, with a folder for each label
    Export(exchange::Export),
    /// Keep the pictures of a folder or a zip archive that has a folder for each label
    Import(exchange::Import),
}

/// What all of them take.
#[derive(Debug, Args)]
struct Common {
    /// What is taught; pictures of each view are kept apart
    #[arg(long, value_name = "VIEW", default_value = DEFAULT_VIEW)]
    view: String,
    #[command(flatten)]
    config: OptionalConfigFile,
    /// For scripts
    #[arg(long)]
    json: bool,
}

impl Common {
    fn config(&self) -> Result<Config> {
        let config = self.config.sources()?.load()?;
        keep_default_id();
        Ok(config)
    }
}

pub(super) fn run(options: &Options, streams: &mut Streams) -> Result<()> {
    match &options.command {
        None => learn::run(&options.learn, streams),
        Some(Command::Add(add)) => keep::add(add, streams),
        Some(Command::Status(status)) => status::run(status, streams),
        Some(Command::Remove(remove)) => keep::remove(remove, streams),
        Some(Command::Export(export)) => exchange::export(export, streams),
        Some(Command::Import(import)) => exchange::import(import, streams),
    }
}

/// The pictures that are kept: in the first directory that has some, else in the first that can be written into.
fn shelf(config: &Config) -> Result<Shelf> {
    let directory = config.teach.directories.iter().find(|directory| has_something(directory));
    let directory = directory.map_or_else(|| writable(config), |directory| Ok(directory.clone()))?;
    Shelf::open(directory, config.teach.max_pictures).map_err(|error| failed(&error))
}

fn has_something(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}

/// The first directory for taught models that can be written into, which only trying tells.
fn writable(config: &Config) -> Result<PathBuf> {
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

fn eye(base: &ModelSpec) -> Result<Eye> {
    Eye::open(base).map_err(|cause| Error::Model { name: base.name.clone(), cause })
}

/// The model that was named, or the configured one.
fn base(config: &Config, named: Option<&str>) -> Result<ModelSpec> {
    named.map_or_else(|| Ok(config.teach.base.clone()), |name| models::find(config, name))
}

fn failed(error: &ShelfError) -> Error {
    Error::Failed(error.to_string())
}

fn progress_bar(pictures: usize, streams: &Streams) -> ProgressBar {
    if !streams.terminal || pictures < 2 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} pictures  {eta} left");
    ProgressBar::new(pictures as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
