//! Login: a browser sends the token once and receives a session cookie.

use std::sync::Arc;

use axum::Form;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use tokio::task::spawn_blocking;

use super::guard;
use super::problem::Problem;
use super::session::{COOKIE, SESSION, Verdict};
use super::site::Site;

/// One of both.
#[derive(Deserialize)]
struct Given {
    #[serde(default)]
    token: String,
    /// The end of a link of `glimpsed setup`.
    #[serde(default)]
    link: String,
}

pub(super) async fn login(State(site): State<Arc<Site>>, request: Request) -> Result<Response, Problem> {
    let Some(door) = &site.door else { return Ok(Redirect::to("./").into_response()) };
    let (address, secure) = (guard::address(&request), is_secure(request.headers()));
    let form = Form::<Given>::from_request(request, &()).await;
    let Form(Given { token, link }) = form?;
    if !link.is_empty() {
        let now = site.clock.wall();
        if !door.follow(&link, now) {
            return Ok(Redirect::to("login?link").into_response());
        }
        let door = door.clone();
        let session = door.session(now);
        if let Ok(Err(cause)) = spawn_blocking(move || door.store()).await {
            tracing::warn!(
                %cause,
                "that the link was followed could not be stored; it holds again after the next start"
            );
        }
        return Ok((set_cookie(&session, SESSION.as_secs(), secure), Redirect::to("./#setup")).into_response());
    }
    match door.try_token(token.trim(), address, site.clock.now()) {
        Verdict::Right => {
            let value = door.session(site.clock.wall());
            Ok((set_cookie(&value, SESSION.as_secs(), secure), Redirect::to("./")).into_response())
        }
        Verdict::Wrong => Ok(Redirect::to("login?wrong").into_response()),
        Verdict::Wait => Err(guard::too_often()),
    }
}

/// Ends the session on this device, too: somebody may have copied the cookie.
pub(super) async fn logout(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    if let Some(door) = &site.door {
        let now = site.clock.wall();
        let ended = guard::session(&headers).filter(|session| door.end(session, now)).count();
        let door = door.clone();
        if ended > 0
            && let Ok(Err(cause)) = spawn_blocking(move || door.store()).await
        {
            tracing::warn!(%cause, "the logout could not be stored; the session is valid again after the next start");
        }
    }
    (set_cookie("", 0, is_secure(&headers)), Redirect::to("login")).into_response()
}

/// `HttpOnly` hides the cookie from scripts, `SameSite` withholds it from other sites' requests. Without `Path` it is for the directory of
/// `/login` as the browser sees it, which a proxy may have put below a prefix.
pub(super) fn set_cookie(value: &str, seconds: u64, secure: bool) -> HeaderMap {
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={value}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    // Sessions are dots and digits.
    HeaderValue::from_str(&cookie)
        .map(|cookie| HeaderMap::from_iter([(header::SET_COOKIE, cookie)]))
        .unwrap_or_default()
}

/// A proxy that terminates TLS sets this header. A client that forges it harms only itself.
pub(super) fn is_secure(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|value| value == "https")
}
