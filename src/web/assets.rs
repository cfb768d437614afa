//! The page and its files, which are compiled in.

use std::sync::{Arc, LazyLock};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use sha2::{Digest, Sha256};

use super::problem::Problem;
use super::site::Site;

/// A file of the page.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    /// A hash of the content, in quotes.
    etag: String,
}

macro_rules! assets {
    ($($name:literal: $content_type:expr,)*) => {
        [$(($name, $content_type, include_bytes!(concat!("assets/", $name)).as_slice()),)*]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let files = assets! {
        "index.html": HTML,
        "login.html": HTML,
        "style.css": CSS,
        "theme.js": SCRIPT,
        "app.js": SCRIPT,
        "dom.js": SCRIPT,
        "fallback.js": SCRIPT,
        "live.js": SCRIPT,
        "models.js": SCRIPT,
        "plots.js": SCRIPT,
        "status.js": SCRIPT,
        "timeline.js": SCRIPT,
        "transport.js": SCRIPT,
        "convert.js": SCRIPT,
        "upload.js": SCRIPT,
        "settings.js": SCRIPT,
        "icon.svg": "image/svg+xml",
        "manifest.webmanifest": "application/manifest+json",
    };
    let asset = |(name, content_type, bytes): (_, _, &'static [u8])| {
        let hash = Sha256::digest(bytes);
        let digits: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Asset { name, content_type, bytes, etag: format!("\"{digits}\"") }
    };
    files.into_iter().map(asset).collect()
});

pub(super) async fn page(headers: HeaderMap) -> Response {
    serve("index.html", &headers)
}

/// Only where there is something to log in to.
pub(super) async fn login(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    match site.door {
        Some(_) => serve("login.html", &headers),
        None => Redirect::to("/").into_response(),
    }
}

pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    serve(&name, &headers)
}

/// Looks the file up in the list by name, so a request never becomes a path of the file system.
fn serve(name: &str, headers: &HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address").into_response();
    };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // Browsers revalidate every time, so that an upgrade shows at once; usually the response is "not modified".
    let common = [(header::ETAG, asset.etag.as_str()), (header::CACHE_CONTROL, "no-cache")];
    if known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == asset.etag || tag.trim() == "*") {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(header::CONTENT_TYPE, asset.content_type)], Bytes::from_static(asset.bytes)).into_response()
}
