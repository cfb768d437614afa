//! The live picture for viewers, in a few widths: each newest frame is encoded once for each width that somebody waits for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Bytes;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use glimpsed_base::sync::Mutex;
use glimpsed_core::bus::preview::Offered;
use glimpsed_core::capture::registry::{Registered, Registry};
use glimpsed_core::domain::frame::Encoding;
use glimpsed_core::domain::framing::Rotation;
use glimpsed_core::domain::name::Name;
use glimpsed_core::payload::picture;
use glimpsed_core::preprocess::encode::PictureError;
use glimpsed_jpeg::decoder::Decoder;
use glimpsed_jpeg::huffman;

/// Shortest time between two pictures: 30 per second.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(33);

/// How often it is looked whether somebody still watches, while no frame comes.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Limit for unchanged frames. Larger ones are downscaled, because each viewer receives every byte.
const MAX_PASSED_BYTES: usize = 1 << 20;

/// The longer sides that pictures are encoded in, in pixels: for the first over a slow line, for a tile, for a phone, for a whole screen.
/// A frame that is a JPEG is passed on unchanged for the last.
const SIDES: [usize; 4] = [160, 320, 640, 1280];

/// The widest, for programs.
pub(super) const WIDEST: usize = SIDES.len() - 1;

/// A frame for the viewers.
#[derive(Debug)]
pub(super) struct Picture {
    pub seq: u64,
    /// When the frame was captured.
    pub wall: Timestamp,
    pub jpeg: Bytes,
    part: OnceLock<Bytes>,
}

impl Picture {
    /// As a part of a multipart stream.
    pub(super) fn part(&self) -> Bytes {
        let part = self.part.get_or_init(|| {
            let (Self { seq, wall, jpeg, .. }, length) = (self, self.jpeg.len());
            let head = format!(
                "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\nX-Frame: {seq}\r\nX-Timestamp: {wall}\r\n\r\n"
            );
            [head.as_bytes(), jpeg, b"\r\n"].concat().into()
        });
        part.clone()
    }
}

/// How many pictures were encoded, and how many of a camera's own were passed on, since the server started.
type Made = Arc<[AtomicU64; 2]>;

/// The pictures of all cameras, of each from when they are asked for first until the camera is removed.
pub(super) struct AllPictures {
    cameras: Registry,
    made: Made,
    known: Mutex<Vec<Known>>,
}

struct Known {
    camera: Registered,
    pictures: Arc<Pictures>,
    encoder: AbortHandle,
}

impl AllPictures {
    pub(super) fn new(cameras: Registry) -> Self {
        Self { cameras, made: Arc::default(), known: Mutex::default() }
    }

    /// The pictures of a camera, if there is that camera now.
    pub(super) fn of(&self, name: &Name) -> Option<Arc<Pictures>> {
        let mut known = self.known.lock();
        for removed in known.extract_if(.., |known| !self.cameras.has(&known.camera)) {
            removed.encoder.abort();
            removed.pictures.end();
        }
        if let Some(known) = known.iter().find(|known| known.camera.name == *name) {
            return Some(known.pictures.clone());
        }
        let camera = self.cameras.cameras().into_iter().find(|camera| camera.name == *name)?;
        let pictures = Arc::new(Pictures::new(self.made.clone()));
        let encoder = tokio::spawn(develop(pictures.clone(), camera.clone(), self.cameras.clone())).abort_handle();
        known.push(Known { camera, pictures: pictures.clone(), encoder });
        Some(pictures)
    }

    /// The pictures of a camera that is not there: none, until it is there and asked for again.
    pub(super) fn none(&self) -> Arc<Pictures> {
        Arc::new(Pictures::new(self.made.clone()))
    }

    /// See [`Made`].
    pub(super) fn made(&self) -> [u64; 2] {
        self.made.each_ref().map(|count| count.load(Ordering::Relaxed))
    }
}

/// The newest picture in each width. `None` when the camera is gone.
pub(super) struct Pictures {
    newest: [watch::Sender<Option<Arc<Picture>>>; SIDES.len()],
    /// Wakes the encoder when a viewer comes.
    watched: Notify,
    made: Made,
    is_removed: AtomicBool,
}

/// Receives pictures of one width. While nobody has one of a width, that is not encoded.
pub(super) type Receiver = watch::Receiver<Option<Arc<Picture>>>;

impl Pictures {
    fn new(made: Made) -> Self {
        Self { newest: Default::default(), watched: Notify::new(), made, is_removed: AtomicBool::new(false) }
    }

    /// The first value is the newest picture, if there is one already.
    pub(super) fn subscribe(&self, width: usize) -> Receiver {
        let mut pictures = self.newest[width.min(WIDEST)].subscribe();
        pictures.mark_changed();
        self.watched.notify_one();
        pictures
    }

    /// The smallest width that has at least so many pixels.
    pub(super) fn at_least(pixels: u32) -> usize {
        SIDES.iter().position(|side| *side >= pixels as usize).unwrap_or(WIDEST)
    }

    /// The camera was removed: who watches it is told.
    fn end(&self) {
        self.is_removed.store(true, Ordering::Relaxed);
        self.clear();
    }

    /// Without a picture until the next one comes.
    fn clear(&self) {
        for newest in &self.newest {
            newest.send_replace(None);
        }
    }

    /// Whether the camera was removed while somebody watched.
    pub(super) fn is_removed(&self) -> bool {
        self.is_removed.load(Ordering::Relaxed)
    }

    fn is_watched(&self) -> bool {
        self.newest.iter().any(|newest| newest.receiver_count() > 0)
    }
}

/// Waits while nobody watches; then makes pictures of each newest frame, one after another, until the camera is removed. Of a camera that
/// nobody watches then, [`AllPictures::of`] ends it.
async fn develop(pictures: Arc<Pictures>, camera: Registered, cameras: Registry) {
    loop {
        pictures.watched.notified().await;
        let mut viewer = camera.preview.watch();
        while pictures.is_watched() {
            if !cameras.has(&camera) {
                return pictures.end();
            }
            // Only the wait for a frame has a limit, so that viewers that leave meanwhile are noticed.
            if let Ok(frame) = timeout(LOOK_EVERY, viewer.next()).await {
                show(&pictures, frame).await;
                sleep(SHORTEST_INTERVAL).await;
            }
        }
        pictures.clear();
    }
}

async fn show(pictures: &Pictures, frame: Option<Arc<Offered>>) {
    for (newest, side) in pictures.newest.iter().zip(SIDES) {
        if newest.receiver_count() > 0 || frame.is_none() {
            let picture = match &frame {
                Some(frame) => picture_of(frame.clone(), side, &pictures.made).await,
                None => None,
            };
            newest.send_replace(picture.map(Arc::new));
        }
    }
}

async fn picture_of(frame: Arc<Offered>, side: usize, [encodes, passes]: &[AtomicU64; 2]) -> Option<Picture> {
    let (seq, wall) = (frame.seq, frame.wall);
    let fits = side == SIDES[WIDEST] || longer_side(&frame).is_some_and(|longer| longer <= side);
    let jpeg = match as_it_is(&frame).filter(|_| fits) {
        Some(jpeg) => {
            passes.fetch_add(1, Ordering::Relaxed);
            jpeg
        }
        None => match picture::in_turn(move || encoded(&frame, side)).await {
            Ok(Ok(jpeg)) => {
                encodes.fetch_add(1, Ordering::Relaxed);
                jpeg
            }
            // The inference thread fails on the same frame and logs it.
            Ok(Err(_)) | Err(_) => return None,
        },
    };
    Some(Picture { seq, wall, jpeg, part: OnceLock::new() })
}

/// The longer side of a JPEG in pixels, from its header.
fn longer_side(frame: &Offered) -> Option<usize> {
    if frame.encoding != Encoding::Jpeg {
        return None;
    }
    let header = Decoder::default().read(&frame.bytes).ok()?;
    Some(header.width.max(header.height))
}

/// The camera's JPEG, unless it is too large, lacks Huffman tables or is to be rotated.
fn as_it_is(frame: &Offered) -> Option<Bytes> {
    let fits =
        frame.encoding == Encoding::Jpeg && frame.rotation == Rotation::None && frame.bytes.len() <= MAX_PASSED_BYTES;
    let mut with_tables = Vec::new();
    let whole = fits && huffman::complete(&frame.bytes, &mut with_tables).len() == frame.bytes.len();
    whole.then(|| frame.bytes.clone())
}

fn encoded(frame: &Offered, side: usize) -> Result<Bytes, PictureError> {
    picture::of_view(frame.encoding, &frame.bytes, frame.rotation.into(), side).map(Bytes::from)
}
