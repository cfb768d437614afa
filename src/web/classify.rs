//! Labels uploaded pictures without delaying the camera.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::named::{OfView, PartOfView};
use super::problem::Problem;
use super::site::Site;
use glimpsed_core::domain::layout::ViewEntry;
use glimpsed_core::payload::upload_value;
use glimpsed_core::pipeline::uploads::{Opinion, UploadError};

/// Deadline for a turn.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// Limits of the body that is discarded after a refusal.
const MAX_UNSEEN_BYTES: usize = 16 << 20;
const UNSEEN_WITHIN: Duration = Duration::from_secs(2);

/// The heads of a form's parts, around the picture.
pub(super) const MULTIPART_BYTES: usize = 16 << 10;

pub(super) async fn classify(
    State(site): State<Arc<Site>>,
    OfView(view): OfView,
    PartOfView(region): PartOfView,
    request: Request,
) -> Result<Response, Problem> {
    let turn = timeout(TURN_WITHIN, site.budget.turns.clone().acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        let detail = "too many pictures wait already; try again";
        return Err(refuse(request, Problem::later(StatusCode::SERVICE_UNAVAILABLE, 2, detail)).await);
    };
    if let Err(seconds) = site.budget.admit(site.clock.now()) {
        let detail = "the camera comes first; so many pictures would keep it waiting";
        return Err(refuse(request, Problem::later(StatusCode::TOO_MANY_REQUESTS, seconds, detail)).await);
    }
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|bytes: u64| bytes > (site.settings.max_upload + MULTIPART_BYTES) as u64) {
        return Err(refuse(request, too_large(&site)).await);
    }
    let bytes = picture(&site, request).await?;
    // In a task of its own: the labelling continues when the client disconnects, so its turn and its cost must, too.
    let labelled = tokio::spawn(async move {
        let (answer, cost) = site.parts.uploads.classify(&view.name, region, bytes.into()).await;
        site.budget.charge(site.clock.now(), cost.as_secs_f64());
        drop(turn);
        // An upload has no capture time, so it gets the current one.
        answer.map(|opinion| opinion_json(&opinion, &view, site.clock.wall()))
    });
    let opinion = labelled.await.unwrap_or_else(|error| Err(UploadError::Failed(error.to_string())));
    Ok(Json(opinion.map_err(refusal)?).into_response())
}

/// Discards the rest of the body, within limits. Closing a connection with unread data would reset it, and the client
/// might lose the response.
pub(super) async fn refuse(request: Request, problem: Problem) -> Problem {
    let mut body = request.into_body().into_data_stream();
    let mut left = MAX_UNSEEN_BYTES;
    let unseen = async {
        while let Some(Ok(chunk)) = body.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                return;
            }
        }
    };
    let _ = timeout(UNSEEN_WITHIN, unseen).await;
    problem
}

fn refusal(error: UploadError) -> Problem {
    let cause = error.to_string();
    match error {
        UploadError::NotAPicture(_) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, cause),
        UploadError::TooLarge(_) => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, cause),
        UploadError::Busy(_) => Problem::later(StatusCode::SERVICE_UNAVAILABLE, 2, cause),
        UploadError::NoModel | UploadError::NoView => Problem::new(StatusCode::SERVICE_UNAVAILABLE, cause),
        UploadError::Failed(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, cause),
    }
}

fn opinion_json(opinion: &Opinion, view: &ViewEntry, at: Timestamp) -> Value {
    json!({
        "fast": upload_value(&opinion.fast, view, at),
        "accurate": opinion.accurate.as_ref().map(|answer| upload_value(answer, view, at)),
        "cached": opinion.cached,
    })
}

fn too_large(site: &Site) -> Problem {
    let limit = site.settings.max_upload;
    let detail = format!("the picture has more than {limit} bytes (`max_upload` in [http])");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

/// The picture's bytes, from a plain body or a form.
pub(super) async fn picture(site: &Site, request: Request) -> Result<Bytes, Problem> {
    let declared = request.headers().get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"));
    let kind = declared.map(|declared| declared.split(';').next().unwrap_or_default().trim().to_lowercase());
    let bytes = match kind.as_deref() {
        Some("multipart/form-data") => from_form(request).await.map_err(|error| match error.status {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(site),
            _ => error,
        })?,
        // Its first bytes show its real type; curl declares a form by default.
        None
        | Some(
            "image/jpeg"
            | "image/jpg"
            | "image/png"
            | "image/webp"
            | "application/octet-stream"
            | "application/x-www-form-urlencoded",
        ) => Bytes::from_request(request, &()).await.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(site),
            status => Problem::new(status, "the picture did not arrive as a whole"),
        })?,
        Some(_) => {
            let detail = "a picture is image/jpeg, image/png or image/webp, as it is or in multipart/form-data";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
    };
    if bytes.len() > site.settings.max_upload { Err(too_large(site)) } else { Ok(bytes) }
}

/// The first file of a form, or else its first field.
async fn from_form(request: Request) -> Result<Bytes, Problem> {
    let malformed = |status: StatusCode, cause: String| match status {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(status, cause),
        _ => Problem::new(StatusCode::BAD_REQUEST, format!("the form cannot be read: {cause}")),
    };
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|rejection| malformed(rejection.status(), rejection.body_text()))?;
    let mut first = None;
    while let Some(field) = form.next_field().await.map_err(|error| malformed(error.status(), error.body_text()))? {
        let is_file = field.file_name().is_some();
        let bytes = field.bytes().await.map_err(|error| malformed(error.status(), error.body_text()))?;
        if is_file {
            return Ok(bytes);
        }
        first.get_or_insert(bytes);
    }
    first.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "the form holds no picture"))
}
