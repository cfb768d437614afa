//! Why a network camera gives no pictures, in words for people. Each text follows on the camera's address.

use hyper::StatusCode;

use glimpsed_base::budget;
use glimpsed_mqtt::tls::Problem;

#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    // The connection.
    #[error("the address names no host")]
    NoHost,
    #[error("the name `{host}` has no address: {cause}")]
    NoAddress { host: String, cause: std::io::Error },
    #[error("it has no address")]
    NoAddresses,
    #[error("{0}")]
    Connect(std::io::Error),
    #[error("nobody answers")]
    NoAnswer,

    // TLS.
    #[error("no certificate is valid at the time that this device's clock shows; set the clock")]
    Clock,
    #[error("`{}`: {}", .0.key, .0.cause)]
    TlsSettings(Problem),
    #[error("`{0}` is not a name that a certificate can be for")]
    CertificateName(String),
    #[error("the TLS handshake does not end")]
    Handshake,
    #[error("TLS: {0}")]
    Tls(std::io::Error),

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
    #[error("it redirects to an address that cannot be read")]
    RedirectAddress,
    #[error("it redirects to something else than http or https")]
    RedirectScheme,
    #[error("it redirects to https; set `url` to that address")]
    RedirectToTls,

    // The answer.
    #[error("{}", status(*.0))]
    Status(StatusCode),
    #[error("it does not answer in HTTP: is this the port of its web server?")]
    NotHttp,
    #[error("it closed the connection without an answer")]
    Closed,
    #[error("{0}")]
    Http(hyper::Error),
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
        match error {
            error if error.is_parse() || error.is_parse_too_large() => Self::NotHttp,
            error if error.is_incomplete_message() => Self::Closed,
            error => Self::Http(error),
        }
    }
}
