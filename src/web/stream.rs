//! The live picture for programs: a multipart stream, and single frames.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;

use super::guard::Admission;
use super::named::{OfCamera, OfView};
use super::pictures::{self, Pictures};
use super::problem::Problem;
use super::site::Site;
use glimpsed_core::domain::camera::CameraState;
use glimpsed_core::domain::name::Name;
use glimpsed_core::payload::picture;
use glimpsed_core::preprocess::turned;

/// Deadline for the next labelled frame of a snapshot.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(5);

/// One viewer of the stream.
struct Watching {
    pictures: pictures::Receiver,
    camera: Arc<Pictures>,
    site: Arc<Site>,
    admission: Admission,
    begun: bool,
    _permit: OwnedSemaphorePermit,
}

pub(super) async fn stream(
    State(site): State<Arc<Site>>,
    OfCamera { camera, .. }: OfCamera,
    Extension(admission): Extension<Admission>,
) -> Result<Response, Problem> {
    allowed(&site)?;
    let camera = site.pictures.of(&camera).ok_or_else(arriving)?;
    let pictures = camera.subscribe(pictures::WIDEST);
    let permit = site.streams.clone().try_acquire_owned();
    let _permit = permit.map_err(|_| Problem::later(StatusCode::SERVICE_UNAVAILABLE, 10, "too many watch already"))?;
    let body =
        Body::from_stream(stream::unfold(Watching { pictures, camera, site, admission, begun: false, _permit }, next));
    let headers =
        [(header::CONTENT_TYPE, "multipart/x-mixed-replace; boundary=frame"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, [("x-accel-buffering", "no")], body).into_response())
}

/// Waits for the newest picture. A slow client skips the ones in between.
async fn next(mut watching: Watching) -> Option<(Result<Bytes, std::convert::Infallible>, Watching)> {
    if !std::mem::replace(&mut watching.begun, true) {
        // Makes the server send the response's head before the first picture.
        return Some((Ok(Bytes::from_static(b"\r\n")), watching));
    }
    loop {
        tokio::select! {
            () = watching.site.shutdown.wait() => return None,
            changed = watching.pictures.changed() => changed.ok()?,
        }
        // A logout ends what its session has opened.
        if watching.camera.is_removed() || !watching.admission.holds(&watching.site) {
            return None;
        }
        let picture = watching.pictures.borrow_and_update().clone();
        if let Some(picture) = picture {
            return Some((Ok(picture.part()), watching));
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Since {
    since: Timestamp,
}

/// The picture of a change of the label, by when that began to hold.
pub(super) async fn change(
    State(site): State<Arc<Site>>,
    OfView(view): OfView,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Response, Problem> {
    allowed(&site)?;
    let Query(Since { since }) = since?;
    let jpeg = site.parts.view.remembered.picture(&view.name, since);
    let jpeg = jpeg.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "of this change no picture is kept"))?;
    // Of one change there is one picture.
    let head = [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "private, max-age=86400, immutable")];
    Ok((head, jpeg).into_response())
}

#[derive(Deserialize)]
pub(super) struct Options {
    #[serde(default = "yes")]
    labels: bool,
}

fn yes() -> bool {
    true
}

/// The next frame that is labelled.
pub(super) async fn snapshot(
    State(site): State<Arc<Site>>,
    OfCamera { camera, view }: OfCamera,
    options: Result<Query<Options>, QueryRejection>,
) -> Result<Response, Problem> {
    allowed(&site)?;
    let Query(Options { labels }) = options?;
    let enabled = |view: &Name| site.parts.view.settings(view).is_none_or(|settings| settings.enabled);
    // A view that is enabled; of none, the first says why not.
    let layout = site.parts.view.layout();
    let looking = layout.views_of(&camera).map(|view| &view.name).find(|view| enabled(view)).cloned();
    let view = looking.or(view).ok_or_else(arriving)?;
    if site.parts.view.camera(&camera).is_some_and(|camera| camera.state == CameraState::Disabled) {
        return Err(Problem::new(StatusCode::CONFLICT, "the camera is switched off"));
    }
    let busy = |_| Problem::later(StatusCode::SERVICE_UNAVAILABLE, 1, "somebody else is being served a picture");
    let _permit = site.snapshots.try_acquire().map_err(busy)?;
    let shot = site.parts.orders.snapshot(&view, SNAPSHOT_WITHIN).await;
    let shot = shot.map_err(|cause| Problem::later(StatusCode::SERVICE_UNAVAILABLE, 5, cause.to_string()))?;
    let draw = move || {
        let picture = turned(shot.picture()?, shot.framing.rotation);
        if labels { picture::jpeg(picture, &shot.labelled.answer) } else { picture::encode(&picture) }
    };
    let failed = |cause: &dyn std::fmt::Display| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, cause.to_string());
    let jpeg = picture::in_turn(draw).await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    Ok(([(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response())
}

/// The camera was added just now.
fn arriving() -> Problem {
    Problem::later(StatusCode::SERVICE_UNAVAILABLE, 1, "the camera was added just now")
}

pub(super) fn allowed(site: &Site) -> Result<(), Problem> {
    match site.preview {
        true => Ok(()),
        false => Err(Problem::new(StatusCode::FORBIDDEN, "pictures are not shown; set `preview = true` in [privacy]")),
    }
}
