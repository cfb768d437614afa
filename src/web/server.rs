//! Listens, accepts and limits connections: slow, excess and idle ones are closed.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::admission::{Admission, Place};
use super::connection::Connection;
use super::guard::Peer;
use super::probes::PROBES;
use super::problem::Problem;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use glimpsed_base::backoff::Backoff;
use glimpsed_base::clock;
use glimpsed_base::repetition::is_logged;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::sync::Mutex;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt;
use std::sync::atomic::AtomicBool;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Whether the server listens, for the health figures.
#[derive(Debug, Default)]
pub(super) struct Status {
    pub listening: AtomicBool,
    pub(super) address: Mutex<Option<SocketAddr>>,
}

impl Status {
    fn set_address(&self, address: SocketAddr) {
        *self.address.lock() = Some(address);
    }
}

/// Capacity of the kernel's queue of unaccepted connections.
const BACKLOG: u32 = 256;

/// Deadline for a request's head, which is also the limit of idle time between two requests.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// A head has one request line and about twenty headers.
const MAX_HEADERS: usize = 64;
const MAX_BUFFER_BYTES: usize = 64 << 10;

/// Limit of the kernel's send buffer for a stalled client: a few frames instead of seconds of them. Linux doubles it.
const SEND_BUFFER_BYTES: usize = 128 << 10;

/// TCP keep-alive and user timeout. Without them, a phone that is out of reach would keep its place, if its stream has
/// little to send.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);
const ASKED_AFTER: Duration = Duration::from_secs(30);
const ASKED_EVERY: Duration = Duration::from_secs(10);
const ASKED_TIMES: u32 = 3;

/// Back-off between two attempts to listen on a port that is in use.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Deadline for responses in progress at the stop.
const FINISH_WITHIN: Duration = Duration::from_millis(500);

/// Deadline for a probe's head. A probe is a request by itself, so there is no second one.
const PROBE_WITHIN: Duration = Duration::from_secs(2);

const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n";

/// Serves until shutdown. Connections from `ingress`, a proxy, are as many as there are places.
pub(super) async fn serve(
    address: SocketAddr,
    ingress: Option<IpAddr>,
    router: Router,
    status: Arc<Status>,
    shutdown: Shutdown,
) {
    let listener = tokio::select! {
        listener = listen(address, &status) => listener,
        () = shutdown.wait() => return,
    };
    let (admission, probes) = (Admission::connections(ingress), Admission::probes());
    let (mut connections, mut told) = (JoinSet::new(), false);
    // Nothing is sent: it ends when the last sender is gone.
    let (open, mut ended) = mpsc::channel::<()>(1);
    loop {
        tokio::select! {
            () = shutdown.wait() => break,
            // Removes finished connections from the set.
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                // The date in the head of an answer cannot be written.
                Ok(_) if !clock::is_within_http_dates() => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::error!("the page is not served: this device's clock is before 1970 or after 9999; set it");
                    }
                }
                Ok((stream, peer)) => {
                    let place = admission.admit(peer.ip()).map(|place| (place, Admitted::ForAll));
                    match place.or_else(|| probes.admit(peer.ip()).map(|place| (place, Admitted::ToProbe))) {
                        Some((place, admitted)) => {
                            let held = Held { _place: Arc::new(place), _open: open.clone() };
                            connections.spawn(connection(stream, peer, router.clone(), (held, admitted), shutdown.clone()));
                        }
                        // The connection is new, so its send window has room for a hundred bytes.
                        None => drop(stream.try_write(FULL)),
                    }
                }
                // Either the file descriptors are exhausted, until other connections close, or the client has
                // disconnected.
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop((listener, open));
    status.listening.store(false, Ordering::Relaxed);
    let finish = async {
        while connections.join_next().await.is_some() {}
        let _ = ended.recv().await;
    };
    // Unfinished connections are cut off when the set is dropped.
    let _ = timeout(FINISH_WITHIN, finish).await;
}

/// Retries until it succeeds, because another program may hold the port for a while.
async fn listen(address: SocketAddr, status: &Status) -> TcpListener {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    let mut tries = 0u64;
    loop {
        match bind(address) {
            Ok(listener) => {
                let address = listener.local_addr().unwrap_or(address);
                tracing::info!("the web page is at http://{address}/");
                status.set_address(address);
                status.listening.store(true, Ordering::Relaxed);
                return listener;
            }
            Err(error) => {
                tries += 1;
                // The port may be in use all night.
                if is_logged(tries) {
                    let cause = explain(&error);
                    tracing::warn!(%address, cause, tries, "the web page cannot be served; trying again");
                }
                sleep(backoff.next_wait(fastrand::f64())).await;
            }
        }
    }
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of the previous process may still be in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES as u32)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn explain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "another program listens there; choose another port for `listen` in [http], or end that program".into()
        }
        std::io::ErrorKind::AddrNotAvailable => "this machine does not have that address (yet)".into(),
        std::io::ErrorKind::PermissionDenied => "ports below 1024 are not for this user".into(),
        _ => error.to_string(),
    }
}

fn ask_whether_it_is_there(stream: &TcpStream) -> rustix::io::Result<()> {
    sockopt::set_tcp_user_timeout(stream, ACKNOWLEDGED_WITHIN.as_millis() as u32)?;
    sockopt::set_tcp_keepidle(stream, ASKED_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, ASKED_EVERY)?;
    sockopt::set_tcp_keepcnt(stream, ASKED_TIMES)?;
    sockopt::set_socket_keepalive(stream, true)
}

/// What a connection holds until it ends; a WebSocket outlives the HTTP connection that it began as.
#[derive(Debug, Clone)]
pub(super) struct Held {
    _place: Arc<Place>,
    /// The server waits for all of these at the stop.
    _open: mpsc::Sender<()>,
}

/// What a connection may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admitted {
    ForAll,
    /// Whether the daemon is alive, while all other places are taken.
    ToProbe,
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    (held, admitted): (Held, Admitted),
    shutdown: Shutdown,
) {
    // Frames are written as a whole; Nagle's algorithm would delay their ends.
    let _ = stream.set_nodelay(true);
    let _ = ask_whether_it_is_there(&stream);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (router, held) = (router.clone(), held.clone());
        async move {
            if admitted == Admitted::ToProbe && !PROBES.contains(&request.uri().path()) {
                return Ok(full());
            }
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(held);
            TowerToHyperService::new(router).call(request).await
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(admitted == Admitted::ForAll)
        .header_read_timeout(if admitted == Admitted::ForAll { HEAD_WITHIN } else { PROBE_WITHIN })
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_BUFFER_BYTES)
        .serve_connection(TokioIo::new(Connection::new(stream)), service)
        .with_upgrades();
    let mut serving = std::pin::pin!(serving);
    let result = tokio::select! {
        result = serving.as_mut() => result,
        () = shutdown.wait() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a client's connection has ended");
    }
}

/// There is no place for the request.
fn full() -> Response {
    Problem::later(StatusCode::SERVICE_UNAVAILABLE, 5, "too many connections").into_response()
}
