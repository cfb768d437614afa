//! The page's one connection: a WebSocket for events and pictures. Browsers give a server six connections, and do not count this one.
//!
//! Down, as text: `{"event": NAME, "data": ...}`, the events of [`super::events`]. Down, as binary: the index of the subscription that the picture
//! is for (one byte), when it was captured (milliseconds since 1970, eight bytes, big-endian), and a JPEG.
//!
//! Up, as text: `{"want": [{"camera": "main", "width": 640}]}` says which pictures are wanted from now on; `{"drawn": 0}` that one of a subscription
//! was drawn, and the next may come. So a slow line lowers the rate, and a page that is hidden wants nothing and costs nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::future::{pending, select_all};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use super::guard::Admission;
use super::message::{self, About};
use super::pictures::{Picture, Pictures, Receiver};
use super::problem::Problem;
use super::server::Held;
use super::site::Site;
use super::{events, stream};
use glimpsed_base::budget;

/// Pictures of how many cameras a page can want at once.
const MAX_SUBSCRIPTIONS: usize = 16;

/// Pictures of a subscription that may be under way. Two, so that the line is not idle while one is drawn.
const MAX_CREDIT: u8 = 2;

/// A page says something that often at most: 30 pictures a second of each subscription, and what people do.
const MAX_MESSAGES: u32 = 600;
const WITHIN: Duration = Duration::from_secs(1);

/// Interval of the pings, and the longest silence of a browser that answers them.
const PING_EVERY: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_secs(40);

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

/// A picture that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Subscription {
    /// Name of the camera.
    camera: String,
    /// Width in pixels that it is shown in; the picture has the next larger one of a few.
    width: u32,
}

pub(super) async fn live(
    State(site): State<Arc<Site>>,
    Extension(held): Extension<Held>,
    Extension(admission): Extension<Admission>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade?;
    let permit = site.events.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Problem::later(StatusCode::SERVICE_UNAVAILABLE, 10, "too many listen already"))?;
    let upgrade = upgrade.max_message_size(budget::SOCKET_MESSAGE).max_frame_size(budget::SOCKET_MESSAGE);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let (_permit, _held) = (permit, held);
        let mut connection = Connection {
            socket,
            site,
            admission,
            tiles: Vec::new(),
            watching: None,
            told: (Instant::now(), 0),
            heard: Instant::now(),
        };
        // Whatever ends it, the page connects again.
        let _ = connection.run().await;
    }))
}

/// The other side is gone, too slow, or breaks the rules.
struct Ended;

struct Connection {
    socket: WebSocket,
    site: Arc<Site>,
    admission: Admission,
    tiles: Vec<Tile>,
    /// A place among the viewers of pictures, while any is wanted.
    watching: Option<OwnedSemaphorePermit>,
    /// When the current second of messages began, and how many there were.
    told: (Instant, u32),
    heard: Instant,
}

/// A subscription, and how far it is fulfilled.
struct Tile {
    subscription: Subscription,
    camera: Arc<Pictures>,
    credit: u8,
    /// Number of the last frame that was sent.
    sent: Option<u64>,
    /// There while there is credit: without a receiver nothing is encoded.
    pictures: Option<Receiver>,
}

/// What the connection does next.
enum Next {
    Said(Option<Result<Message, axum::Error>>),
    Event(Result<message::Message, RecvError>),
    Picture(usize, Option<Arc<Picture>>),
    Ping,
    Stop,
}

impl Connection {
    async fn run(&mut self) -> Result<(), Ended> {
        // Subscribes before it takes the state, so that no event is missed in between.
        let mut messages = self.site.parts.view.listen();
        self.tell_everything().await?;
        let mut ping = Instant::now() + PING_EVERY;
        let shutdown = self.site.shutdown.clone();
        loop {
            let next = tokio::select! {
                () = shutdown.wait() => Next::Stop,
                said = self.socket.recv() => Next::Said(said),
                message = messages.recv() => Next::Event(message),
                (index, picture) = newest(&mut self.tiles) => Next::Picture(index, picture),
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
                Next::Event(Err(RecvError::Lagged(_))) => self.tell_everything().await?,
                Next::Event(Err(RecvError::Closed)) => return Ok(()),
                Next::Picture(index, picture) => self.show(index, picture).await?,
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
            Ok(Said::Want(subscriptions)) => self.want(subscriptions).await,
            Ok(Said::Drawn(index)) => {
                // The subscription may have been replaced since.
                if let Some(tile) = self.tiles.get_mut(index) {
                    tile.credit = (tile.credit + 1).min(MAX_CREDIT);
                    tile.subscribe();
                }
                Ok(())
            }
            Err(error) => self.refuse(&format!("the message cannot be read: {error}")).await,
        }
    }

    async fn want(&mut self, subscriptions: Vec<Subscription>) -> Result<(), Ended> {
        if subscriptions.len() > MAX_SUBSCRIPTIONS {
            return self.refuse(&format!("at most {MAX_SUBSCRIPTIONS} pictures can be wanted at once")).await;
        }
        let layout = self.site.parts.view.layout();
        let mut wanted = Vec::new();
        for subscription in subscriptions {
            let pictures = layout.camera_called(&subscription.camera).and_then(|camera| self.site.pictures_of(camera));
            match pictures {
                Some(pictures) => wanted.push((subscription, pictures.clone())),
                None => return self.refuse(&format!("there is no camera `{}`", subscription.camera)).await,
            }
        }
        self.tiles.clear();
        if wanted.is_empty() {
            self.watching = None;
            return Ok(());
        }
        if let Err(problem) = stream::allowed(&self.site) {
            return self.tell_refusal("forbidden", &problem.detail).await;
        }
        if self.watching.is_none() {
            let Ok(permit) = Semaphore::try_acquire_owned(self.site.streams.clone()) else {
                return self.tell_refusal("crowded", "too many watch already").await;
            };
            self.watching = Some(permit);
        }
        self.tiles = wanted
            .into_iter()
            .map(|(subscription, camera)| {
                let mut tile = Tile { subscription, camera, credit: MAX_CREDIT, sent: None, pictures: None };
                tile.subscribe();
                tile
            })
            .collect();
        Ok(())
    }

    async fn show(&mut self, index: usize, picture: Option<Arc<Picture>>) -> Result<(), Ended> {
        let Some(tile) = self.tiles.get_mut(index) else { return Ok(()) };
        // After a new subscription the first picture can be the one that was sent last.
        let Some(picture) = picture.filter(|picture| tile.sent != Some(picture.seq)) else { return Ok(()) };
        tile.sent = Some(picture.seq);
        tile.credit -= 1;
        if tile.credit == 0 {
            tile.pictures = None;
        }
        let mut bytes = Vec::with_capacity(9 + picture.jpeg.len());
        bytes.push(index as u8);
        bytes.extend(picture.wall.as_millisecond().to_be_bytes());
        bytes.extend_from_slice(&picture.jpeg);
        self.send(Message::Binary(bytes.into())).await
    }

    async fn tell_everything(&mut self) -> Result<(), Ended> {
        for message in events::current(&self.site) {
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
        let data = serde_json::json!({ "reason": reason, "detail": detail }).to_string();
        self.tell(&message::Message { name: "refused", about: About::Device, data: data.into() }).await
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

impl Tile {
    fn subscribe(&mut self) {
        if self.pictures.is_none() {
            self.pictures = Some(self.camera.subscribe(Pictures::at_least(self.subscription.width)));
        }
    }
}

/// The next picture of a tile that may have one. Never resolves while there is none.
async fn newest(tiles: &mut [Tile]) -> (usize, Option<Arc<Picture>>) {
    let waiting: Vec<_> = tiles
        .iter_mut()
        .enumerate()
        .filter_map(|(index, tile)| Some((index, tile.pictures.as_mut()?)))
        .map(|(index, pictures)| {
            Box::pin(async move {
                // The sender lives as long as the site.
                let _ = pictures.changed().await;
                (index, pictures.borrow_and_update().clone())
            })
        })
        .collect();
    match waiting.is_empty() {
        true => pending().await,
        false => select_all(waiting).await.0,
    }
}
