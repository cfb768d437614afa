//! Small pictures of the last changes of labels, in memory alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use axum::body::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Notify;

use glimpsed_base::budget;
use glimpsed_base::sync::Mutex;
use glimpsed_core::bus::hub::Sink;
use glimpsed_core::domain::event::Event;
use glimpsed_core::domain::layout::Layout;
use glimpsed_core::domain::moment::Moment;
use glimpsed_core::domain::name::Name;
use glimpsed_core::payload::picture;
use glimpsed_core::preprocess::encode::PictureError;

/// Frames that wait to be made small. Where labels change faster, the oldest change has no picture.
const MAX_WAITING: usize = 2;

/// What they take together; a single one may have more.
const MAX_WAITING_BYTES: usize = 2 << 20;

/// The longer sides that are tried, in pixels, until the picture is small enough.
const SIDES: [usize; 3] = [320, 240, 160];

/// Shared between the hub, whose events it receives, the task that makes the pictures, and the web server.
#[derive(Clone, Default)]
pub(super) struct Remembered(Arc<Inner>);

#[derive(Default)]
struct Inner {
    store: Mutex<Store>,
    arrived: Notify,
}

#[derive(Default)]
struct Store {
    /// How many pictures are kept.
    most: usize,
    waiting: VecDeque<Arc<Moment>>,
    /// Oldest first.
    pictures: VecDeque<Picture>,
}

struct Picture {
    view: Name,
    since: Timestamp,
    jpeg: Bytes,
}

impl Store {
    fn keep(&mut self, picture: Picture) {
        self.pictures.push_back(picture);
        self.forget_surplus();
    }

    /// The newest always waits.
    fn bound_waiting(&mut self) {
        let bytes = |waiting: &VecDeque<Arc<Moment>>| waiting.iter().map(|one| one.frame.bytes.len()).sum::<usize>();
        while self.waiting.len() > MAX_WAITING || (self.waiting.len() > 1 && bytes(&self.waiting) > MAX_WAITING_BYTES) {
            let Some(index) = surplus(self.waiting.iter().map(|one| &one.view)) else { break };
            self.waiting.remove(index);
        }
    }

    fn forget_surplus(&mut self) {
        while self.pictures.len() > self.most {
            let Some(index) = surplus(self.pictures.iter().map(|one| &one.view)) else { break };
            self.pictures.remove(index);
        }
        if self.most == 0 {
            self.waiting.clear();
        }
    }
}

/// The oldest of the view that has the most of them, so that a lively view drives out its own. Of several such views, the oldest.
fn surplus<'a>(mut views: impl Iterator<Item = &'a Name> + Clone) -> Option<usize> {
    let mut counts = BTreeMap::<&Name, usize>::new();
    for view in views.clone() {
        *counts.entry(view).or_default() += 1;
    }
    let most = counts.values().max()?;
    views.position(|view| counts.get(view) == Some(most))
}

impl Remembered {
    /// Keeps so many pictures from now on; with none, those that are there are forgotten.
    pub(super) fn keep(&self, most: usize) {
        let mut store = self.0.store.lock();
        store.most = most;
        store.forget_surplus();
    }

    /// The picture of the change of a view at this time.
    pub(super) fn picture(&self, view: &Name, since: Timestamp) -> Option<Bytes> {
        let store = self.0.store.lock();
        let picture = store.pictures.iter().rev().find(|one| one.view == *view && one.since == since);
        picture.map(|one| one.jpeg.clone())
    }

    /// The times of the changes of a view that have a picture, oldest first.
    pub(super) fn times(&self, view: &Name) -> Value {
        let store = self.0.store.lock();
        let times = store.pictures.iter().filter(|one| one.view == *view).map(|one| one.since.to_string());
        json!(times.collect::<Vec<_>>())
    }

    async fn next(&self) -> Arc<Moment> {
        loop {
            if let Some(moment) = self.0.store.lock().waiting.pop_front() {
                return moment;
            }
            self.0.arrived.notified().await;
        }
    }

    fn arrange(&self, layout: &Layout) {
        let mut store = self.0.store.lock();
        store.pictures.retain(|one| layout.view(&one.view).is_some());
        store.waiting.retain(|one| layout.view(&one.view).is_some());
    }
}

impl Sink for Remembered {
    fn publish(&mut self, event: &Event) {
        match event {
            Event::Layout(layout) => self.arrange(layout),
            Event::Moment(moment) => {
                let mut store = self.0.store.lock();
                if store.most > 0 {
                    store.waiting.push_back(moment.clone());
                    store.bound_waiting();
                    self.0.arrived.notify_one();
                }
            }
            _ => {}
        }
    }
}

/// Makes pictures of the moments, one after another, and tells which there are of a view.
pub(super) async fn develop(remembered: Remembered, tell: impl Fn(&Name, &Value)) {
    loop {
        let moment = remembered.next().await;
        let (view, since) = (moment.view.clone(), moment.since);
        match picture::in_turn(move || small(&moment)).await {
            Ok(Ok(Some(jpeg))) => {
                remembered.0.store.lock().keep(Picture { view: view.clone(), since, jpeg: jpeg.into() });
                tell(&view, &remembered.times(&view));
            }
            Ok(Ok(None)) => tracing::debug!(view = view.given(), "the picture of a change has too many bytes"),
            Ok(Err(cause)) => tracing::debug!(%cause, view = view.given(), "no picture of a change"),
            Err(error) => tracing::warn!(%error, "making a picture of a change panicked"),
        }
    }
}

/// What the view has seen, in few bytes.
///
/// # Errors
/// When the frame is no picture. `None` if it takes too many bytes even when it is small.
fn small(moment: &Moment) -> Result<Option<Vec<u8>>, PictureError> {
    for side in SIDES {
        let jpeg = picture::of_view(moment.frame.encoding, &moment.frame.bytes, moment.framing, side)?;
        if jpeg.len() <= budget::REMEMBERED_PICTURE {
            return Ok(Some(jpeg));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use glimpsed_core::domain::frame::{Encoding, Frame, RawFormat};
    use glimpsed_core::domain::framing::{Framing, Region};
    use glimpsed_core::domain::layout::ViewEntry;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn moment(view: &Name, second: i64, bytes: Vec<u8>, side: u32) -> Event {
        let format = RawFormat::Rgb;
        let encoding =
            Encoding::Raw { format, range: glimpsed_core::domain::frame::Range::Full, width: side, height: side };
        let frame = Frame::from_bytes(encoding, bytes);
        Event::Moment(Arc::new(Moment { view: view.clone(), since: at(second), frame, framing: Framing::default() }))
    }

    fn picture(view: &Name, second: i64) -> Picture {
        Picture { view: view.clone(), since: at(second), jpeg: Bytes::from_static(b"a picture") }
    }

    #[test]
    fn the_newest_pictures_are_kept_and_none_where_none_may_be() {
        let remembered = Remembered::default();
        remembered.keep(3);
        for second in 0..5 {
            remembered.0.store.lock().keep(picture(&Name::ONLY, second));
        }
        assert_eq!(remembered.picture(&Name::ONLY, at(1)), None);
        assert!(remembered.picture(&Name::ONLY, at(2)).is_some());
        assert!(remembered.picture(&Name::new("other"), at(2)).is_none());
        assert_eq!(remembered.times(&Name::ONLY).as_array().map(Vec::len), Some(3));
        remembered.keep(0);
        assert_eq!(remembered.times(&Name::ONLY), json!([]));
        remembered.clone().publish(&moment(&Name::ONLY, 7, Vec::new(), 1));
        assert!(remembered.0.store.lock().waiting.is_empty());
    }

    #[test]
    fn few_frames_wait_and_those_of_a_view_that_is_gone_are_dropped() {
        let mut remembered = Remembered::default();
        remembered.keep(10);
        let other = Name::new("other");
        remembered.0.store.lock().keep(picture(&other, 1));
        for second in 0..5 {
            remembered.publish(&moment(&Name::ONLY, second, Vec::new(), 1));
        }
        let waiting: Vec<Timestamp> = remembered.0.store.lock().waiting.iter().map(|one| one.since).collect();
        assert_eq!(waiting, [at(3), at(4)]);
        let view = ViewEntry { name: Name::ONLY, title: String::new(), camera: Name::ONLY, region: Region::default() };
        let layout = Layout { cameras: vec![Name::ONLY], views: vec![view] };
        remembered.publish(&Event::Layout(Arc::new(layout)));
        assert_eq!(remembered.times(&other), json!([]));
    }

    #[test]
    fn a_lively_view_drives_out_its_own_pictures_and_no_others() {
        let (mut remembered, calm, lively) = (Remembered::default(), Name::new("calm"), Name::new("lively"));
        remembered.keep(4);
        for (view, second) in [(&calm, 0), (&lively, 1), (&calm, 2), (&lively, 3), (&lively, 4), (&lively, 5)] {
            remembered.0.store.lock().keep(picture(view, second));
        }
        let are =
            |remembered: &Remembered| [&calm, &lively].map(|view| remembered.times(view).as_array().map(Vec::len));
        assert_eq!(are(&remembered), [Some(2), Some(2)]);
        assert!(remembered.picture(&calm, at(0)).is_some() && remembered.picture(&lively, at(5)).is_some());
        remembered.keep(1);
        assert_eq!(are(&remembered), [Some(0), Some(1)], "the newest");
        for (view, second) in [(&calm, 6), (&lively, 7), (&lively, 8), (&lively, 9)] {
            remembered.publish(&moment(view, second, Vec::new(), 1));
        }
        let store = remembered.0.store.lock();
        assert_eq!(store.waiting.iter().map(|one| one.since).collect::<Vec<_>>(), [at(6), at(9)]);
    }

    #[test]
    fn a_picture_is_made_smaller_until_it_has_few_enough_bytes() {
        let mut random = fastrand::Rng::with_seed(3);
        let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(400 * 400 * 3).collect();
        let Event::Moment(moment) = moment(&Name::ONLY, 0, noise, 400) else { panic!("a moment") };
        let jpeg = small(&moment).expect("a picture").expect("few enough bytes");
        assert!(jpeg.len() <= budget::REMEMBERED_PICTURE, "{}", jpeg.len());
        let side = image::load_from_memory(&jpeg).expect("a picture").width();
        assert!(side < 320, "{side}");
    }
}
