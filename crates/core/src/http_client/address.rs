//! Addresses on the web.

use hyper::Uri;
use hyper::header::{self, HeaderMap};

/// An address whose path or query may be a secret: it is shown without them.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Uri);

impl Address {
    pub fn new(address: Uri) -> Self {
        Self(address)
    }

    /// For the request.
    pub fn reveal(&self) -> &Uri {
        &self.0
    }

    /// What may be shown of it.
    pub fn origin(&self) -> String {
        origin(&self.0)
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.origin())
    }
}

/// Why a redirect is not followed. The text follows on the address of who redirects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRedirect {
    #[error("it redirects to an address that cannot be read")]
    Unreadable,
    #[error("it redirects to something else than http or https")]
    Scheme,
}

/// Scheme, host and port: what a connection leads to. It holds no secret, as a path can.
pub fn origin(address: &Uri) -> String {
    let scheme = address.scheme_str().unwrap_or("http");
    let port = address.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    format!("{scheme}://{}:{port}", address.host().unwrap_or_default().to_ascii_lowercase())
}

/// Host and port as they are written.
pub fn authority(address: &Uri) -> String {
    address.authority().map(ToString::to_string).unwrap_or_default()
}

/// The address of a redirect, which may be relative to the one that was asked.
///
/// # Errors
/// When it is no address of a web server.
pub fn redirected(from: &Uri, headers: &HeaderMap) -> Result<Uri, BadRedirect> {
    let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let text = location.ok_or(BadRedirect::Unreadable)?;
    let address = match text.split_once("://") {
        Some(_) => text.to_owned(),
        None if text.starts_with("//") => format!("{}:{text}", from.scheme_str().unwrap_or("http")),
        None if text.starts_with('/') => format!("{}{text}", base(from)),
        None => {
            let directory = from.path().rsplit_once('/').map_or("", |(directory, _)| directory);
            format!("{}{directory}/{text}", base(from))
        }
    };
    let address: Uri = address.parse().map_err(|_| BadRedirect::Unreadable)?;
    match address.scheme_str() {
        Some("http" | "https") if address.host().is_some() => Ok(address),
        _ => Err(BadRedirect::Scheme),
    }
}

/// What a path is relative to.
fn base(address: &Uri) -> String {
    format!("{}://{}", address.scheme_str().unwrap_or("http"), authority(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(location: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([(header::LOCATION, location.parse().expect("a value"))]);
        redirected(&"http://cam:8080/view/live?x=1".parse().expect("an address"), &headers)
            .ok()
            .map(|uri| uri.to_string())
    }

    #[test]
    fn redirects_are_relative_to_the_address_that_was_asked() {
        assert_eq!(from("/video").as_deref(), Some("http://cam:8080/video"));
        assert_eq!(from("mjpeg").as_deref(), Some("http://cam:8080/view/mjpeg"));
        assert_eq!(from("//other/x").as_deref(), Some("http://other/x"));
        assert_eq!(from("https://cam/x").as_deref(), Some("https://cam/x"));
    }

    #[test]
    fn an_origin_is_one_scheme_host_and_port() {
        let parsed = |text: &str| origin(&text.parse().expect("an address"));
        let same = |one: &str, other: &str| parsed(one) == parsed(other);
        assert!(same("http://cam/x", "http://CAM:80/y"));
        assert!(same("https://cam/x", "https://cam:443/"));
        assert!(!same("https://cam/x", "http://cam/x"), "without TLS");
        assert!(!same("http://cam/x", "http://cam:81/x"));
        assert!(!same("http://cam/x", "http://other/x"));
    }

    #[test]
    fn a_redirect_to_something_else_than_http_is_refused() {
        assert!(from("rtsp://cam/stream").is_none());
        assert!(from("file:///etc/passwd").is_none());
    }
}
