//! Pictures that are unlike everything that was taught.

use crate::gram::Gram;
use crate::vectors::{Vectors, dot};

/// The pictures of the smallest class from which on the threshold means something.
const FEWEST: usize = 10;

/// The share of right pictures that may be called strange.
const SHARE: f64 = 0.05;

/// From when on a picture is strange: when no taught picture is near it. It finds foreign scenes (a camera that was moved, a lens
/// that is covered), and hardly ever look-alikes; for those people teach a class, such as `none`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strangeness {
    /// The least cosine of the angle to the nearest taught picture. One in twenty right pictures is below it.
    pub least_cosine: f32,
}

impl Strangeness {
    /// From the distance of each picture to the nearest other one.
    pub(crate) fn of(gram: &Gram, counts: &[usize]) -> Option<Self> {
        if counts.iter().any(|&count| count < FEWEST) {
            return None;
        }
        let nearest = |one: usize| {
            let others = (0..gram.pictures).filter(|&other| other != one);
            others.map(|other| gram.cosine(one, other)).fold(f32::NEG_INFINITY, f32::max)
        };
        let mut nearest: Vec<f32> = (0..gram.pictures).map(nearest).collect();
        nearest.sort_by(f32::total_cmp);
        // The k-th smallest of n has the share k / (n + 1) of new pictures below it.
        let rank = (SHARE * (nearest.len() + 1) as f64) as usize;
        Some(Self { least_cosine: *nearest.get(rank.saturating_sub(1))? })
    }

    /// The cosine of the angle between a vector and the nearest of `taught`; `None` where there is none, or the lengths differ.
    pub fn nearest(vector: &[f32], taught: &Vectors) -> Option<f32> {
        if vector.len() != taught.length() {
            return None;
        }
        let norm = dot(vector, vector).sqrt();
        let mut row = Vec::new();
        (0..taught.len())
            .map(|index| {
                taught.read(index, &mut row);
                dot(vector, &row) / (norm * dot(&row, &row).sqrt())
            })
            .max_by(f32::total_cmp)
    }

    /// Whether a picture whose nearest taught picture is this near is strange.
    pub fn is_strange(&self, nearest: f32) -> bool {
        // A vector of zeros is near nothing.
        nearest.is_nan() || nearest < self.least_cosine
    }
}
