//! What is asked of the decoder.

use std::ops::Range;

/// The size and the part in which a picture is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The side of a decoded block in pixels, from 1 to 8, in place of the 8 that are coded. It holds for luma, and for
    /// the chroma planes if they are not subsampled; subsampled ones are reduced less.
    pub block: usize,
    /// The wanted columns, in pixels of the coded picture. A block outside of them may be filled with its mean.
    pub columns: Range<usize>,
    /// The wanted rows, in pixels of the coded picture. A block outside of them may be filled with its mean.
    pub rows: Range<usize>,
    /// Most bytes that the planes and coefficients may take. Where `block` would need more, it is made smaller.
    pub budget: usize,
}

impl Wanted {
    /// Whether what was decoded for this is what `other` asks for: at the same scale, and with all of its part.
    #[must_use]
    pub fn serves(&self, other: &Self) -> bool {
        let holds = |outer: &Range<usize>, inner: &Range<usize>| outer.start <= inner.start && inner.end <= outer.end;
        self.block == other.block
            && self.budget == other.budget
            && holds(&self.columns, &other.columns)
            && holds(&self.rows, &other.rows)
    }

    /// The smallest part that holds both, at this scale.
    #[must_use]
    pub fn with_part_of(self, other: &Self) -> Self {
        let both = |one: Range<usize>, other: &Range<usize>| one.start.min(other.start)..one.end.max(other.end);
        Self { columns: both(self.columns, &other.columns), rows: both(self.rows, &other.rows), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(block: usize, columns: Range<usize>) -> Wanted {
        Wanted { block, columns, rows: 0..10, budget: 1000 }
    }

    #[test]
    fn a_picture_serves_who_wants_a_part_of_it_at_its_scale() {
        let (left, right) = (wanted(8, 0..40), wanted(8, 60..90));
        assert!(left.serves(&left) && left.serves(&wanted(8, 10..40)));
        assert!(!left.serves(&right) && !left.serves(&wanted(4, 0..40)));
        let both = left.clone().with_part_of(&right);
        assert_eq!(both.columns, 0..90);
        assert!(both.serves(&left) && both.serves(&right));
    }
}
