//! HTTP authentication: basic and digest (RFC 7616, RFC 7617).

use http_auth::{PasswordClient, PasswordParams};
use hyper::header::{self, HeaderMap, HeaderValue};

use super::error::HttpError;
use crate::config::typed::Login;

/// What a server demands; a digest counts how often it was answered.
pub(super) struct Challenge(PasswordClient);

impl Challenge {
    /// Chooses the best scheme of those that the server offers.
    pub(super) fn read(headers: &HeaderMap, login: &Login) -> Result<Self, HttpError> {
        let offers = headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let offers: Vec<&str> = offers.collect();
        if login.username.contains(':') && offers.iter().all(|offer| offer.starts_with("Basic")) {
            return Err(HttpError::Colon);
        }
        let mut builder = PasswordClient::builder();
        for offer in offers {
            builder = builder.challenges(offer);
        }
        builder.build().map(Self).map_err(HttpError::LoginKind)
    }

    /// The value of `Authorization` for a GET of this path.
    pub(super) fn answer(&mut self, login: &Login, path: &str) -> Result<HeaderValue, HttpError> {
        let params = PasswordParams {
            username: &login.username,
            password: login.password.reveal(),
            uri: path,
            method: "GET",
            body: Some(&[]),
        };
        let text = self.0.respond(&params).map_err(HttpError::Login)?;
        let mut value = HeaderValue::from_str(&text).map_err(|cause| HttpError::Login(cause.to_string()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}
