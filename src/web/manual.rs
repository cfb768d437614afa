//! The manual, from the files that `make docs` has made of docs/ and that the package installs beside the models. They are not in the
//! program, which would be a tenth larger.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use axum::extract;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use data_encoding::BASE64;
use ring::digest::{SHA256, digest};
use tokio::task::spawn_blocking;

use super::assets::{ASK_AGAIN, FOR_EVER};
use super::problem::Problem;
use glimpsed_base::files;

/// The largest file that is sent. The search index has about one megabyte.
const MAX_BYTES: u64 = 8 << 20;

/// The page that begins it.
const FIRST: &str = "index.html";

/// Its pages find each other by relative addresses, which need the slash.
pub(super) async fn without_slash() -> Redirect {
    Redirect::permanent("docs/")
}

pub(super) async fn first_page(headers: HeaderMap) -> Response {
    serve(FIRST.into(), headers).await
}

pub(super) async fn file(extract::Path(name): extract::Path<String>, headers: HeaderMap) -> Response {
    serve(name, headers).await
}

async fn serve(name: String, headers: HeaderMap) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).cloned();
    let up = "../".repeat(name.matches('/').count());
    let problem = match spawn_blocking(move || read(&name, known.as_ref())).await {
        Ok(Ok(response)) => return response,
        Ok(Err(problem)) => problem,
        Err(panicked) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, panicked.to_string()),
    };
    if wants_a_page(&headers) { page_of(&problem, &up) } else { problem.into_response() }
}

/// Whether somebody is to read the answer: what a page itself asks for is no page.
fn wants_a_page(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

/// The problem as a page that leads back. `up` leads to the manual's first page from the address that was asked for.
fn page_of(problem: &Problem, up: &str) -> Response {
    let detail = problem.detail.replace('&', "&amp;").replace('<', "&lt;");
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>glimpsed: not found</title><style>:root{{color-scheme:light dark;color:light-dark(#1b1b1b,#d6d6e0);background:light-dark(#fff,#161923)}}\
         body{{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}}a{{color:light-dark(#0550ae,#7cb7e8)}}</style>\
         <main><h1>Not found</h1><p>{detail}<p><a href=\"{up}{FIRST}\">The manual</a> · <a href=\"{up}../\">The page</a></main>"
    );
    let headers = [(header::CONTENT_SECURITY_POLICY, policy(&[])), (header::CONTENT_TYPE, content_type(FIRST).into())];
    (problem.status, headers, page).into_response()
}

/// The file of this name, unless the browser has it: `known` is what it says that it has.
fn read(name: &str, known: Option<&HeaderValue>) -> Result<Response, Problem> {
    let not_here = || Problem::new(StatusCode::NOT_FOUND, "the manual has no such page");
    let not_installed = || {
        Problem::new(
            StatusCode::NOT_FOUND,
            "the manual is not installed here: the package has it, and `make docs` makes it",
        )
    };
    let directory = directory().ok_or_else(not_installed)?;
    let path = directory.join(Some(Path::new(name)).filter(|name| is_below(name)).ok_or_else(not_here)?);
    let etag = version(&path).map_err(|_| not_here())?;
    let mut bytes = Vec::new();
    files::read_into(&path, MAX_BYTES, &mut bytes).map_err(|_| not_here())?;
    let policy = policy(if name.ends_with(".html") { &bytes } else { &[] });
    // A browser replaces the headers that it has by those of "not modified", too.
    let common = [
        (header::ETAG, etag.as_str()),
        (header::CACHE_CONTROL, if is_hashed(name) { FOR_EVER } else { ASK_AGAIN }),
        (header::CONTENT_SECURITY_POLICY, &policy),
    ];
    if known.is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    Ok((common, [(header::CONTENT_TYPE, content_type(name))], bytes).into_response())
}

/// Whether the contents are part of the name: mdBook puts eight digits of their hash before the ending.
fn is_hashed(name: &str) -> bool {
    let digits = name.split('.').next().and_then(|stem| stem.rsplit_once('-')).map_or("", |(_, digits)| digits);
    digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// The first of `share/glimpsed/manual` and `manual` beside or above the program (an installation, or what `make docs` leaves in target)
/// that has pages.
fn directory() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let above = program.ancestors().skip(1).take(4);
    above
        .flat_map(|above| [above.join("share/glimpsed/manual"), above.join("manual")])
        .find(|candidate| candidate.join(FIRST).is_file())
}

/// Whether a path stays where it begins.
fn is_below(path: &Path) -> bool {
    path.components().all(|component| matches!(component, Component::Normal(_)))
}

/// Changes whenever the file does, as far as its length and time tell.
fn version(path: &Path) -> io::Result<String> {
    let metadata = std::fs::metadata(path)?;
    let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("\"{:x}-{:x}\"", metadata.len(), since.as_millis()))
}

/// The content security policy of a page: that of the daemon's page, with the scripts that stand in this one, each by its hash, and with its
/// styles and fonts.
fn policy(page: &[u8]) -> String {
    let mut scripts = String::from("script-src 'self'");
    for script in scripts_within(std::str::from_utf8(page).unwrap_or_default()) {
        scripts += &format!(" 'sha256-{}'", hash(script));
    }
    format!(
        "default-src 'none'; {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// The contents of the elements `<script>` without attributes.
fn scripts_within(page: &str) -> impl Iterator<Item = &str> {
    page.split("<script>").skip(1).filter_map(|rest| rest.split_once("</script>")).map(|(script, _)| script)
}

fn hash(script: &str) -> String {
    BASE64.encode(digest(&SHA256, script.as_bytes()).as_ref())
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["../Cargo.toml", "a/../../b", "/etc/passwd", "./index.html/..", ".."] {
            assert!(!is_below(Path::new(name)), "{name}");
        }
        assert!(is_below(Path::new("css/general.css")));
    }

    fn asked(accept: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))])
    }

    #[test]
    fn one_who_reads_is_told_in_a_page_and_a_program_in_json() {
        assert!(wants_a_page(&asked("text/html,application/xhtml+xml,*/*;q=0.8")));
        assert!(!wants_a_page(&asked("*/*")) && !wants_a_page(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn a_missing_page_leads_to_the_manual_and_to_the_page_and_holds_no_markup_of_others() {
        let answer = page_of(&Problem::new(StatusCode::NOT_FOUND, "no <b>such</b> page"), "../");
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        let body = axum::body::to_bytes(answer.into_body(), 4096).await.expect("a body");
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("href=\"../index.html\"") && text.contains("href=\"../../\""), "{text}");
        assert!(text.contains("&lt;b>such") && !text.contains("<b>"), "{text}");
    }

    #[test]
    fn names_with_a_hash_are_known() {
        for name in ["searcher-09f2665d.js", "css/general-2459343d.css", "elasticlunr-ef4e11c1.min.js"] {
            assert!(is_hashed(name), "{name}");
        }
        for name in ["index.html", "second-opinion.html", "fonts/open-sans-v17-latin.woff2", "a-1234567.js"] {
            assert!(!is_hashed(name), "{name}");
        }
    }

    #[test]
    fn scripts_of_a_page_are_allowed_by_their_hash() {
        let page = "<html><script>one</script><script src=\"a.js\"></script><script>two</script>";
        assert_eq!(scripts_within(page).collect::<Vec<_>>(), ["one", "two"]);
        // printf one | openssl dgst -sha256 -binary | base64
        let hash = "dpLDrTVAu4A8Ags67mbNiIcSMjTqDG5xQ8Ct1z/0Me0=";
        let policy_of_page = policy(page.as_bytes());
        assert!(policy_of_page.contains(&format!("script-src 'self' 'sha256-{hash}' 'sha256-")), "{policy_of_page}");
        assert!(policy(b"<script>cut").contains("script-src 'self';"));
    }
}
