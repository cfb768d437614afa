//! One GET request with its redirects, its login and its deadlines.

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};

use super::challenge::Challenge;
use super::error::HttpError;
use crate::config::typed::HttpTarget;
use crate::http_client::address::{authority, origin, redirected};
use crate::http_client::connect;

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
        let mut sender = connect(address, self.target.tls.as_ref()).await?;
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
}
