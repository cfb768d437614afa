//! Server-sent events: the current state, followed by every change.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{interval, timeout};

use super::guard::Admission;
use super::message::{About, Message};
use super::problem::Problem;
use super::site::Site;
use glimpsed_core::domain::layout::ViewEntry;
use glimpsed_core::payload::health_json;

/// Interval of the keep-alives, because proxies and browsers drop a silent connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Interval of the health events while there is a listener.
const VITALS_EVERY: Duration = Duration::from_secs(2);

/// The events that say what is seen.
const SHOWN_FIRST: [&str; 8] =
    ["clock", "layout", "camera", "settings", "classification", "second", "state", "strange"];

/// How long a browser waits before it reconnects.
const RETRY: &str = "retry: 2000\n\n";

#[derive(Deserialize)]
pub(super) struct Options {
    /// The view whose events are wanted, with those of its camera and of the device; without it, those of all.
    view: Option<String>,
    /// Whether the data are an object that says which view and camera they are about, as on the WebSocket.
    #[serde(default)]
    whole: bool,
}

struct Listener {
    /// Messages of the current state, sent before any event.
    first: VecDeque<Bytes>,
    only: Option<ViewEntry>,
    whole: bool,
    messages: Receiver<Message>,
    site: Arc<Site>,
    admission: Admission,
    _permit: OwnedSemaphorePermit,
}

pub(super) async fn events(
    State(site): State<Arc<Site>>,
    Extension(admission): Extension<Admission>,
    options: Result<Query<Options>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Options { view, whole }) = options?;
    let layout = site.parts.view.layout();
    let only = match &view {
        None => None,
        Some(name) => match layout.view_called(name) {
            Some(view) => Some(view.clone()),
            None => return Err(Problem::new(StatusCode::NOT_FOUND, "there is no view of this name")),
        },
    };
    let permit = site.events.clone().try_acquire_owned();
    let _permit = permit.map_err(|_| Problem::later(StatusCode::SERVICE_UNAVAILABLE, 10, "too many listen already"))?;
    // Subscribes before it takes the state, so that no event is missed in between.
    let messages = site.parts.view.listen();
    let first = VecDeque::from([RETRY.into()]);
    let mut listener = Listener { first, only, whole, messages, site, admission, _permit };
    listener.begin();
    let body = Body::from_stream(stream::unfold(listener, next));
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, [("x-accel-buffering", "no")], body).into_response())
}

impl Listener {
    /// Sends the current state next.
    fn begin(&mut self) {
        let now: Vec<Bytes> = current(&self.site).iter().flatten().filter_map(|message| self.framed(message)).collect();
        self.first.extend(now);
    }

    /// One server-sent event; `None` if it is about something else than is wanted.
    fn framed(&self, message: &Message) -> Option<Bytes> {
        if self.only.as_ref().is_some_and(|view| !message.concerns(view)) {
            return None;
        }
        let name = message.name;
        Some(match self.whole {
            false => format!("event: {name}\ndata: {}\n\n", message.data).into(),
            true => format!("event: {name}\ndata: {}\n\n", message.whole(&self.site.parts.view.layout())).into(),
        })
    }
}

async fn next(mut listener: Listener) -> Option<(Result<Bytes, std::convert::Infallible>, Listener)> {
    loop {
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
        match message {
            Err(_) => listener.first.push_back(Bytes::from_static(b":\n\n")),
            Ok(Ok(message)) => listener.first.extend(listener.framed(&message)),
            // The client was too slow and missed events, so it is sent the current state again.
            Ok(Err(RecvError::Lagged(_))) => listener.begin(),
            Ok(Err(RecvError::Closed)) => return None,
        }
    }
}

/// Tells how the daemon is while somebody listens.
pub(super) async fn vitals(site: Arc<Site>) {
    let mut looks = interval(VITALS_EVERY);
    loop {
        looks.tick().await;
        if site.parts.view.listeners() > 0 {
            // Again and again, because either clock may be set.
            site.parts.view.tell_time();
            site.parts.view.tell("vitals", &health_json(&site.parts.look()));
        }
    }
}

/// The current state, as two series of messages: what a page shows first, and what it shows below, or in another place. After a day the
/// second can take seconds over a slow line.
pub(super) fn current(site: &Site) -> [Vec<Message>; 2] {
    let mut messages = site.parts.view.everything();
    let data = site.parts.downloads.json().to_string().into();
    messages.push(Message { name: "download", about: About::Device, data });
    let data = health_json(&site.parts.look()).to_string().into();
    messages.push(Message { name: "vitals", about: About::Device, data });
    let (first, rest) = messages.into_iter().partition(|message| SHOWN_FIRST.contains(&message.name));
    [first, rest]
}
