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
