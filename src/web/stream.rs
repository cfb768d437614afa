//! The live picture: JPEG frames are passed on unchanged, others are encoded here.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::problem::Problem;
use super::site::{Picture, Site};
use crate::bus::preview::{Offered, Viewer};
use crate::domain::camera::CameraState;
use crate::domain::frame::Encoding;
use crate::domain::view::Rotation;
use crate::payload::picture;
use crate::pipeline::orders::Order;
use crate::preprocess::decode::decode;
use crate::preprocess::picture::RgbImage;
use crate::preprocess::{shrunk, turned};
use glimpsed_jpeg::huffman;

/// Shortest time between two pictures of the stream: 30 per second.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(33);

/// Limit for unchanged frames. Larger ones are downscaled, because each viewer receives every byte.
const MAX_PASSED_BYTES: usize = 1 << 20;

/// Largest longer side, in pixels, of pictures that are encoded here.
const MAX_SIDE: usize = 1280;

/// Deadline for the next labelled frame of a snapshot.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(5);

/// Waits while nobody watches; then makes a picture of each newest frame, one after another.
pub(super) async fn develop(site: Arc<Site>) {
    loop {
        site.watched.notified().await;
        let mut viewer = site.parts.preview.watch();
        tokio::select! {
            () = site.pictures.closed() => {}
            () = show(&site, &mut viewer) => {}
        }
        site.pictures.send_replace(None);
    }
}

async fn show(site: &Site, viewer: &mut Viewer) {
    loop {
        let picture = match viewer.next().await {
            Some(frame) => picture_of(frame).await,
            None => None,
        };
        site.pictures.send_replace(picture.map(Arc::new));
        sleep(SHORTEST_INTERVAL).await;
    }
}

async fn picture_of(frame: Arc<Offered>) -> Option<Picture> {
    let (seq, wall) = (frame.seq, frame.wall);
    let jpeg = match as_it_is(&frame) {
        Some(jpeg) => jpeg,
        None => match spawn_blocking(move || encoded(&frame)).await {
            Ok(Ok(jpeg)) => jpeg,
            // The inference thread fails on the same frame and logs it.
            Ok(Err(_)) | Err(_) => return None,
        },
    };
    let length = jpeg.len();
    let head = format!(
        "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\nX-Frame: {seq}\r\nX-Timestamp: {wall}\r\n\r\n"
    );
    Some(Picture { part: [head.as_bytes(), &jpeg, b"\r\n"].concat().into() })
}

/// The camera's JPEG, unless it is too large, lacks Huffman tables or is to be rotated.
fn as_it_is(frame: &Offered) -> Option<Bytes> {
    let fits =
        frame.encoding == Encoding::Jpeg && frame.rotation == Rotation::None && frame.bytes.len() <= MAX_PASSED_BYTES;
    let mut with_tables = Vec::new();
    let whole = fits && huffman::complete(&frame.bytes, &mut with_tables).len() == frame.bytes.len();
    whole.then(|| frame.bytes.clone())
}

fn encoded(frame: &Offered) -> Result<Bytes, String> {
    let mut picture = RgbImage::default();
    decode(frame.encoding, &frame.bytes, &mut picture).map_err(|error| error.to_string())?;
    picture::encode(&turned(shrunk(picture, MAX_SIDE), frame.rotation)).map(Bytes::from)
}

/// One viewer of the stream.
struct Watching {
    pictures: watch::Receiver<Option<Arc<Picture>>>,
    site: Arc<Site>,
    begun: bool,
    _permit: OwnedSemaphorePermit,
}

pub(super) async fn stream(State(site): State<Arc<Site>>) -> Result<Response, Problem> {
    allowed(&site)?;
    let permit = site.streams.clone().try_acquire_owned();
    let _permit = permit.map_err(|_| Problem::later(StatusCode::SERVICE_UNAVAILABLE, 10, "too many watch already"))?;
    let mut pictures = site.pictures.subscribe();
    pictures.mark_changed();
    site.watched.notify_one();
    let body = Body::from_stream(stream::unfold(Watching { pictures, site, begun: false, _permit }, next));
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
        let picture = watching.pictures.borrow_and_update().clone();
        if let Some(picture) = picture {
            return Some((Ok(picture.part.clone()), watching));
        }
    }
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
    options: Result<Query<Options>, QueryRejection>,
) -> Result<Response, Problem> {
    allowed(&site)?;
    let Query(Options { labels }) =
        options.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    if site.parts.view.camera() == Some(CameraState::Disabled) {
        return Err(Problem::new(StatusCode::CONFLICT, "the camera is switched off"));
    }
    let busy = |_| Problem::later(StatusCode::SERVICE_UNAVAILABLE, 1, "somebody else is being served a picture");
    let _permit = site.snapshots.try_acquire().map_err(busy)?;
    let late = format!("no frame was labelled within {} s", SNAPSHOT_WITHIN.as_secs());
    let shot = site.parts.orders.ask(Order::Snapshot, SNAPSHOT_WITHIN, &late).await;
    let shot = shot.map_err(|cause| Problem::later(StatusCode::SERVICE_UNAVAILABLE, 5, cause))?;
    let draw = move || {
        let picture = turned(shot.picture()?, shot.rotation);
        if labels { picture::jpeg(picture, &shot.answer) } else { picture::encode(&picture) }
    };
    let failed = |cause: String| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, cause);
    let jpeg = spawn_blocking(draw).await.map_err(|error| failed(error.to_string()))?.map_err(failed)?;
    Ok(([(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response())
}

fn allowed(site: &Site) -> Result<(), Problem> {
    match site.preview {
        true => Ok(()),
        false => Err(Problem::new(StatusCode::FORBIDDEN, "pictures are not shown; set `preview = true` in [privacy]")),
    }
}
