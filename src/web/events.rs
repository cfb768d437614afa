//! Server-sent events: the current state, followed by every change.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{interval, timeout};

use super::guard::Admission;
use super::live_state::{About, Message};
use super::problem::Problem;
use super::site::Site;
use crate::payload::health_json;

/// Interval of the keep-alives, because proxies and browsers drop a silent connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Interval of the health events while there is a listener.
const VITALS_EVERY: Duration = Duration::from_secs(2);

/// How long a browser waits before it reconnects.
const RETRY: &str = "retry: 2000\n\n";

struct Listener {
    /// Messages of the current state, sent before any event.
    first: VecDeque<Bytes>,
    messages: Receiver<Message>,
    site: Arc<Site>,
    admission: Admission,
    _permit: OwnedSemaphorePermit,
}

pub(super) async fn events(
    State(site): State<Arc<Site>>,
    Extension(admission): Extension<Admission>,
) -> Result<Response, Problem> {
    let permit = site.events.clone().try_acquire_owned();
    let _permit = permit.map_err(|_| Problem::later(StatusCode::SERVICE_UNAVAILABLE, 10, "too many listen already"))?;
    // Subscribes before it takes the state, so that no event is missed in between.
    let messages = site.parts.view.listen();
    let mut first: VecDeque<Bytes> = everything(&site).collect();
    first.push_front(RETRY.into());
    let listener = Listener { first, messages, site, admission, _permit };
    let body = Body::from_stream(stream::unfold(listener, next));
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, [("x-accel-buffering", "no")], body).into_response())
}

async fn next(mut listener: Listener) -> Option<(Result<Bytes, std::convert::Infallible>, Listener)> {
    if let Some(message) = listener.first.pop_front() {
        return Some((Ok(message), listener));
    }
    let message = tokio::select! {
        () = listener.site.shutdown.wait() => return None,
        message = timeout(KEEP_ALIVE, listener.messages.recv()) => message,
    };
    // A logout ends what its session has opened.
    if !listener.admission.holds(&listener.site) {
        return None;
    }
    let bytes = match message {
        Err(_) => Bytes::from_static(b":\n\n"),
        Ok(Ok(message)) => framed(&message),
        // The client was too slow and missed events, so it is sent the current state again.
        Ok(Err(RecvError::Lagged(_))) => {
            listener.first = everything(&listener.site).collect();
            listener.first.pop_front()?
        }
        Ok(Err(RecvError::Closed)) => return None,
    };
    Some((Ok(bytes), listener))
}

/// Tells how the daemon is while somebody listens.
pub(super) async fn vitals(site: Arc<Site>) {
    let mut looks = interval(VITALS_EVERY);
    loop {
        looks.tick().await;
        if site.parts.view.listeners() > 0 {
            site.parts.view.tell("vitals", &health_json(&site.parts.look()));
        }
    }
}

fn everything(site: &Site) -> impl Iterator<Item = Bytes> {
    current(site).into_iter().map(|message| framed(&message))
}

/// The current state, as a series of messages.
pub(super) fn current(site: &Site) -> Vec<Message> {
    let mut messages = site.parts.view.everything();
    let data = site.parts.downloads.json().to_string().into();
    messages.push(Message { name: "download", about: About::Device, data });
    let data = health_json(&site.parts.look()).to_string().into();
    messages.push(Message { name: "vitals", about: About::Device, data });
    messages
}

/// One server-sent event.
fn framed(Message { name, data, .. }: &Message) -> Bytes {
    format!("event: {name}\ndata: {data}\n\n").into()
}
