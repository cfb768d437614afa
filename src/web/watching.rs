//! The pictures that a page watches: what it wants, how far each is fulfilled, and how often one may be sent.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{pending, select_all};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::pictures::{Picture, Pictures, Receiver};

/// Pictures of a subscription that may be under way. Two, so that the line is not idle while one is drawn.
pub(super) const MAX_CREDIT: u8 = 2;

/// How often a page gets pictures for which there is no place.
pub(super) const SLOW_EVERY: Duration = Duration::from_secs(2);

/// A picture that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Subscription {
    /// Name of the camera.
    pub(super) camera: String,
    /// Width in pixels that it is shown in; the picture has the next larger one of a few.
    pub(super) width: u32,
}

pub(super) struct Watching {
    tiles: Vec<Tile>,
    /// Among the viewers who get pictures as fast as they draw them. Without one they come slowly.
    place: Option<OwnedSemaphorePermit>,
    places: Arc<Semaphore>,
    /// When the next pictures may be sent without a place.
    next_turn: Instant,
}

/// A subscription, and how far it is fulfilled.
struct Tile {
    width: u32,
    camera: Arc<Pictures>,
    credit: u8,
    /// Number of the last frame that was sent.
    sent: Option<u64>,
    /// There while a picture may be sent: without a receiver nothing is encoded.
    pictures: Option<Receiver>,
}

impl Watching {
    pub(super) fn new(places: Arc<Semaphore>) -> Self {
        Self { tiles: Vec::new(), place: None, places, next_turn: Instant::now() }
    }

    /// These from now on; of each, `credit` pictures may be sent before one is drawn.
    pub(super) fn want(&mut self, wanted: Vec<(Subscription, Arc<Pictures>)>, credit: u8) {
        let tile = |(subscription, camera): (Subscription, _)| Tile {
            width: subscription.width,
            camera,
            credit,
            sent: None,
            pictures: None,
        };
        self.tiles = wanted.into_iter().map(tile).collect();
        if self.tiles.is_empty() {
            self.place = None;
            return;
        }
        self.look_for_a_place();
        if !self.is_slow() || Instant::now() >= self.next_turn {
            self.take_turn();
        }
    }

    /// A picture was drawn, and the next may come.
    pub(super) fn drawn(&mut self, index: usize) {
        let is_slow = self.is_slow();
        // The subscription may have been replaced since.
        if let Some(tile) = self.tiles.get_mut(index) {
            tile.credit = (tile.credit + 1).min(MAX_CREDIT);
            if !is_slow {
                tile.subscribe();
            }
        }
    }

    /// Whether pictures are wanted, and there is no place for one more viewer.
    pub(super) fn is_slow(&self) -> bool {
        self.place.is_none() && !self.tiles.is_empty()
    }

    /// The next picture as [`Self::newest`], or `None` when a page without a place may have its turn.
    pub(super) async fn next(&mut self) -> Option<(usize, Option<Arc<Picture>>)> {
        let turn = self.is_slow().then_some(self.next_turn);
        tokio::select! {
            newest = self.newest() => Some(newest),
            () = until(turn) => None,
        }
    }

    /// Looks for a place, and lets the next pictures come with or without.
    pub(super) fn take_turn(&mut self) {
        self.look_for_a_place();
        self.next_turn = Instant::now() + SLOW_EVERY;
        self.tiles.iter_mut().filter(|tile| tile.credit > 0).for_each(Tile::subscribe);
    }

    fn look_for_a_place(&mut self) {
        if self.is_slow() {
            self.place = self.places.clone().try_acquire_owned().ok();
        }
    }

    /// The next picture of a subscription that may have one. Never resolves while there is none.
    pub(super) async fn newest(&mut self) -> (usize, Option<Arc<Picture>>) {
        let waiting: Vec<_> = self
            .tiles
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

    /// As [`Self::newest`], once there is one.
    pub(super) async fn first(&mut self) -> (usize, Arc<Picture>) {
        loop {
            if let (index, Some(picture)) = self.newest().await {
                return (index, picture);
            }
        }
    }

    /// The picture, if it is to be sent: after a new subscription the first can be the one that was sent last.
    pub(super) fn sent(&mut self, index: usize, picture: Option<Arc<Picture>>) -> Option<Arc<Picture>> {
        let is_slow = self.is_slow();
        let tile = self.tiles.get_mut(index)?;
        let picture = picture.filter(|picture| tile.sent != Some(picture.seq))?;
        tile.sent = Some(picture.seq);
        tile.credit -= 1;
        if tile.credit == 0 || is_slow {
            tile.pictures = None;
        }
        Some(picture)
    }
}

async fn until(turn: Option<Instant>) {
    match turn {
        Some(turn) => sleep_until(turn).await,
        None => pending().await,
    }
}

impl Tile {
    fn subscribe(&mut self) {
        if self.pictures.is_none() {
            self.pictures = Some(self.camera.subscribe(Pictures::at_least(self.width)));
        }
    }
}
