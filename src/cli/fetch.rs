//! `glimpsed models fetch` and `verify`

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;

use super::files::OptionalConfigFile;
use super::progress;
use super::streams::Streams;
use super::table::render;
use glimpsed_core::config::diagnostics::suggestion;
use glimpsed_core::directories;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::models::catalog::{self, Entry};
use glimpsed_core::models::fetch::{self, FetchError, Limits, Outcome};
use glimpsed_inference::sha256_of;

#[derive(Debug, Args)]
pub(super) struct Fetch {
    /// Names as `glimpsed models list` gives them
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// A mirror that has the files: a directory, or the URL of one [default: `mirror` in [model]]
    #[arg(long, value_name = "URL|DIR")]
    from: Option<String>,
    #[command(flatten)]
    config: OptionalConfigFile,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Names as `glimpsed models list` gives them [default: all that are here]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    config: OptionalConfigFile,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

fn find(name: &str) -> Result<&'static Entry> {
    catalog::find(name).ok_or_else(|| {
        let names = catalog::all().iter().map(|entry| entry.name.as_str());
        Error::Failed(format!("no model named `{name}` in the catalogue; {}", suggestion(name, names)))
    })
}

pub(super) fn fetch(options: &Fetch, streams: &mut Streams) -> Result<()> {
    let entries: Vec<&Entry> = options.names.iter().map(|name| find(name)).collect::<Result<_>>()?;
    let sources = options.config.sources()?;
    let (configured, mirror) = (sources.model_directory(), options.from.clone().or_else(|| sources.mirror()));
    let already = catalog::search_path(configured.clone());
    let directories = configured.map_or_else(directories::fetched_models, |directory| vec![directory]);
    let mut done = Vec::new();
    for entry in entries {
        let fetched = fetch_one(entry, &already, &directories, mirror.as_deref(), streams.terminal);
        let (outcome, path) = fetched.map_err(|cause| Error::Failed(format!("model `{}`: {cause}", entry.name)))?;
        if options.json {
            done.push(json!({ "name": entry.name, "path": path, "fetched": outcome == Outcome::Fetched }));
            continue;
        }
        let says = if outcome == Outcome::Fetched { "is now" } else { "was already" };
        streams.print(&format!("{} {says} in {}\n", entry.name, path.display()))?;
    }
    if options.json { streams.print_json(&done) } else { Ok(()) }
}

/// A file that is right is left where it is; another one goes to the first directory that takes it.
fn fetch_one(
    entry: &Entry,
    already: &[PathBuf],
    directories: &[PathBuf],
    from: Option<&str>,
    terminal: bool,
) -> std::result::Result<(Outcome, PathBuf), FetchError> {
    let there = entry.locate(already);
    if sha256_of(&there).is_ok_and(|found| found == entry.sha256) {
        return Ok((Outcome::AlreadyThere, there));
    }
    let directory = fetch::writable(directories).ok_or(FetchError::NoDirectory)?;
    let bar = progress_bar(entry, terminal);
    let outcome = fetch::fetch(entry, directory, from, &Limits::default(), |bytes| {
        bar.set_position(bytes);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    Ok((outcome?, directory.join(&entry.file)))
}

fn progress_bar(entry: &Entry, terminal: bool) -> ProgressBar {
    let template = "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
    progress::bar(terminal, entry.bytes, template).with_message(entry.name.clone())
}

pub(super) fn verify(options: &Verify, streams: &mut Streams) -> Result<()> {
    let entries: Vec<&Entry> = match options.names.as_slice() {
        [] => catalog::all().iter().collect(),
        names => names.iter().map(|name| find(name)).collect::<Result<_>>()?,
    };
    let directories = catalog::search_path(options.config.sources()?.model_directory());
    let mut rows = Vec::new();
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.locate(&directories);
        let (verdict, says) = match sha256_of(&path) {
            Ok(hash) if hash == entry.sha256 => ("ok", path.display().to_string()),
            Ok(hash) => ("DAMAGED", format!("{} hashes to {hash}, not {}", path.display(), entry.sha256)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && options.names.is_empty() => continue,
            Err(error) => ("MISSING", format!("{}: {error}", path.display())),
        };
        found.push(json!({ "name": entry.name, "path": path, "verdict": verdict.to_lowercase() }));
        rows.push(vec![verdict.to_owned(), entry.name.clone(), says]);
    }
    if options.json {
        streams.print_json(&found)?;
    } else {
        streams.print(&render(&rows))?;
    }
    let bad: Vec<&str> = rows.iter().filter(|row| row[0] != "ok").map(|row| row[1].as_str()).collect();
    match bad.as_slice() {
        [] => Ok(()),
        names => Err(Error::Failed(format!(
            "not what the catalogue says: {}; `glimpsed models fetch NAME` replaces them",
            names.join(", ")
        ))),
    }
}
