//! The transport: from a broker's address to a byte stream over TCP or TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::broker_url::BrokerUrl;
use crate::loss::Loss;
use crate::tls::{Seen, Tls};
use glimpsed_base::clock;

/// The time limit for each step of connecting: resolving the name, all addresses together, the TLS handshake, and the
/// CONNACK.
pub const STEP: Duration = Duration::from_secs(5);

/// A byte stream in both directions, over TCP or TLS.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Resolves the broker's host name; the result is not empty.
///
/// # Errors
/// When the name cannot be resolved within [`STEP`].
pub async fn resolve(broker: &BrokerUrl) -> Result<Vec<SocketAddr>, Loss> {
    let no_address = |cause| Loss::NoAddress { host: broker.host.clone(), cause };
    let addresses: Vec<SocketAddr> = timeout(STEP, lookup_host((broker.host.as_str(), broker.port)))
        .await
        .map_err(|_| no_address(std::io::Error::from(std::io::ErrorKind::TimedOut)))?
        .map_err(no_address)?
        .collect();
    match addresses.is_empty() {
        true => Err(no_address(std::io::Error::other("it has no address"))),
        false => Ok(addresses),
    }
}

/// Connects to the first of up to five addresses that accepts, in their order; they share [`STEP`].
///
/// # Errors
/// The error of the last address that was tried, when none accepted.
pub async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Loss> {
    let each = STEP / addresses.len().clamp(1, 5) as u32;
    let mut last = Loss::NoAnswer(STEP);
    for address in addresses.iter().take(5) {
        match timeout(each, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small messages are sent at once (without Nagle's algorithm).
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error.into(),
            Err(_) => last = Loss::NoAnswer(STEP),
        }
    }
    Err(last)
}

/// Makes a TLS connection of a TCP connection. `seen` gets the broker's certificate, even if it is not accepted.
///
/// # Errors
/// When the configuration is invalid, the broker's certificate is not accepted, the broker ends the handshake, or the
/// handshake takes longer than [`STEP`].
pub async fn secure(
    tcp: TcpStream,
    broker: &BrokerUrl,
    tls: &Tls,
    seen: Option<Seen>,
) -> Result<Box<dyn Stream>, Loss> {
    // The library of TLS panics then.
    if !clock::is_within_http_dates() {
        let cause = "no certificate is valid at the time that this device's clock shows; set the clock";
        return Err(Loss::Tls(cause.into()));
    }
    let config =
        tls.client_config(seen).map_err(|problem| Loss::Tls(format!("`{}`: {}", problem.key, problem.cause)))?;
    let name = tls.server_name.clone().unwrap_or_else(|| broker.host.clone());
    let name = ServerName::try_from(name.clone())
        .map_err(|_| Loss::Tls(format!("`{name}` is not a name that a certificate can be for")))?;
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, tcp);
    let stream =
        timeout(STEP, handshake).await.map_err(|_| Loss::NoAnswer(STEP))?.map_err(|error| match Loss::from(error) {
            Loss::Closed => {
                Loss::Tls("the broker closed the connection during the TLS handshake; is this its TLS port?".into())
            }
            other => other,
        })?;
    Ok(Box::new(stream))
}

/// Resolves the broker's name, connects, and makes a TLS connection of it if `tls` is given.
///
/// # Errors
/// Those of [`resolve`], [`connect`] and [`secure`].
pub async fn open(broker: &BrokerUrl, tls: Option<&Tls>) -> Result<Box<dyn Stream>, Loss> {
    let tcp = connect(&resolve(broker).await?).await?;
    match tls {
        None => Ok(Box::new(tcp)),
        Some(tls) => secure(tcp, broker, tls, None).await,
    }
}
