//! The filter weights along one axis.

/// The sum of the weights: 1 in fixed point with 14 fractional bits.
pub const ONE: i32 = 1 << 14;

/// Fractional bits of the values between the two passes; 8 + 7 bits fit into an `i16`.
pub const KEPT: u32 = 7;

/// The number of taps is a multiple of this; the rest have weight zero.
pub(super) const TAPS: usize = 4;

/// The taps and weights of each result along one axis.
#[derive(Debug, Default, PartialEq)]
pub struct Axis {
    key: Option<Key>,
    taps: usize,
    /// The first tap of each result.
    starts: Vec<usize>,
    /// `taps` weights per result.
    weights: Vec<i16>,
    /// The smallest and the largest of `starts`.
    range: [usize; 2],
}

/// The geometry: which part of the source the results cover.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    /// Where the part begins, in pixels of the source.
    pub start: f64,
    /// How long it is, in pixels of the source.
    pub length: f64,
    /// Length of the source.
    pub source: usize,
    /// Number of results.
    pub result: usize,
}

impl Axis {
    /// How many taps each result has; a multiple of 4.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// The first tap of each result.
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// The weights of each result, [`Self::taps`] of them.
    pub fn weights(&self) -> &[i16] {
        &self.weights
    }

    /// Whether all taps of all results lie in `length` values of which the first is the source's value `first`.
    pub(super) fn lies_in(&self, first: usize, length: usize) -> bool {
        let [nearest, farthest] = self.range;
        first <= nearest && farthest - first + self.taps <= length
    }

    /// Recomputes the weights if `key` has changed.
    pub fn set(&mut self, key: Key) {
        if self.key == Some(key) {
            return;
        }
        let scale = key.length / key.result as f64;
        let reach = scale.max(1.0);
        let window = |at: usize| {
            let centre = key.start + (at as f64 + 0.5) * scale;
            let first = ((centre - reach + 0.5).max(0.0) as usize).min(key.source.saturating_sub(1));
            let end = ((centre + reach + 0.5).max(0.0) as usize).clamp(first + 1, key.source.max(1));
            (centre, first, end)
        };
        let taps = (0..key.result).map(|at| window(at).2 - window(at).1).max().unwrap_or(1);
        self.taps = taps.next_multiple_of(TAPS);
        self.starts.clear();
        self.weights.clear();
        for at in 0..key.result {
            let (centre, first, end) = window(at);
            let weight = |tap: usize| (1.0 - ((tap as f64 + 0.5 - centre) / reach).abs()).max(0.0);
            let total: f64 = (first..end).map(weight).sum();
            // Error diffusion: the rounding error so far goes into the next weight, so that the sum is exact.
            let (mut sum, mut given) = (0.0, 0);
            self.starts.push(first);
            for tap in first..first + self.taps {
                if tap < end {
                    sum += if total > 0.0 { weight(tap) / total } else { 1.0 / (end - first) as f64 };
                }
                let due = (sum * f64::from(ONE)).round() as i32 - given;
                given += due;
                self.weights.push(due as i16);
            }
        }
        let bound = |bound: Option<&usize>| bound.copied().unwrap_or(0);
        self.range = [bound(self.starts.iter().min()), bound(self.starts.iter().max())];
        self.key = Some(key);
    }

    /// The source's numbers that are looked at, without those that meet a weight of zero.
    pub fn seen(&self) -> std::ops::Range<usize> {
        let [nearest, farthest] = self.range;
        nearest..self.key.map_or(0, |key| (farthest + self.taps).min(key.source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(start: f64, length: f64, source: usize, result: usize) -> Axis {
        let mut axis = Axis::default();
        axis.set(Key { start, length, source, result });
        axis
    }

    #[test]
    fn weights_add_up_to_one_at_every_place() {
        for (start, length, source, result) in [
            (0.0, 640.0, 640, 224),
            (17.3, 401.7, 480, 224),
            (0.0, 5.0, 5, 31),
            (0.0, 1.0, 1, 7),
            (0.0, 9000.0, 9000, 3),
        ] {
            let axis = axis(start, length, source, result);
            for (at, weights) in axis.weights().chunks(axis.taps()).enumerate() {
                assert_eq!(weights.iter().map(|&weight| i32::from(weight)).sum::<i32>(), ONE, "{source} {at}");
                assert!(axis.starts()[at] < source);
            }
        }
    }
}
