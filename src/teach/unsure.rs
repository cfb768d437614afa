//! Frames that could not be told surely, kept in memory until somebody says what they show.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::kept::kept_below;
use super::report::UnsureReport;
use glimpsed_teach::Vectors;

/// The most that are kept; the oldest go first.
const MAX_FRAMES: usize = 64;

/// The largest picture, in bytes: the network looks at some 224x224 pixels of it.
const MOST_BYTES: usize = 30 << 10;

/// The longer side of a picture that had to be made smaller, in pixels.
const SIDE_PX: usize = 400;

/// Below this probability of its best label a frame is not sure.
pub(super) const SURE: f32 = 0.7;

/// One of them.
struct Frame {
    id: u64,
    picture: Vec<u8>,
    vector: Vec<u8>,
    said: String,
    confidence: f32,
    at: Timestamp,
}

/// The newest of them, no two alike.
#[derive(Default)]
pub(super) struct Unsure {
    frames: VecDeque<Frame>,
    last: u64,
}

impl Unsure {
    /// Keeps a picture, unless one that is kept looks the same.
    pub(super) fn remember(&mut self, picture: &[u8], vector: &[f32], said: &str, confidence: f32) {
        let mut known = Vectors::new(vector.len());
        for frame in &self.frames {
            // They were vectors of this length when they came.
            let _ = known.push_encoded(&frame.vector);
        }
        if known.has_copy(vector, |_| true) || known.push(vector).is_err() {
            return;
        }
        let Ok(picture) = kept_below(picture, MOST_BYTES, SIDE_PX) else { return };
        let vector = known.encoded(known.len() - 1).unwrap_or_default();
        self.last += 1;
        if self.frames.len() == MAX_FRAMES {
            self.frames.pop_front();
        }
        let (id, said, at) = (self.last, said.to_owned(), Timestamp::now());
        self.frames.push_back(Frame { id, picture, vector, said, confidence, at });
    }

    pub(super) fn picture(&self, id: u64) -> Option<&[u8]> {
        self.frames.iter().find(|frame| frame.id == id).map(|frame| frame.picture.as_slice())
    }

    pub(super) fn forget(&mut self, id: u64) {
        self.frames.retain(|frame| frame.id != id);
    }

    /// Newest first.
    pub(super) fn report(&self) -> Vec<UnsureReport> {
        let frames = self.frames.iter().rev();
        frames
            .map(|Frame { id, said, confidence, at, .. }| UnsureReport {
                id: *id,
                said: said.clone(),
                confidence: *confidence,
                at: at.to_string(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::picture::encode;
    use crate::preprocess::picture::RgbImage;

    #[test]
    fn the_newest_are_kept_and_no_two_alike() {
        let gray = RgbImage { width: 8, height: 8, pixels: vec![90; 192] };
        let picture = encode(&gray).expect("a JPEG");
        let mut unsure = Unsure::default();
        for number in 0..100_u16 {
            let mut vector = vec![0.0; 100];
            vector[usize::from(number)] = 1.0;
            unsure.remember(&picture, &vector, "open", 0.5);
            unsure.remember(&picture, &vector, "open", 0.5);
        }
        let ids: Vec<u64> = unsure.report().iter().map(|frame| frame.id).collect();
        assert_eq!((ids.len(), ids[0], ids[63]), (64, 100, 37));
        assert!(unsure.picture(100).is_some() && unsure.picture(36).is_none());
        unsure.forget(100);
        assert!(unsure.picture(100).is_none());
    }
}
