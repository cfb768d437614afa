//! Detects a frozen picture.
//!
//! A sensor's noise makes every frame different, if only in some bits of raw pixels or some bytes of a JPEG. Identical
//! bytes come from a camera whose firmware hangs, or from a program that repeats its last picture. (Or from a source
//! without a sensor, such as a grabber that shows a still picture. For that, the detection can be disabled.)

use std::hash::{DefaultHasher, Hasher};
use std::time::Duration;

use crate::domain::frame::Encoding;
use crate::domain::framing::Region;
use crate::preprocess::source::{FrameDecoder, Wanted};
use crate::preprocess::thumbnail::Thumbnail;
use glimpsed_base::budget;

/// Compares each frame with the previous one.
pub struct Freeze {
    /// How long an unchanged picture is accepted; `None` disables the detection.
    after: Option<Duration>,
    /// Hash of the last frame, and when that picture first arrived.
    last: Option<(u64, Duration)>,
    decoder: FrameDecoder,
    thumbnail: Thumbnail,
    /// Whether the last picture shows nothing, once that was looked at.
    blank: Option<bool>,
}

/// What a picture is that has been the same for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Still {
    /// The camera repeats it.
    Frozen(Duration),
    /// It is of one colour, as behind a covered lens.
    Blank,
}

impl Freeze {
    pub fn new(after: Option<Duration>) -> Self {
        Self { after, last: None, decoder: FrameDecoder::default(), thumbnail: Thumbnail::default(), blank: None }
    }

    /// What the picture is, if it has been the same for too long.
    pub fn observe(&mut self, encoding: Encoding, bytes: &[u8], now: Duration) -> Option<Still> {
        let after = self.after?;
        let hash = hash(bytes);
        match self.last {
            Some((last, since)) if last == hash => {
                let same = now.saturating_sub(since);
                (same >= after).then(|| if self.is_blank(encoding, bytes) { Still::Blank } else { Still::Frozen(same) })
            }
            _ => {
                (self.last, self.blank) = (Some((hash, now)), None);
                None
            }
        }
    }

    /// Whether the picture is of one colour; false for one that cannot be decoded.
    fn is_blank(&mut self, encoding: Encoding, bytes: &[u8]) -> bool {
        let Self { decoder, thumbnail, blank, .. } = self;
        *blank.get_or_insert_with(|| {
            let whole =
                |columns, rows| Wanted { block: 1, columns: 0..columns, rows: 0..rows, budget: budget::DECODED };
            let decoded = decoder.decode(encoding, bytes, whole);
            decoded.is_ok_and(|()| {
                thumbnail.take(decoder.samples(bytes), Region::default());
                thumbnail.is_blank()
            })
        })
    }

    /// After a session that ended for another reason, the same picture is accepted again.
    pub fn forget(&mut self) {
        self.last = None;
    }
}

/// 0.1 ms for 640x480 in YUYV on a desktop machine; a multiplicative hash of eight bytes at a time is not faster.
fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::frame::{Range, RawFormat};

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_same_picture_is_believed_for_as_long_as_allowed() {
        let mut freeze = Freeze::new(Some(at(60)));
        let mut observe = |bytes: &[u8], seconds| freeze.observe(Encoding::Jpeg, bytes, at(seconds));
        assert_eq!(observe(b"one", 0), None);
        assert_eq!(observe(b"one", 59), None);
        assert_eq!(observe(b"one", 60), Some(Still::Frozen(at(60))));
        assert_eq!(observe(b"two", 61), None);
        assert_eq!(observe(b"one", 62), None, "it is another picture than the one before");
    }

    #[test]
    fn without_a_limit_any_picture_is_believed() {
        let mut freeze = Freeze::new(None);
        assert_eq!(freeze.observe(Encoding::Jpeg, b"one", at(0)), None);
        assert_eq!(freeze.observe(Encoding::Jpeg, b"one", at(1_000_000)), None);
    }

    #[test]
    fn a_picture_that_shows_nothing_is_not_frozen() {
        let encoding = Encoding::Raw { format: RawFormat::Grey, range: Range::Full, width: 64, height: 48 };
        let mut freeze = Freeze::new(Some(at(60)));
        for luma in [0, 16, 200] {
            let blank = vec![luma; 64 * 48];
            assert_eq!(
                [0, 60, 1000].map(|time| freeze.observe(encoding, &blank, at(time))),
                [None, Some(Still::Blank), Some(Still::Blank)]
            );
        }
        let mut scene = vec![40; 64 * 48];
        scene[..64 * 20].fill(60);
        let found = [0, 60].map(|time| freeze.observe(encoding, &scene, at(time)));
        assert_eq!(found, [None, Some(Still::Frozen(at(60)))]);
    }
}
