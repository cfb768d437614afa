//! A connection, with a deadline for each step. Who uses it has the deadline of all.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Uri;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::failure::Failure;
use glimpsed_base::{budget, clock};
use glimpsed_mqtt::tls::Tls;

/// Deadline for a connection, and for its TLS handshake.
const STEP: Duration = Duration::from_secs(5);

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 5;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to the host of an address. `tls` is needed for `https`.
///
/// # Errors
/// Why there is no connection.
pub async fn connect<B>(address: &Uri, tls: Option<&Tls>) -> Result<SendRequest<B>, Failure>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let host = address.host().ok_or(Failure::NoHost)?.trim_matches(['[', ']']);
    let is_tls = address.scheme_str() == Some("https");
    let port = address.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let found: Vec<SocketAddr> = match lookup_host((host, port)).await {
        Ok(found) => found.collect(),
        Err(cause) => return Err(Failure::NoAddress { host: host.to_owned(), cause }),
    };
    let tcp = first_that_accepts(&found).await?;
    let stream: Box<dyn Stream> = match tls {
        // The library of TLS panics then.
        Some(_) if is_tls && !clock::is_within_http_dates() => return Err(Failure::Clock),
        Some(tls) if is_tls => {
            let config = tls.client_config(None).map_err(Failure::TlsSettings)?;
            let name = ServerName::try_from(host.to_owned());
            let name = name.map_err(|_| Failure::CertificateName(host.to_owned()))?;
            let handshake = TlsConnector::from(Arc::new(config)).connect(name, tcp);
            let secured = timeout(STEP, handshake).await.map_err(|_| Failure::Handshake)?;
            Box::new(secured.map_err(Failure::Tls)?)
        }
        _ if is_tls => return Err(Failure::RedirectToTls),
        _ => Box::new(tcp),
    };
    let handshake = http1::Builder::new().max_buf_size(budget::HTTP_HEAD).handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await?;
    // Runs whenever its runtime does; ends with the sender or the body.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

async fn first_that_accepts(addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
    let mut last = Failure::NoAddresses;
    for address in addresses.iter().take(MAX_ADDRESSES) {
        match timeout(STEP, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = Failure::Connect(error),
            Err(_) => last = Failure::NoAnswer,
        }
    }
    Err(last)
}

/// The next bytes of a body; `None` at its end.
///
/// # Errors
/// When the connection breaks.
pub async fn next_bytes(body: &mut Incoming) -> Result<Option<Bytes>, Failure> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
            Some(Err(error)) => return Err(Failure::Http(error)),
        }
    }
}
