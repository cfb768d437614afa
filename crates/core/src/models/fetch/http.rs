//! Files over HTTP and HTTPS, with ureq.

use std::io;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{self};
use ureq::http::{Response, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, Error};

use glimpsed_base::clock;

use super::failure::{Failure, FetchError, Limits, Stream};

/// One leads from a repository to its storage.
const MOST_REDIRECTS: u32 = 5;

/// Requests the file from the byte `have` on, if it is still the version `etag`.
///
/// # Errors
/// When there is no response, or not one with the file.
pub(super) fn open(
    url: &str,
    expected: u64,
    have: u64,
    etag: Option<String>,
    limits: &Limits,
) -> Result<Stream, Failure> {
    let again = |cause: String| Failure::Again(FetchError::Source { from: url.to_owned(), cause });
    let never = |cause: String| Failure::Final(FetchError::Source { from: url.to_owned(), cause });
    let mut request = agent(url, limits).map_err(never)?.get(url);
    if have > 0 {
        request = request.header(header::RANGE, format!("bytes={have}-"));
        if let Some(etag) = etag.filter(|etag| !etag.starts_with("W/")) {
            request = request.header(header::IF_RANGE, etag);
        }
    }
    let response = request.call().map_err(|error| refused(&error, limits, &again, &never))?;
    let status = response.status().as_u16();
    match status {
        200 => stream(response, 0, url, expected),
        206 => match range(&response) {
            Some((first, total)) if first == have && total.is_none_or(|total| total == expected) => {
                stream(response, have, url, expected)
            }
            Some((_, Some(found))) if found != expected => {
                Err(Failure::Final(FetchError::WrongSize { from: url.to_owned(), found, expected }))
            }
            _ => Err(never("answers with another part of the file than was asked for".into())),
        },
        // The server's version of the file has no such range.
        416 if have > 0 => open(url, expected, 0, None, limits),
        429 | 500..=599 => Err(again(format!("the server is not able to now (status {status})"))),
        401 | 403 => Err(never(format!("the server does not let us have it (status {status})"))),
        404 | 410 => Err(never(format!("there is no such file (status {status}); a mirror can be named with --from"))),
        _ => Err(never(format!("answers with status {status}"))),
    }
}

fn agent(url: &str, limits: &Limits) -> Result<Agent, String> {
    let silence = Some(limits.silence);
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(MOST_REDIRECTS)
        .user_agent(concat!("glimpsed/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(silence)
        .timeout_connect(silence)
        .timeout_recv_response(silence)
        .timeout_per_read(silence);
    // ureq takes the proxy from the usual environment variables by default.
    if url.starts_with("https://") {
        if !clock::is_within_http_dates() {
            return Err("no certificate is valid at the time that this device's clock shows; set the clock".into());
        }
        let roots = rustls_native_certs::load_native_certs().certs;
        if roots.is_empty() {
            return Err("this system trusts no certificates; install the package ca-certificates".into());
        }
        let roots: Vec<Certificate> =
            roots.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .build();
        // A request over HTTPS is not redirected to HTTP.
        config = config.tls_config(tls).https_only(true);
    }
    Ok(config.build().new_agent())
}

fn stream(response: Response<Body>, offset: u64, url: &str, expected: u64) -> Result<Stream, Failure> {
    let etag = response.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
    if let Some(length) = response.body().content_length()
        && offset.checked_add(length) != Some(expected)
    {
        let found = offset.saturating_add(length);
        return Err(Failure::Final(FetchError::WrongSize { from: url.to_owned(), found, expected }));
    }
    // One byte above the expected length, so that a file that is too long is detected instead of truncated.
    let limit = expected - offset + 1;
    let reader = response.into_body().into_with_config().limit(limit).reader();
    Ok(Stream { reader: Box::new(reader), offset, etag })
}

/// First byte and total length of `bytes 100-199/200`.
fn range(response: &Response<Body>) -> Option<(u64, Option<u64>)> {
    let text = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (part, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((part.split_once('-')?.0.parse().ok()?, total.parse().ok()))
}

fn refused(
    error: &Error,
    limits: &Limits,
    again: &dyn Fn(String) -> Failure,
    never: &dyn Fn(String) -> Failure,
) -> Failure {
    match error {
        Error::HostNotFound => again("there is no such host; is the network there?".into()),
        Error::Timeout(_) => again(format!("does not answer within {:?}", limits.silence)),
        Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => never(untrusted(error)),
            None => again(describe_io(error, limits)),
        },
        Error::ConnectionFailed => again("cannot be reached".into()),
        Error::TooManyRedirects => never(format!("sends us elsewhere more than {MOST_REDIRECTS} times")),
        Error::RequireHttpsOnly(to) => never(format!("sends us to `{to}`, which is not protected by TLS")),
        Error::Rustls(error) => never(untrusted(error)),
        Error::InvalidProxyUrl => never("the proxy that the environment names is no address".into()),
        Error::BadUri(_) | Error::Http(_) => never("is no address of a file".into()),
        other => never(other.to_string()),
    }
}

fn untrusted(error: &rustls::Error) -> String {
    format!("its certificate is not accepted: {error}")
}

/// Describes the error with the timeout that was exceeded.
pub(super) fn describe_io(error: &io::Error, limits: &Limits) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => format!("is silent for {:?}", limits.silence),
        io::ErrorKind::ConnectionRefused => "nobody listens there".into(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => "the connection broke".into(),
        _ => match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(Error::Timeout(_)) => format!("is silent for {:?}", limits.silence),
            _ => format!("the connection broke: {error}"),
        },
    }
}
