//! The checks on every request: a known host, no cross-site origin, and the token if one is configured.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::problem::Problem;
use super::session::{COOKIE, Verdict};
use super::site::Site;

/// The client's address; the server adds it to each request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub SocketAddr);

impl Peer {
    /// Whether it is the proxy that has checked who asks.
    pub(super) fn is_ingress(&self, site: &Site) -> bool {
        site.settings.ingress == Some(self.0.ip().to_canonical())
    }
}

/// Suffixes of local names, which a stranger cannot register in the public DNS.
const LOCAL_ENDINGS: [&str; 5] = [".local", ".lan", ".home", ".home.arpa", ".internal"];

/// Content security policy: nothing from other sites, no inline style or script, no framing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
    connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The part of a policy about framing, and what takes its place for the proxy of `ingress`: its own pages may frame ours.
const NO_FRAME: &str = "frame-ancestors 'none'";
const OWN_FRAME: &str = "frame-ancestors 'self'";

const HEADERS: [(header::HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// How many cookies of one request are looked at.
const MAX_SESSIONS_GIVEN: usize = 4;

/// What a request was let in with: a browser's session, which can end while the answer goes on.
#[derive(Debug, Clone)]
pub(super) struct Admission(Option<String>);

impl Admission {
    /// Whether the request would still be let in.
    pub(super) fn holds(&self, site: &Site) -> bool {
        match (&self.0, &site.door) {
            (Some(session), Some(door)) => door.is_session(session, site.clock.wall()),
            _ => true,
        }
    }
}

/// Around everything.
pub(super) async fn guard(State(site): State<Arc<Site>>, mut request: Request, next: Next) -> Response {
    let by_ingress = is_by_ingress(&site, &request);
    let mut response = match check(&site, &request) {
        Ok(admission) => {
            request.extensions_mut().insert(admission);
            next.run(request).await
        }
        Err(Refusal::Because(problem)) => problem.into_response(),
        Err(Refusal::LogIn(login)) => Redirect::to(&login).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // The manual has pages of another program, with a policy of their own.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    let framing = if by_ingress { "SAMEORIGIN" } else { "DENY" };
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static(framing));
    if by_ingress && let Some(policy) = headers.get_mut(header::CONTENT_SECURITY_POLICY) {
        let framed = policy.to_str().map(|policy| policy.replace(NO_FRAME, OWN_FRAME));
        *policy = framed.ok().and_then(|policy| policy.parse().ok()).unwrap_or(HeaderValue::from_static(POLICY));
    }
    // Responses are not cached unless they say so.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Why a request is refused.
enum Refusal {
    Because(Problem),
    /// A browser without a session, which is redirected to the login page: its address, from that of the request.
    LogIn(String),
}

fn refuse<T>(status: StatusCode, detail: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Because(Problem::new(status, detail)))
}

fn check(site: &Site, request: &Request) -> Result<Admission, Refusal> {
    let (headers, uri) = (request.headers(), request.uri());
    if headers.get_all(header::HOST).iter().count() > 1 {
        // A proxy in front may have looked at the other one.
        return refuse(StatusCode::BAD_REQUEST, "the request names more than one host");
    }
    let host = host(headers, uri).unwrap_or_default();
    // The names that the proxy is reached by are its own; it has checked who asks, so nothing is to be had by a rebound name.
    let by_ingress = is_by_ingress(site, request);
    if !by_ingress && !is_ours(host, &site.hostname, &site.settings.hosts) {
        let detail = format!("`{}` is no name of this device; add it to `hosts` in [http]", shown(host));
        return refuse(StatusCode::MISDIRECTED_REQUEST, detail);
    }
    if is_foreign(request.method(), headers, uri, host) {
        let detail = "the request comes from another site's page";
        return refuse(StatusCode::FORBIDDEN, detail);
    }
    if by_ingress { Ok(Admission(None)) } else { authorise(site, request) }
}

/// Whether the connection comes from the proxy that has checked who asks. What a request says of itself does not count.
fn is_by_ingress(site: &Site, request: &Request) -> bool {
    request.extensions().get::<Peer>().is_some_and(|peer| peer.is_ingress(site))
}

/// The host name or address and the port that the request was sent to.
fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(header::HOST)?.to_str().ok(),
    }
}

/// Prevents DNS rebinding: a page of another site whose name resolves to this device still sends that name. A literal
/// address cannot be rebound.
fn is_ours(host: &str, hostname: &str, more: &[String]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    if address.parse::<IpAddr>().is_ok() {
        return true;
    }
    let name = name.trim_end_matches('.').to_lowercase();
    let first = LOCAL_ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name);
    name == "localhost" || first == hostname || more.contains(&name)
}

/// Whether a browser reports a cross-site request. Other programs do not send these headers.
fn is_foreign(method: &Method, headers: &HeaderMap, uri: &Uri, host: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    // A WebSocket is not bound to its origin by the browser, so its request counts as one that changes something.
    let safe = matches!(*method, Method::GET | Method::HEAD) && !headers.contains_key(header::UPGRADE);
    let elsewhere = text("sec-fetch-site").is_some_and(|site| !["same-origin", "none"].contains(&site));
    if safe {
        // Links from other sites may lead here, but no other site may embed the pictures or call the interface.
        let by_link = text("sec-fetch-mode") == Some("navigate") && !uri.path().starts_with("/api/");
        return elsewhere && !by_link;
    }
    let other_origin =
        text("origin").is_some_and(|origin| origin.split_once("://").map(|(_, rest)| rest) != Some(host));
    elsewhere || other_origin
}

/// Without a token, only this machine can connect, and everything is allowed; or there is a proxy, and nothing is allowed but by it.
fn authorise(site: &Site, request: &Request) -> Result<Admission, Refusal> {
    let (headers, path) = (request.headers(), request.uri().path());
    if is_public(path) {
        return Ok(Admission(None));
    }
    let Some(door) = &site.door else {
        return match site.settings.ingress {
            None => Ok(Admission(None)),
            Some(_) => refuse(
                StatusCode::FORBIDDEN,
                "only the proxy of `ingress` is answered here; with `token_file` in [http] others are, too",
            ),
        };
    };
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(token) = given.and_then(|given| given.strip_prefix("Bearer ")) {
        return match door.try_token(token.trim(), address(request), site.clock.now()) {
            Verdict::Right => Ok(Admission(None)),
            Verdict::Wrong => refuse(StatusCode::UNAUTHORIZED, "the token is wrong"),
            Verdict::Wait => Err(Refusal::Because(too_often())),
        };
    }
    let now = site.clock.wall();
    if let Some(session) = session(headers).find(|session| door.is_session(session, now)) {
        return Ok(Admission(Some(session.to_owned())));
    }
    if path == "/" || path == "/docs" || path.starts_with("/docs/") {
        let up = "../".repeat(path.matches('/').count().saturating_sub(1));
        return Err(Refusal::LogIn(format!("{up}login")));
    }
    let detail = "a token is needed: log in at /login, or send the header `Authorization: Bearer TOKEN`";
    refuse(StatusCode::UNAUTHORIZED, detail)
}

pub(super) fn too_often() -> Problem {
    Problem::later(StatusCode::TOO_MANY_REQUESTS, 60, "too many wrong tokens; wait a minute")
}

/// The login page and the probes, which reveal nothing of what the camera sees.
fn is_public(path: &str) -> bool {
    ["/login", "/livez", "/readyz"].contains(&path) || path.starts_with("/assets/")
}

/// Whose wrong tokens are counted.
pub(super) fn address(request: &Request) -> IpAddr {
    let peer = request.extensions().get::<Peer>();
    peer.map_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip())
}

/// The values of our cookie. Another program on this host can have set one for another path.
pub(super) fn session(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value).take(MAX_SESSIONS_GIVEN)
}

fn shown(host: &str) -> String {
    host.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_cannot_be_another_sites_are_ours() {
        let more = ["camera.example.org".to_owned()];
        for host in [
            "127.0.0.1:8080",
            "192.168.1.7",
            "[::1]:8080",
            "[fe80::1]",
            "localhost",
            "localhost:8080",
            "LOCALHOST:80",
            "shelf",
            "shelf.local:8080",
            "Shelf.home.arpa",
            "camera.example.org",
            "camera.example.org.:443",
        ] {
            assert!(is_ours(host, "shelf", &more), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8080",
            "shelf.evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "shelf.local.evil",
            "other.local",
            "[evil]",
            "evil:evil",
        ] {
            assert!(!is_ours(host, "shelf", &more), "{host}");
        }
    }

    #[test]
    fn what_another_sites_page_sends_is_foreign() {
        let foreign = |method: Method, path: &str, headers: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, HeaderValue::from_static(value));
            }
            is_foreign(&method, &map, &path.parse().expect("a path"), "shelf:8080")
        };
        let post = "/api/v1/model";
        assert!(!foreign(Method::POST, post, &[]), "curl");
        assert!(!foreign(Method::POST, post, &[("origin", "http://shelf:8080"), ("sec-fetch-site", "same-origin")]));
        assert!(foreign(Method::POST, post, &[("origin", "http://evil.example")]));
        assert!(foreign(Method::POST, post, &[("origin", "http://shelf:9090")]), "another port is another site");
        assert!(foreign(Method::POST, post, &[("origin", "null")]), "a sandboxed frame");
        assert!(foreign(Method::DELETE, post, &[("sec-fetch-site", "same-site")]));
        assert!(
            !foreign(Method::GET, "/", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]),
            "a link"
        );
        assert!(foreign(
            Method::GET,
            "/api/v1/frame.jpeg",
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]
        ));
        let socket = [("upgrade", "websocket"), ("origin", "http://evil.example")];
        assert!(foreign(Method::GET, "/api/v1/live", &socket), "a WebSocket of another site");
        assert!(!foreign(Method::GET, "/api/v1/live", &[("upgrade", "websocket"), ("origin", "http://shelf:8080")]));
        assert!(foreign(Method::GET, "/metrics", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")]));
    }
}
