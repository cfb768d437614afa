//! Downloads of the catalogue's models: one at a time, on a thread of its own, with its progress as events.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use glimpsed_base::sync::Mutex;
use glimpsed_inference::sha256_of;
use serde::Serialize;
use serde_json::{Value, json};

use super::openapi::{Documented, Operation};
use super::problem::Problem;
use super::schemas::named;
use super::site::{Parts, Site};
use crate::bus::commands::Command;
use crate::models::catalog::{self, Entry};
use crate::models::fetch::{self, FetchError, Limits};

/// Shortest time between two events of progress.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Where models are searched for, and where they come from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelFiles {
    /// In order.
    pub searched: Vec<PathBuf>,
    /// In place of their publishers.
    pub mirror: Option<String>,
}

/// The download that is under way, or was last. It outlives the web server, which another configuration may restart.
#[derive(Clone, Default)]
pub struct Downloads(Arc<Mutex<Option<Download>>>);

/// One download.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Download {
    name: &'static str,
    state: DownloadState,
    bytes: u64,
    total: u64,
    /// Bytes, while it runs.
    per_second: Option<u64>,
    error: Option<String>,
    /// What somebody with the rights to write there would run instead.
    command: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum DownloadState {
    Running,
    Stopping,
    Stopped,
    Failed,
    Done,
}

impl Downloads {
    /// `null` before the first.
    pub(super) fn json(&self) -> Value {
        json!(*self.0.lock())
    }

    /// Changes the download, and returns what it is then.
    fn change(&self, change: impl FnOnce(&mut Download)) -> DownloadState {
        let mut current = self.0.lock();
        current.as_mut().map(change);
        current.as_ref().map_or(DownloadState::Stopping, |download| download.state)
    }

    /// The download, if one can begin: at most one is under way.
    fn begin(&self, entry: &'static Entry) -> Result<(), &'static str> {
        let mut current = self.0.lock();
        match &*current {
            Some(Download { name, state: DownloadState::Running | DownloadState::Stopping, .. }) => Err(name),
            _ => {
                *current = Some(Download::of(entry));
                Ok(())
            }
        }
    }
}

impl Download {
    fn of(entry: &'static Entry) -> Self {
        let (state, per_second, error, command) = (DownloadState::Running, None, None, None);
        Self { name: &entry.name, state, bytes: 0, total: entry.bytes, per_second, error, command }
    }

    fn ended(&mut self, outcome: Result<(), FetchError>) {
        self.per_second = None;
        self.state = match outcome {
            Ok(()) => DownloadState::Done,
            Err(FetchError::Stopped) => DownloadState::Stopped,
            Err(error) => {
                if matches!(error, FetchError::Local { .. }) {
                    self.command = Some(format!("sudo glimpsed models fetch {}", self.name));
                }
                self.error = Some(error.to_string());
                DownloadState::Failed
            }
        };
    }
}

pub(super) fn routes(routes: Documented) -> Documented {
    let name =
        json!({ "name": "name", "in": "path", "required": true, "schema": { "type": "string", "maxLength": 128 } });
    let path = "/api/v1/models/{name}/fetch";
    let download = || (202, "application/json", named("Download"));
    routes
        .post(
            path,
            post(begin).delete(stop),
            Operation::of(
                "fetchModel",
                "Downloads a model of the catalogue; the events tell how it goes. It goes on where an earlier one ended.",
                download(),
            )
            .with_parameter(name.clone())
            .refusing(&[
                (404, "There is no such model in the catalogue."),
                (409, "It is here already, another one is being downloaded, or it has no address."),
            ]),
        )
        .also(
            "delete",
            path,
            Operation::of("stopFetchingModel", "Stops a download; what has come is kept.", download())
                .with_parameter(name)
                .refusing(&[(409, "It is not being downloaded.")]),
        )
}

async fn begin(State(site): State<Arc<Site>>, Path(name): Path<String>) -> Result<(StatusCode, Json<Value>), Problem> {
    let entry = catalog::find(&name).ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, format!("the catalogue has no model `{}`", clipped(&name)))
    })?;
    let conflict = |detail: String| Problem::new(StatusCode::CONFLICT, detail);
    if entry.locate(&site.models.searched).is_file() && site.parts.view.available(&entry.name) {
        return Err(conflict(format!("`{}` is here already", entry.name)));
    }
    if entry.bundled() && site.models.mirror.is_none() {
        return Err(conflict(FetchError::NoAddress.to_string()));
    }
    let downloads = site.parts.downloads.clone();
    downloads.begin(entry).map_err(|other| conflict(format!("`{other}` is being downloaded; one at a time")))?;
    let (parts, files) = (site.parts.clone(), site.models.clone());
    let spawned = std::thread::Builder::new().name("download".into()).spawn(move || run(entry, &files, &parts));
    if let Err(error) = spawned {
        downloads.change(|download| download.ended(Err(local(&site.models.searched, &error.to_string()))));
    }
    tell(&site.parts);
    Ok((StatusCode::ACCEPTED, Json(downloads.json())))
}

async fn stop(State(site): State<Arc<Site>>, Path(name): Path<String>) -> Result<(StatusCode, Json<Value>), Problem> {
    let downloads = &site.parts.downloads;
    let mut stopping = false;
    downloads.change(|download| {
        if download.name == name && download.state == DownloadState::Running {
            download.state = DownloadState::Stopping;
            stopping = true;
        }
    });
    if !stopping {
        let detail = format!("`{}` is not being downloaded", clipped(&name));
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    tell(&site.parts);
    Ok((StatusCode::ACCEPTED, Json(downloads.json())))
}

/// Downloads it, on a thread of its own. The configuration is read again at the end, because a model is looked for then.
fn run(entry: &'static Entry, files: &ModelFiles, parts: &Parts) {
    let outcome = download(entry, files, parts);
    if let Err(error) = &outcome {
        tracing::warn!(model = entry.name, %error, "the model was not downloaded");
    } else {
        tracing::info!(model = entry.name, "the model was downloaded");
        parts.commands.tell(Command::Reload);
    }
    parts.downloads.change(|download| download.ended(outcome));
    tell(parts);
}

fn download(entry: &Entry, files: &ModelFiles, parts: &Parts) -> Result<(), FetchError> {
    if sha256_of(&entry.locate(&files.searched)).is_ok_and(|found| found == entry.sha256) {
        return Ok(());
    }
    let directories = catalog::fetch_directories(&files.searched);
    let directory =
        fetch::writable(&directories).ok_or_else(|| local(&files.searched, "there is none to write into"))?;
    let begun = Instant::now();
    let mut first = None;
    let mut told = begun;
    fetch::fetch(entry, directory, files.mirror.as_deref(), &Limits::default(), |bytes| {
        let now = Instant::now();
        let (since, before) = *first.get_or_insert((now, bytes));
        let seconds = (now - since).as_secs_f64();
        let state = parts.downloads.change(|download| {
            download.bytes = bytes;
            // In the first second the rate is a guess.
            download.per_second = (seconds > 1.0).then(|| (bytes.saturating_sub(before) as f64 / seconds) as u64);
        });
        if now - told >= TELL_EVERY {
            told = now;
            tell(parts);
        }
        match state {
            DownloadState::Running => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    })
    .map(drop)
}

fn local(directories: &[PathBuf], cause: &str) -> FetchError {
    FetchError::Local { path: directories.first().cloned().unwrap_or_default(), cause: cause.to_owned() }
}

fn tell(parts: &Parts) {
    parts.view.tell("download", &parts.downloads.json());
}

fn clipped(name: &str) -> String {
    name.chars().take(64).collect()
}
