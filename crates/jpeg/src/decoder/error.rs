//! Why there is no picture.

/// A picture that may be valid but uses a feature that this decoder does not support. The text continues "the picture
/// ...".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsupported(pub &'static str);

/// Why there is no picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It may be valid, but no picture that this decoder reads.
    Unsupported(Unsupported),
    /// It is damaged; the text says what is wrong with it.
    Damaged(&'static str),
    /// It ends before its last block.
    CutShort,
    /// Even at the smallest size its buffers take more than [`Wanted::budget`](super::Wanted::budget).
    TooLarge {
        /// What they would take.
        bytes: usize,
    },
}

impl From<Unsupported> for Refusal {
    fn from(unsupported: Unsupported) -> Self {
        Self::Unsupported(unsupported)
    }
}
