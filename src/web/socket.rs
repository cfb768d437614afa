//! The page's one connection: a WebSocket for events and pictures. Browsers give a server six connections, and do not count this one.
//!
//! Down, as text: `{"event": NAME, "data": ...}`, the events of [`super::events`]. Down, as binary: the index of the subscription that the picture
//! is for (one byte), when it was captured (milliseconds since 1970, eight bytes, big-endian), and a JPEG.
//!
//! Up, as text: `{"want": [{"camera": "main", "width": 640}]}` says which pictures are wanted from now on; `{"drawn": 0}` that one of a subscription
//! was drawn, and the next may come. So a slow line lowers the rate, and a page that is hidden wants nothing and costs nothing. The address
//! itself can ask for a small first picture (`?picture=160`), which saves a way there and back.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until, timeout};

use super::guard::Admission;
use super::message::{self, About};
use super::pictures::Picture;
use super::problem::Problem;
use super::server::Held;
use super::site::Site;
use super::watching::{MAX_CREDIT, SLOW_EVERY, Subscription, Watching};
use super::{events, stream};
use glimpsed_base::{budget, leaving};

/// Pictures of how many cameras a page can want at once.
const MAX_SUBSCRIPTIONS: usize = 17;

/// A page says something that often at most: 30 pictures a second of each subscription, and what people do.
const MAX_MESSAGES: u32 = 600;
const WITHIN: Duration = Duration::from_secs(1);

/// Interval of the pings, and the longest silence of a browser that answers them.
const PING_EVERY: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_secs(40);

/// So long what is seen later waits for the first picture.
const FIRST_WITHIN: Duration = Duration::from_millis(500);

/// Deadline for the browser to take a message, a picture included.
const SENDS_WITHIN: Duration = Duration::from_secs(20);

/// What a page says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "LiveRequest")]
pub(super) enum Said {
    /// The pictures that are wanted from now on; none for a page that is hidden or paused.
    Want(Vec<Subscription>),
    /// A picture of the subscription with this index was drawn: the next may come.
    Drawn(usize),
}

/// What the page asks for with the connection itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    /// The width of a first picture of the first camera, which comes before what is shown later.
    picture: Option<u32>,
}

pub(super) async fn live(
    State(site): State<Arc<Site>>,
    Extension(held): Extension<Held>,
    Extension(admission): Extension<Admission>,
    options: Result<Query<Options>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let (Query(Options { picture }), upgrade) = (options?, upgrade?);
    let permit = site.pages.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Problem::later(StatusCode::SERVICE_UNAVAILABLE, 10, "too many pages are open"))?;
    let upgrade = upgrade.max_message_size(budget::SOCKET_MESSAGE).max_frame_size(budget::SOCKET_MESSAGE);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let (_permit, _held) = (permit, held);
        let mut connection = Connection {
            socket,
            watching: Watching::new(site.streams.clone()),
            told_slow: false,
            site,
            admission,
            told: (Instant::now(), 0),
            heard: Instant::now(),
        };
        // Whatever ends it, the page connects again.
        let _ = connection.run(picture).await;
    }))
}

/// The other side is gone, too slow, or breaks the rules.
struct Ended;

struct Connection {
    socket: WebSocket,
    site: Arc<Site>,
    admission: Admission,
    watching: Watching,
    /// Whether the page was told that its pictures come slowly.
    told_slow: bool,
    /// When the current second of messages began, and how many there were.
    told: (Instant, u32),
    heard: Instant,
}

/// What the connection does next.
enum Next {
    Said(Option<Result<Message, axum::Error>>),
    Event(Result<message::Message, RecvError>),
    Picture(Option<(usize, Option<Arc<Picture>>)>),
    Ping,
    Stop,
}

impl Connection {
    async fn run(&mut self, picture: Option<u32>) -> Result<(), Ended> {
        // Subscribes before it takes the state, so that no event is missed in between.
        let mut messages = self.site.parts.view.listen();
        self.begin(picture).await?;
        let mut ping = Instant::now() + PING_EVERY;
        let shutdown = self.site.shutdown.clone();
        loop {
            let next = tokio::select! {
                () = shutdown.wait() => Next::Stop,
                said = self.socket.recv() => Next::Said(said),
                message = messages.recv() => Next::Event(message),
                next = self.watching.next() => Next::Picture(next),
                () = sleep_until(ping) => Next::Ping,
            };
            match next {
                Next::Said(None | Some(Err(_))) => return Ok(()),
                Next::Said(Some(Ok(message))) => self.hear(message).await?,
                // The health is told every two seconds, so a session that has ended is noticed soon.
                Next::Event(Ok(message)) if message.name == "vitals" && !self.admission.holds(&self.site) => {
                    return self.close(close_code::POLICY, "the session has ended").await;
                }
                Next::Event(Ok(message)) => self.tell(&message).await?,
                // The page was too slow and missed events, so it is sent the current state again.
                Next::Event(Err(RecvError::Lagged(_))) => self.begin(None).await?,
                Next::Event(Err(RecvError::Closed)) => return Ok(()),
                Next::Picture(Some((index, picture))) => self.show(index, picture).await?,
                Next::Picture(None) => {
                    self.watching.take_turn();
                    self.tell_pace().await?;
                }
                Next::Ping if self.heard.elapsed() > SILENCE => return Ok(()),
                Next::Ping => {
                    ping = Instant::now() + PING_EVERY;
                    self.send(Message::Ping(Bytes::new())).await?;
                }
                Next::Stop => return self.close(close_code::AWAY, "the daemon is stopping").await,
            }
        }
    }

    async fn hear(&mut self, message: Message) -> Result<(), Ended> {
        self.heard = Instant::now();
        if self.told.0.elapsed() > WITHIN {
            self.told = (self.heard, 0);
        }
        self.told.1 += 1;
        if self.told.1 > MAX_MESSAGES {
            self.close(close_code::POLICY, "too many messages").await?;
            return Err(Ended);
        }
        let text = match message {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(Ended),
            Message::Binary(_) => return self.refuse("a message is text").await,
        };
        match serde_json::from_str(&text) {
            Ok(Said::Want(subscriptions)) => self.want(subscriptions, MAX_CREDIT).await,
            Ok(Said::Drawn(index)) => {
                self.watching.drawn(index);
                Ok(())
            }
            Err(error) => self.refuse(&format!("the message cannot be read: {error}")).await,
        }
    }

    async fn want(&mut self, subscriptions: Vec<Subscription>, credit: u8) -> Result<(), Ended> {
        if subscriptions.len() > MAX_SUBSCRIPTIONS {
            return self.refuse(&format!("at most {MAX_SUBSCRIPTIONS} pictures can be wanted at once")).await;
        }
        let layout = self.site.parts.view.layout();
        let (mut wanted, mut unknown) = (Vec::new(), None);
        for subscription in subscriptions {
            let pictures = layout.camera_called(&subscription.camera).and_then(|camera| self.site.pictures.of(camera));
            if pictures.is_none() {
                unknown = Some(leaving::short_line(&subscription.camera, 64).into_owned());
            }
            // A camera can go while its page asks for it. The others keep their places.
            wanted.push((subscription, pictures.unwrap_or_else(|| self.site.pictures.none())));
        }
        if let Some(camera) = unknown {
            self.tell_refusal("unknown", &format!("there is no camera `{camera}`")).await?;
        }
        let refused = stream::allowed(&self.site).err().filter(|_| !wanted.is_empty());
        self.watching.want(if refused.is_some() { Vec::new() } else { wanted }, credit);
        if let Some(problem) = refused {
            self.tell_refusal("forbidden", &problem.detail).await?;
        }
        self.tell_pace().await
    }

    /// Tells the page once that its pictures come slowly, and once that they do no more.
    async fn tell_pace(&mut self) -> Result<(), Ended> {
        let is_slow = self.watching.is_slow();
        if std::mem::replace(&mut self.told_slow, is_slow) == is_slow {
            return Ok(());
        }
        let watching = self.site.settings.max_clients.saturating_sub(self.site.streams.available_permits());
        let every = is_slow.then_some(SLOW_EVERY.as_secs());
        let data = serde_json::json!({ "watching": watching, "every_s": every });
        self.tell(&message::message(About::Device, "crowd", &data)).await
    }

    async fn show(&mut self, index: usize, picture: Option<Arc<Picture>>) -> Result<(), Ended> {
        let Some(picture) = self.watching.sent(index, picture) else { return Ok(()) };
        let mut bytes = Vec::with_capacity(9 + picture.jpeg.len());
        bytes.push(index as u8);
        bytes.extend(picture.wall.as_millisecond().to_be_bytes());
        bytes.extend_from_slice(&picture.jpeg);
        self.send(Message::Binary(bytes.into())).await
    }

    /// What is seen first, a picture, if one is wanted and comes soon, and the rest.
    async fn begin(&mut self, picture: Option<u32>) -> Result<(), Ended> {
        let [first, rest] = events::current(&self.site);
        for message in first {
            self.tell(&message).await?;
        }
        if let Some(width) = picture {
            let layout = self.site.parts.view.layout();
            let camera = layout.views.first().map(|view| view.camera.to_string());
            let subscription = camera.map(|camera| Subscription { camera, width });
            self.want(subscription.into_iter().collect(), 1).await?;
            if let Ok((index, picture)) = timeout(FIRST_WITHIN, self.watching.first()).await {
                self.show(index, Some(picture)).await?;
            }
        }
        for message in rest {
            self.tell(&message).await?;
        }
        Ok(())
    }

    async fn tell(&mut self, message: &message::Message) -> Result<(), Ended> {
        let text = message.whole(&self.site.parts.view.layout());
        self.send(Message::Text(text.into())).await
    }

    /// Pictures that were wanted do not come.
    async fn tell_refusal(&mut self, reason: &str, detail: &str) -> Result<(), Ended> {
        let data = serde_json::json!({ "reason": reason, "detail": detail });
        self.tell(&message::message(About::Device, "refused", &data)).await
    }

    /// The message is none of the protocol: the page is of a newer or an older version, or no page of ours.
    async fn refuse(&mut self, why: &str) -> Result<(), Ended> {
        self.close(close_code::UNSUPPORTED, why).await?;
        Err(Ended)
    }

    async fn close(&mut self, code: u16, why: &str) -> Result<(), Ended> {
        // A reason has at most 123 bytes.
        let reason = Utf8Bytes::from(&why[..why.floor_char_boundary(120)]);
        self.send(Message::Close(Some(CloseFrame { code, reason }))).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Ended> {
        match timeout(SENDS_WITHIN, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Ended),
        }
    }
}
