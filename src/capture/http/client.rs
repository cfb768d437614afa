//! One GET request with its redirects, its login and its deadlines.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::challenge::Challenge;
use super::error::HttpError;
use crate::config::typed::HttpTarget;
use glimpsed_base::{budget, clock};

/// Deadline for a connection, and for its TLS handshake. The source has the deadline of all.
const STEP: Duration = Duration::from_secs(5);

/// Redirects that are followed for one request.
const MAX_REDIRECTS: usize = 5;

/// A connection, which several requests can use one after the other.
pub(super) struct Client {
    target: HttpTarget,
    /// The connection of the last request, and the origin (scheme, host and port) that it leads to.
    open: Option<(String, SendRequest<Empty<Bytes>>)>,
    /// What the server wants to know, once it has said so.
    challenge: Option<Challenge>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Client {
    pub(super) fn new(target: HttpTarget) -> Self {
        Self { target, open: None, challenge: None }
    }

    /// Requests the address, follows redirects, and logs in if the server demands it. `conditions` go into the head.
    ///
    /// # Errors
    /// Why there is no answer with a body.
    pub(super) async fn get(
        &mut self,
        conditions: &[(HeaderName, HeaderValue)],
    ) -> Result<Response<Incoming>, HttpError> {
        let mut address = self.target.address.clone();
        let (mut redirects, mut tried_login) = (0, false);
        loop {
            // A login is for the address that it was configured for: neither for another machine nor for a connection without TLS.
            let own = origin(&address) == origin(&self.target.address);
            let response = self.once(&address, conditions, own).await?;
            let status = response.status();
            match status {
                StatusCode::OK | StatusCode::NOT_MODIFIED => return Ok(response),
                StatusCode::UNAUTHORIZED if own && !tried_login => {
                    let login = self.target.login.as_ref();
                    let login = login.ok_or(HttpError::LoginNeeded)?;
                    self.challenge = Some(Challenge::read(response.headers(), login)?);
                    tried_login = true;
                    drop(response);
                    self.open = None;
                }
                StatusCode::UNAUTHORIZED if own => return Err(HttpError::LoginRefused),
                _ if status.is_redirection() => {
                    redirects += 1;
                    if redirects > MAX_REDIRECTS {
                        return Err(HttpError::Redirects(MAX_REDIRECTS));
                    }
                    address = redirected(&address, response.headers())?;
                }
                _ => return Err(HttpError::Status(status)),
            }
        }
    }

    /// Sends one request; a connection that the server has closed meanwhile is made anew once.
    async fn once(
        &mut self,
        address: &Uri,
        conditions: &[(HeaderName, HeaderValue)],
        log_in: bool,
    ) -> Result<Response<Incoming>, HttpError> {
        let key = origin(address);
        if let Some((open_to, mut sender)) = self.open.take().filter(|(open_to, _)| *open_to == key)
            && sender.ready().await.is_ok()
            && let Ok(response) = sender.send_request(self.request(address, conditions, log_in)?).await
        {
            self.open = Some((open_to, sender));
            return Ok(response);
        }
        let mut sender = self.connect(address).await?;
        let request = self.request(address, conditions, log_in)?;
        let response = sender.send_request(request).await?;
        self.open = Some((key, sender));
        Ok(response)
    }

    fn request(
        &mut self,
        address: &Uri,
        conditions: &[(HeaderName, HeaderValue)],
        log_in: bool,
    ) -> Result<Request<Empty<Bytes>>, HttpError> {
        let path = address.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder()
            .method(Method::GET)
            .uri(path)
            .header(header::HOST, authority(address))
            .header(header::USER_AGENT, concat!("glimpsed/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, "multipart/x-mixed-replace, image/jpeg");
        for (name, value) in conditions {
            request = request.header(name, value);
        }
        if let (true, Some(challenge), Some(login)) = (log_in, &mut self.challenge, &self.target.login) {
            request = request.header(header::AUTHORIZATION, challenge.answer(login, path)?);
        }
        request.body(Empty::new()).map_err(HttpError::Request)
    }

    async fn connect(&self, address: &Uri) -> Result<SendRequest<Empty<Bytes>>, HttpError> {
        let host = address.host().ok_or(HttpError::NoHost)?.trim_matches(['[', ']']);
        let is_tls = address.scheme_str() == Some("https");
        let port = address.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let found: Vec<SocketAddr> = match lookup_host((host, port)).await {
            Ok(found) => found.collect(),
            Err(cause) => return Err(HttpError::NoAddress { host: host.to_owned(), cause }),
        };
        let tcp = first_that_accepts(&found).await?;
        let stream: Box<dyn Stream> = match &self.target.tls {
            // The library of TLS panics then.
            Some(_) if is_tls && !clock::is_within_http_dates() => return Err(HttpError::Clock),
            Some(tls) if is_tls => {
                let config = tls.client_config(None).map_err(HttpError::TlsSettings)?;
                let name = ServerName::try_from(host.to_owned());
                let name = name.map_err(|_| HttpError::CertificateName(host.to_owned()))?;
                let handshake = TlsConnector::from(Arc::new(config)).connect(name, tcp);
                let secured = timeout(STEP, handshake).await.map_err(|_| HttpError::Handshake)?;
                Box::new(secured.map_err(HttpError::Tls)?)
            }
            _ if is_tls => return Err(HttpError::RedirectToTls),
            _ => Box::new(tcp),
        };
        let handshake = http1::Builder::new().max_buf_size(budget::HTTP_HEAD).handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await?;
        // Runs whenever this thread waits for the answer; ends with the sender or the body.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }
}

async fn first_that_accepts(addresses: &[SocketAddr]) -> Result<TcpStream, HttpError> {
    let mut last = HttpError::NoAddresses;
    for address in addresses.iter().take(5) {
        match timeout(STEP, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = HttpError::Connect(error),
            Err(_) => last = HttpError::NoAnswer,
        }
    }
    Err(last)
}

/// The next bytes of a body; `None` at its end.
pub(super) async fn next_bytes(body: &mut Incoming) -> Result<Option<Bytes>, HttpError> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
            Some(Err(error)) => return Err(HttpError::Http(error)),
        }
    }
}

/// Scheme, host and port: what a connection leads to.
fn origin(address: &Uri) -> String {
    let scheme = address.scheme_str().unwrap_or("http");
    let port = address.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    format!("{scheme}://{}:{port}", address.host().unwrap_or_default().to_ascii_lowercase())
}

/// What a path is relative to.
fn base(address: &Uri) -> String {
    format!("{}://{}", address.scheme_str().unwrap_or("http"), authority(address))
}

fn authority(address: &Uri) -> String {
    address.authority().map(ToString::to_string).unwrap_or_default()
}

/// The address of a redirect, which may be relative to the one that was asked.
fn redirected(from: &Uri, headers: &HeaderMap) -> Result<Uri, HttpError> {
    let text = headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).ok_or(HttpError::RedirectAddress)?;
    let address = match text.split_once("://") {
        Some(_) => text.to_owned(),
        None if text.starts_with("//") => format!("{}:{text}", from.scheme_str().unwrap_or("http")),
        None if text.starts_with('/') => format!("{}{text}", base(from)),
        None => {
            let directory = from.path().rsplit_once('/').map_or("", |(directory, _)| directory);
            format!("{}{directory}/{text}", base(from))
        }
    };
    let address: Uri = address.parse().map_err(|_| HttpError::RedirectAddress)?;
    match address.scheme_str() {
        Some("http" | "https") if address.host().is_some() => Ok(address),
        _ => Err(HttpError::RedirectScheme),
    }
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
    fn a_login_is_for_one_scheme_host_and_port() {
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
