//! The page and its files, which the build script has packed (`build.rs`).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::problem::Problem;
use super::site::Site;

/// A file of the page.
struct Packed {
    name: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets/list.rs"));

/// Where the contents are part of the address.
pub(super) const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Browsers ask every time, so that an upgrade shows at once; usually the answer is "not modified".
pub(super) const ASK_AGAIN: &str = "no-cache";

pub(super) async fn page(headers: HeaderMap) -> Response {
    serve("index.html", ASK_AGAIN, &headers)
}

/// Only where there is something to log in to.
pub(super) async fn login(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    match site.door {
        Some(_) => serve("login.html", ASK_AGAIN, &headers),
        None => Redirect::to("./").into_response(),
    }
}

pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    serve(&name, ASK_AGAIN, &headers)
}

/// Of another version (a page that was open during an upgrade) the file is served as it is now, and not kept.
pub(super) async fn hashed_asset(Path((hash, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    serve(&name, if hash == HASH { FOR_EVER } else { ASK_AGAIN }, &headers)
}

/// Looks the file up in the list by name, so a request never becomes a path of the file system.
fn serve(name: &str, caching: &'static str, headers: &HeaderMap) -> Response {
    let Some(file) = FILES.iter().find(|file| file.name == name) else {
        return Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address").into_response();
    };
    let words = |name| headers.get_all(name).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
    let zips = words(header::ACCEPT_ENCODING).flat_map(|list| list.split(',')).any(takes_gzip);
    let etag = format!("\"{HASH}{}\"", if zips { "-gzip" } else { "" });
    let known = words(header::IF_NONE_MATCH).flat_map(|list| list.split(',')).map(str::trim);
    let is_known = { known }.any(|tag| tag.trim_start_matches("W/") == etag || tag == "*");
    let common = [
        (header::ETAG, etag),
        (header::CACHE_CONTROL, caching.to_owned()),
        (header::VARY, header::ACCEPT_ENCODING.to_string()),
    ];
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let content = [(header::CONTENT_TYPE, content_type(name))];
    match zips {
        true => (common, content, [(header::CONTENT_ENCODING, "gzip")], Bytes::from_static(file.gzip)).into_response(),
        false => (common, content, Bytes::from_static(file.plain)).into_response(),
    }
}

/// Whether a word of `Accept-Encoding` allows gzip.
fn takes_gzip(word: &str) -> bool {
    let mut parts = word.split(';').map(str::trim);
    let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip") || name == "*");
    is_gzip && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "application/manifest+json",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        assert!(takes_gzip("gzip") && takes_gzip(" GZIP;q=0.5") && takes_gzip("*"));
        assert!(!takes_gzip("gzip;q=0") && !takes_gzip("br") && !takes_gzip("identity"));
    }

    /// The bytes of these files on the line.
    fn sent(names: &[&str]) -> usize {
        let files = names.iter().map(|name| FILES.iter().find(|file| file.name == *name).expect(name));
        files.map(|file| file.gzip.len()).sum()
    }

    /// What the page loads when it opens: itself, its style, its script and its icon.
    #[test]
    fn the_page_is_small_on_the_line() {
        let bytes = sent(&["index.html", "style.css", "early.js", "app.js", "icon.svg", "manifest.webmanifest"]);
        assert!(bytes < 24_000, "{bytes} bytes");
    }

    #[test]
    fn each_place_is_small_on_the_line() {
        for [script, style] in [
            ["teach.js", "teach.css"],
            ["day.js", "day.css"],
            ["editor.js", "editor.css"],
            ["settings.js", "settings.css"],
            ["setup.js", "setup.css"],
            ["wall.js", "wall.css"],
        ] {
            let bytes = sent(&[script, style]);
            assert!(bytes < 12_000, "{script}: {bytes} bytes");
        }
    }

    #[test]
    fn every_address_in_the_page_has_the_hash_and_a_file() {
        for page in FILES.iter().filter(|file| content_type(file.name).starts_with("text/html")) {
            let text = std::str::from_utf8(page.plain).expect("text");
            let addresses: Vec<&str> =
                text.split("\"assets/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
            assert!(addresses.len() > 2, "{}", page.name);
            for address in addresses {
                let name = address.strip_prefix(HASH).and_then(|rest| rest.strip_prefix('/')).expect("the hash");
                assert!(FILES.iter().any(|file| file.name == name), "{address}");
            }
        }
    }
}
