//! Notices a picture that no longer changes.
//!
//! The noise of a sensor makes each of its frames another one, to the last bit of a raw frame and to some byte of a JPEG. The
//! same bytes again and again come from a camera whose firmware hangs, or from a program that repeats its last picture.
//! (Or from a source without a sensor: a grabber that shows a still picture. There the watch is switched off.)

use std::time::Duration;

/// Compares each frame with the one before.
#[derive(Debug)]
pub struct Freeze {
    /// How long the same picture is believed; `None` is for ever.
    after: Option<Duration>,
    /// Hash of the last frame, and when that picture came first.
    last: Option<(u64, Duration)>,
}

impl Freeze {
    pub fn new(after: Option<Duration>) -> Self {
        Self { after, last: None }
    }

    /// For how long the picture has been the same, if that is too long.
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

    /// After a loss that explains itself, the same picture may come again.
    pub fn forget(&mut self) {
        self.last = None;
    }
}

/// Eight bytes a multiplication: nobody chooses a camera's pictures to collide, so the standard library's hash, several
/// times as slow, would protect from nothing.
fn hash(bytes: &[u8]) -> u64 {
    // From the digits of pi. Both halves of the product count, or a bit at the top would hide one in the next word.
    const MULTIPLIER: u128 = 0x517C_C1B7_2722_0A95;
    let mix = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * MULTIPLIER;
        product as u64 ^ (product >> 64) as u64
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(bytes.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)))
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

    #[test]
    fn one_bit_anywhere_makes_another_picture() {
        let picture = [0x10u8; 37];
        let mut seen = std::collections::BTreeSet::from([hash(&picture)]);
        for bit in 0..8 * picture.len() {
            let mut other = picture;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(seen.insert(hash(&other)), "bit {bit}");
        }
        assert_ne!(hash(&[0; 8]), hash(&[0; 16]), "length counts");
    }
}
