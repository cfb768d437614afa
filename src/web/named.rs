//! The view and the camera that an address names; addresses without a name mean the first.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::problem::Problem;
use super::site::Site;
use glimpsed_core::domain::framing::Region;
use glimpsed_core::domain::layout::ViewEntry;
use glimpsed_core::domain::name::Name;

/// The view of `/views/{view}/...`.
pub(super) struct OfView(pub(super) ViewEntry);

/// The part of an uploaded picture that is looked at: the region of the view that the address names, or else all of it, as it is with
/// `glimpsed classify` with and without `--view`.
pub(super) struct PartOfView(pub(super) Region);

/// The camera of `/cameras/{camera}/...`, and the first view that looks through it.
pub(super) struct OfCamera {
    pub(super) camera: Name,
    pub(super) view: Option<Name>,
}

impl FromRequestParts<Arc<Site>> for OfView {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Problem> {
        let (named, layout) = (param(parts, site, "view").await, site.parts.view.layout());
        let view = match &named {
            Some(name) => layout.view_called(name),
            None => layout.views.first(),
        };
        view.cloned().map(Self).ok_or_else(|| missing("view", named))
    }
}

impl FromRequestParts<Arc<Site>> for PartOfView {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Problem> {
        let named = param(parts, site, "view").await;
        let layout = site.parts.view.layout();
        let region = named.and_then(|name| layout.view_called(&name).map(|view| view.region));
        Ok(Self(region.unwrap_or_default()))
    }
}

impl FromRequestParts<Arc<Site>> for OfCamera {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Problem> {
        let (named, layout) = (param(parts, site, "camera").await, site.parts.view.layout());
        let camera = match &named {
            Some(name) => layout.camera_called(name),
            // That of the first view, whose labels the addresses without a name have.
            None => layout.views.first().map(|view| &view.camera),
        };
        let camera = camera.cloned().ok_or_else(|| missing("camera", named))?;
        let view = layout.views_of(&camera).next().map(|view| view.name.clone());
        Ok(Self { camera, view })
    }
}

async fn param(parts: &mut Parts, site: &Arc<Site>, wanted: &str) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, site).await.ok()?;
    params.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
}

fn missing(what: &str, named: Option<String>) -> Problem {
    match named {
        Some(_) => Problem::new(StatusCode::NOT_FOUND, format!("there is no {what} of this name")),
        None => Problem::later(StatusCode::SERVICE_UNAVAILABLE, 1, "the daemon is starting"),
    }
}
