//! Downloads models of the catalogue, on a thread of their own, with their progress as events.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use glimpsed_core::bus::commands::Command;
use glimpsed_core::models::catalog::{self, Entry};
use glimpsed_core::models::fetch::{self, FetchError, Limits};
use glimpsed_inference::sha256_of;
use serde_json::{Value, json};

use super::downloads::{DownloadState, ModelFiles};
use super::openapi::{Documented, Operation};
use super::problem::Problem;
use super::schemas::named;
use super::site::{Parts, Site};

/// Shortest time between two events of progress.
const TELL_EVERY: Duration = Duration::from_millis(250);

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
    let failure = outcome.as_ref().err().map(ToString::to_string);
    if failure.is_none() {
        parts.commands.tell(Command::Reload);
    }
    parts.downloads.change(|download| download.ended(outcome));
    tell(parts);
    match failure {
        Some(cause) => tracing::warn!(model = entry.name, cause, "the model was not downloaded"),
        None => tracing::info!(model = entry.name, "the model was downloaded"),
    }
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
