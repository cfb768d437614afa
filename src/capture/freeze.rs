//! Detects a frozen picture.
//!
//! A sensor's noise makes every frame different, if only in some bits of raw pixels or some bytes of a JPEG. Identical
//! bytes come from a camera whose firmware hangs, or from a program that repeats its last picture. (Or from a source
//! without a sensor, such as a grabber that shows a still picture. For that, the detection can be disabled.)

use std::hash::{DefaultHasher, Hasher};
use std::time::Duration;

/// Compares each frame with the previous one.
#[derive(Debug)]
pub struct Freeze {
    /// How long an unchanged picture is accepted; `None` disables the detection.
    after: Option<Duration>,
    /// Hash of the last frame, and when that picture first arrived.
    last: Option<(u64, Duration)>,
}

impl Freeze {
    pub fn new(after: Option<Duration>) -> Self {
        Self { after, last: None }
    }

    /// How long the picture has been the same, if that is too long.
    pub fn observe(&mut self, bytes: &[u8], now: Duration) -> Option<Duration> {
        let after = self.after?;
        let hash = hash(bytes);
        match self.last {
            Some((last, since)) if last == hash => Some(now.saturating_sub(since)).filter(|same| *same >= after),
            _ => {
                self.last = Some((hash, now));
                None
            }
        }
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

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_same_picture_is_believed_for_as_long_as_allowed() {
        let mut freeze = Freeze::new(Some(at(60)));
        assert_eq!(freeze.observe(b"one", at(0)), None);
        assert_eq!(freeze.observe(b"one", at(59)), None);
        assert_eq!(freeze.observe(b"one", at(60)), Some(at(60)));
        assert_eq!(freeze.observe(b"two", at(61)), None);
        assert_eq!(freeze.observe(b"one", at(62)), None, "it is another picture than the one before");
    }

    #[test]
    fn without_a_limit_any_picture_is_believed() {
        let mut freeze = Freeze::new(None);
        assert_eq!(freeze.observe(b"one", at(0)), None);
        assert_eq!(freeze.observe(b"one", at(1_000_000)), None);
    }
}
