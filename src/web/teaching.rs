//! Teaching over HTTP: pictures in, what was learnt out. The work is done by [`Teacher`], on a thread of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use glimpsed_base::files;
use glimpsed_core::bus::preview::Offered;
use glimpsed_core::domain::frame::Encoding;
use glimpsed_core::domain::name::Name;
use glimpsed_core::payload::picture;
use glimpsed_core::preprocess::decode::decode;
use glimpsed_core::preprocess::picture::RgbImage;
use glimpsed_core::preprocess::shrunk;
use glimpsed_core::teach::dataset::{Dataset, check_label};
use glimpsed_core::teach::lessons::{Chosen, Lessons, Picture, TeachError};
use glimpsed_core::teach::store::StoreError;
use glimpsed_core::teach::teacher::Teacher;
use glimpsed_core::teach::teachers;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::named::OfView;
use super::problem::Problem;
use super::site::Site;
use super::{classify, stream};

/// Deadline for the next frame.
const FRAME_WITHIN: Duration = Duration::from_secs(5);

/// Deadline for a place among the uploads.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// The longer side of a thumbnail, in pixels.
const THUMBNAIL_PX: usize = 160;

/// The largest file that is kept, with room to spare.
const MOST_BYTES: u64 = 1 << 20;

/// Pictures that one request moves.
const MOST_MOVED: usize = 100;

type Answered = Result<Json<Value>, Problem>;

pub(super) fn conflict(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::CONFLICT, detail)
}

/// The teacher of a view, which is started if there is none.
fn teacher(site: &Site, view: &Name) -> Result<Teacher, Problem> {
    let started = site.parts.teachers.of(lessons(site, view)?);
    started.map_err(refusal)
}

fn lessons<'a>(site: &'a Site, view: &Name) -> Result<&'a Lessons, Problem> {
    let lessons = site.lessons.iter().find(|lessons| lessons.name == view.as_str());
    lessons.ok_or_else(|| refusal(TeachError::Off))
}

/// What is taught, and how good it is; also where teaching is off.
pub(super) async fn status(State(site): State<Arc<Site>>, OfView(view): OfView) -> Answered {
    if site.lessons.is_empty() {
        return Ok(Json(json!({ "enabled": false, "report": null })));
    }
    let report = teacher(&site, &view.name)?.report();
    Ok(Json(json!({ "enabled": true, "report": report })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FrameAs {
    label: String,
    /// Pictures with the same number are undone together; 0 for one alone.
    #[serde(default)]
    burst: u64,
}

/// Keeps the camera's next frame.
pub(super) async fn add_frame(
    State(site): State<Arc<Site>>,
    OfView(view): OfView,
    body: Result<Json<FrameAs>, JsonRejection>,
) -> Answered {
    stream::allowed(&site)?;
    let Json(FrameAs { label, burst }) = body?;
    let teacher = teacher(&site, &view.name)?;
    checked(&label)?;
    let frame = next_frame(&site, &view.camera).await?;
    let kept = teacher.add(label, Picture::Frame(frame), burst).await.map_err(refusal)?;
    Ok(Json(json!(kept)))
}

async fn next_frame(site: &Site, camera: &Name) -> Result<Arc<Offered>, Problem> {
    let gone = || Problem::later(StatusCode::SERVICE_UNAVAILABLE, 5, "the camera is not there any more");
    let cameras = site.parts.cameras.cameras();
    let camera = cameras.iter().find(|known| known.name == *camera).ok_or_else(gone)?;
    let late = |_| Problem::later(StatusCode::SERVICE_UNAVAILABLE, 5, "no picture comes from the camera");
    timeout(FRAME_WITHIN, camera.preview.next_frame()).await.map_err(late)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upload {
    label: String,
    #[serde(default)]
    burst: u64,
}

/// Keeps a picture that is sent.
pub(super) async fn add_picture(
    State(site): State<Arc<Site>>,
    OfView(view): OfView,
    query: Result<Query<Upload>, QueryRejection>,
    request: Request,
) -> Answered {
    let Query(Upload { label, burst }) = query?;
    let teacher = teacher(&site, &view.name)?;
    checked(&label)?;
    // Each is held in memory as a whole.
    let turn = timeout(TURN_WITHIN, site.budget.turns.clone().acquire_owned()).await;
    let Ok(Ok(_turn)) = turn else {
        let problem = Problem::later(StatusCode::SERVICE_UNAVAILABLE, 2, "too many pictures wait already; try again");
        return Err(classify::refuse(request, problem).await);
    };
    let bytes = classify::picture(&site, request).await?;
    let kept = teacher.add(label, Picture::File(bytes), burst).await.map_err(refusal)?;
    Ok(Json(json!(kept)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfLabel {
    label: String,
}

/// The names of a label's pictures, newest first.
pub(super) async fn pictures(
    State(site): State<Arc<Site>>,
    OfView(view): OfView,
    query: Result<Query<OfLabel>, QueryRejection>,
) -> Answered {
    let Query(OfLabel { label }) = query?;
    let folders = folders(&site, &view.name)?;
    let listed = spawn_blocking(move || {
        let datasets = folders.iter().filter_map(|folder| Dataset::read(folder).ok());
        let mut classes = datasets.flat_map(|dataset| dataset.classes).filter(|class| class.label == label);
        classes.next().map(|class| class.pictures).unwrap_or_default()
    });
    let listed = listed.await.unwrap_or_default();
    let names = listed.iter().rev().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy());
    Ok(Json(names.collect()))
}

/// Where the pictures of the view may be.
fn folders(site: &Site, view: &Name) -> Result<Vec<PathBuf>, Problem> {
    stream::allowed(site)?;
    let lessons = lessons(site, view)?;
    Ok(lessons.directories.iter().map(|directory| directory.join(&lessons.name)).collect())
}

/// A kept picture, small.
pub(super) async fn thumbnail(
    State(site): State<Arc<Site>>,
    OfView(view): OfView,
    query: Result<Query<Chosen>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Chosen { label, name }) = query?;
    let folders = folders(&site, &view.name)?;
    checked(&label)?;
    let missing = || Problem::new(StatusCode::NOT_FOUND, "there is no such picture");
    // The name of a file, and not a way to another folder; hidden files are not pictures.
    if name.contains(['/', '\\', '\0']) || name.starts_with('.') || !files::is_picture(std::path::Path::new(&name)) {
        return Err(missing());
    }
    let _turn = site.thumbnails.acquire().await.map_err(|_| missing())?;
    let made = spawn_blocking(move || folders.iter().find_map(|folder| small(&folder.join(&label).join(&name))));
    let jpeg = made.await.ok().flatten().ok_or_else(missing)?;
    // A picture never changes under its name.
    let headers = [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "private, max-age=86400")];
    Ok((headers, jpeg).into_response())
}

fn small(path: &std::path::Path) -> Option<Bytes> {
    // A link may lead anywhere.
    if !std::fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let bytes = files::read(path, MOST_BYTES).ok()?;
    let mut whole = RgbImage::default();
    decode(Encoding::File, &bytes, &mut whole).ok()?;
    picture::encode(&shrunk(whole, THUMBNAIL_PX)).ok().map(Bytes::from)
}

/// What would be said of the next frame.
pub(super) async fn look(State(site): State<Arc<Site>>, OfView(view): OfView) -> Answered {
    stream::allowed(&site)?;
    let teacher = teacher(&site, &view.name)?;
    let look = teacher.look(next_frame(&site, &view.camera).await?).await.map_err(refusal)?;
    let top = look.top.iter().map(|(label, confidence)| json!({ "label": label, "confidence": confidence }));
    Ok(Json(json!({ "top": top.collect::<Vec<_>>(), "strange": look.strange })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfFrame {
    id: u64,
}

/// The picture of a frame that could not be told.
pub(super) async fn unsure(
    State(site): State<Arc<Site>>,
    OfView(view): OfView,
    query: Result<Query<OfFrame>, QueryRejection>,
) -> Result<Response, Problem> {
    stream::allowed(&site)?;
    let Query(OfFrame { id }) = query?;
    let jpeg = teacher(&site, &view.name)?.unsure(id).await.map_err(refusal)?;
    Ok(([(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settling {
    ids: Vec<u64>,
    /// `None` forgets them.
    label: Option<String>,
}

/// What such frames show.
pub(super) async fn settle(
    State(site): State<Arc<Site>>,
    OfView(view): OfView,
    body: Result<Json<Settling>, JsonRejection>,
) -> Answered {
    let Json(Settling { ids, label }) = body?;
    if let Some(label) = &label {
        checked(label)?;
    }
    let kept = teacher(&site, &view.name)?.settle(ids, label).await.map_err(refusal)?;
    Ok(Json(json!({ "kept": kept })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Moving {
    pictures: Vec<Chosen>,
    /// `None` removes them.
    to: Option<String>,
}

/// Moves pictures to another label, or removes them.
pub(super) async fn change(
    State(site): State<Arc<Site>>,
    OfView(view): OfView,
    body: Result<Json<Moving>, JsonRejection>,
) -> Answered {
    let Json(Moving { pictures, to }) = body?;
    if pictures.is_empty() || pictures.len() > MOST_MOVED {
        let detail = format!("from one to {MOST_MOVED} pictures are moved at once");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    if let Some(label) = &to {
        checked(label)?;
    }
    let moved = teacher(&site, &view.name)?.change(pictures, to).await.map_err(refusal)?;
    Ok(Json(json!({ "moved": moved })))
}

/// Takes the last change back.
pub(super) async fn undo(State(site): State<Arc<Site>>, OfView(view): OfView) -> Answered {
    let teacher = teacher(&site, &view.name)?;
    teacher.undo().await.map_err(refusal)?;
    Ok(Json(json!({ "enabled": true, "report": teacher.report() })))
}

/// Writes the model, and labels with it from now on.
pub(super) async fn put_to_use(State(site): State<Arc<Site>>, OfView(view): OfView) -> Answered {
    let teacher = teacher(&site, &view.name)?;
    teachers::put_to_use(&teacher, &site.parts.commands, &view.name).await.map_err(refusal)?;
    Ok(Json(site.parts.view.state(&view.name)["settings"].clone()))
}

fn checked(label: &str) -> Result<(), Problem> {
    check_label(label).map_err(|wrong| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("that {wrong}")))
}

fn refusal(error: TeachError) -> Problem {
    let cause = error.to_string();
    match error {
        TeachError::Busy => Problem::later(StatusCode::SERVICE_UNAVAILABLE, 1, cause),
        TeachError::NoPicture | TeachError::NoFrame => Problem::new(StatusCode::NOT_FOUND, cause),
        TeachError::Store(StoreError::Picture(_)) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("it {cause}"))
        }
        TeachError::Store(StoreError::Frame(_)) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, cause),
        TeachError::Store(StoreError::Full { .. } | StoreError::DiskFull { .. }) => {
            Problem::new(StatusCode::INSUFFICIENT_STORAGE, cause)
        }
        TeachError::Model(_) | TeachError::Thread(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, cause),
        TeachError::Store(_)
        | TeachError::NothingLearnt(_)
        | TeachError::NothingToUndo
        | TeachError::Off
        | TeachError::Name(_)
        | TeachError::NotInUse(_) => conflict(cause),
    }
}
