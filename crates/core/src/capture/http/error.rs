//! Why a network camera gives no pictures, in words for people. Each text follows on the camera's address.

use hyper::StatusCode;

use crate::http_client::Failure;
use crate::http_client::address::BadRedirect;
use glimpsed_base::budget;

#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error(transparent)]
    Connection(#[from] Failure),

    // The login.
    #[error("it wants a login: set `username` and `password_file`")]
    LoginNeeded,
    #[error("it does not accept the user name or the password")]
    LoginRefused,
    #[error("a user name with a colon cannot log in with `Basic`")]
    Colon,
    #[error("it wants a login of another kind than basic or digest: {0}")]
    LoginKind(String),
    #[error("the login cannot be made: {0}")]
    Login(String),

    // Redirects.
    #[error("it redirects more than {0} times")]
    Redirects(usize),
    #[error(transparent)]
    Redirect(#[from] BadRedirect),

    // The answer.
    #[error("{}", status(*.0))]
    Status(StatusCode),
    #[error("the request cannot be made: {0}")]
    Request(hyper::http::Error),
    #[error("it answers with {0}, and neither with MJPEG nor with a JPEG picture: is the path right?")]
    NoPictures(String),
    #[error("its picture has more than {} MB", budget::CAMERA_PICTURE >> 20)]
    TooLarge,
    #[error("it answers with an empty picture")]
    Empty,
    #[error("it sends {0} in the place of a JPEG picture: does its address need a login, or another path?")]
    NotJpeg(String),
    #[error("it ended the stream")]
    Ended,

    // This side.
    #[error("it has failed before")]
    Over,
}

fn status(status: StatusCode) -> String {
    match status {
        StatusCode::FORBIDDEN => "it forbids this address (403): is the user allowed to look?".into(),
        StatusCode::NOT_FOUND => "there is nothing at this address (404): is the path right?".into(),
        other => format!("it answers with {other}"),
    }
}

impl From<hyper::Error> for HttpError {
    fn from(error: hyper::Error) -> Self {
        Self::Connection(error.into())
    }
}
