//! Frames that could not be told surely, kept in memory until somebody says what they show.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;

use super::kept::kept_below;
use super::report::UnsureReport;
use crate::domain::name::Name;
use glimpsed_base::sync::Mutex;
use glimpsed_teach::Vectors;

/// The most that are kept, of all views together; the oldest of the view that has most go first.
const MAX_FRAMES: usize = 64;

/// The largest picture, in bytes: the network looks at some 224x224 pixels of it.
const MOST_BYTES: usize = 30 << 10;

/// The longer side of a picture that had to be made smaller, in pixels.
const SIDE_PX: usize = 400;

/// One of them.
struct Frame {
    id: u64,
    view: Name,
    picture: Vec<u8>,
    vector: Vec<u8>,
    said: String,
    confidence: f32,
    at: Timestamp,
}

/// The newest of them, no two of a view alike. Its clones share them.
#[derive(Clone, Default)]
pub(super) struct Unsure(Arc<Mutex<Frames>>);

#[derive(Default)]
struct Frames {
    frames: VecDeque<Frame>,
    last: u64,
}

impl Unsure {
    /// Keeps a picture, unless one that is kept looks the same. Returns whether it was kept.
    pub(super) fn remember(&self, view: &Name, picture: &[u8], vector: &[f32], said: &str, confidence: f32) -> bool {
        let mut known = Vectors::new(vector.len());
        for frame in self.0.lock().frames.iter().filter(|frame| frame.view == *view) {
            // Those of another model may have another length.
            let _ = known.push_encoded(&frame.vector);
        }
        if known.has_copy(vector, |_| true) || known.push(vector).is_err() {
            return false;
        }
        let Ok(picture) = kept_below(picture, MOST_BYTES, SIDE_PX) else { return false };
        let vector = known.encoded(known.len() - 1).unwrap_or_default();
        let (view, said, at) = (view.clone(), said.to_owned(), Timestamp::now());
        let mut kept = self.0.lock();
        kept.last += 1;
        let id = kept.last;
        kept.frames.push_back(Frame { id, view, picture, vector, said, confidence, at });
        kept.make_room();
        true
    }

    pub(super) fn picture(&self, view: &Name, id: u64) -> Option<Vec<u8>> {
        let kept = self.0.lock();
        kept.frames.iter().find(|frame| frame.id == id && frame.view == *view).map(|frame| frame.picture.clone())
    }

    pub(super) fn forget(&self, view: &Name, id: u64) {
        self.0.lock().frames.retain(|frame| frame.id != id || frame.view != *view);
    }

    /// Forgets those of views that are not among these.
    pub(super) fn keep_only(&self, views: &[&Name]) {
        self.0.lock().frames.retain(|frame| views.contains(&&frame.view));
    }

    /// Newest first.
    pub(super) fn report(&self, view: &Name) -> Vec<UnsureReport> {
        let kept = self.0.lock();
        let frames = kept.frames.iter().rev().filter(|frame| frame.view == *view);
        frames
            .map(|Frame { id, said, confidence, at, .. }| UnsureReport {
                id: *id,
                said: said.clone(),
                confidence: *confidence,
                at: at.to_string(),
            })
            .collect()
    }

    /// The number of a view's frames, and when the newest was seen.
    pub(super) fn count(&self, view: &Name) -> (usize, Option<Timestamp>) {
        let kept = self.0.lock();
        let of_view = || kept.frames.iter().filter(|frame| frame.view == *view);
        (of_view().count(), of_view().next_back().map(|frame| frame.at))
    }
}

impl Frames {
    fn make_room(&mut self) {
        while self.frames.len() > MAX_FRAMES {
            let count = |view: &Name| self.frames.iter().filter(|frame| frame.view == *view).count();
            let most = self.frames.iter().map(|frame| count(&frame.view)).max();
            let oldest = self.frames.iter().position(|frame| Some(count(&frame.view)) == most);
            self.frames.remove(oldest.unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::picture::encode;
    use crate::preprocess::picture::RgbImage;

    fn gray() -> Vec<u8> {
        encode(&RgbImage { width: 8, height: 8, pixels: vec![90; 192] }).expect("a JPEG")
    }

    /// Unlike that of every other number.
    fn vector(number: usize) -> Vec<f32> {
        (0..200).map(|index| if index == number { 1.0 } else { 0.0 }).collect()
    }

    #[test]
    fn the_newest_are_kept_and_no_two_alike() {
        let (unsure, picture) = (Unsure::default(), gray());
        for number in 0..100 {
            assert!(unsure.remember(&Name::ONLY, &picture, &vector(number), "open", 0.5));
            assert!(!unsure.remember(&Name::ONLY, &picture, &vector(number), "open", 0.5));
        }
        let ids: Vec<u64> = unsure.report(&Name::ONLY).iter().map(|frame| frame.id).collect();
        assert_eq!((ids.len(), ids[0], ids[63]), (64, 100, 37));
        assert!(unsure.picture(&Name::ONLY, 100).is_some() && unsure.picture(&Name::ONLY, 36).is_none());
        unsure.forget(&Name::ONLY, 100);
        assert!(unsure.picture(&Name::ONLY, 100).is_none());
        assert_eq!(unsure.count(&Name::ONLY).0, 63);
    }

    #[test]
    fn a_view_with_many_does_not_displace_those_of_another_and_cannot_see_them() {
        let (unsure, picture) = (Unsure::default(), gray());
        let [door, bin] = ["door", "bin"].map(Name::new);
        assert!(unsure.remember(&door, &picture, &vector(0), "open", 0.5));
        for number in 0..100 {
            unsure.remember(&bin, &picture, &vector(number), "out", 0.5);
        }
        assert_eq!((unsure.count(&door).0, unsure.count(&bin).0), (1, 63));
        assert!(unsure.picture(&door, 1).is_some() && unsure.picture(&bin, 1).is_none());
        unsure.keep_only(&[&bin]);
        assert_eq!((unsure.count(&door), unsure.count(&bin).0), ((0, None), 63));
    }
}
