//! Why a web server does not answer, in words for people. Each text follows on its address.

use std::io;

use glimpsed_mqtt::tls::Problem;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    // The connection.
    #[error("the address names no host")]
    NoHost,
    #[error("the name `{host}` has no address: {cause}")]
    NoAddress { host: String, cause: io::Error },
    #[error("it has no address")]
    NoAddresses,
    #[error("{0}")]
    Connect(io::Error),
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
    Tls(io::Error),
    /// There are no settings of TLS, because what was configured is without.
    #[error("it redirects to https; set `url` to that address")]
    RedirectToTls,

    // The answer.
    #[error("it does not answer in HTTP: is this the port of its web server?")]
    NotHttp,
    #[error("it closed the connection without an answer")]
    Closed,
    #[error("{0}")]
    Http(hyper::Error),
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        match error {
            error if error.is_parse() => Self::NotHttp,
            error if error.is_incomplete_message() => Self::Closed,
            error => Self::Http(error),
        }
    }
}
