//! Why there is no picture.

/// A picture that may be valid but uses a feature that this decoder does not support. The text continues "the picture
/// ...".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unusual(pub &'static str);

/// Why there is no picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Another decoder may be able to read it.
    Unusual(Unusual),
    /// It is damaged or truncated; the text says what is wrong with it.
    Damaged(&'static str),
}

impl From<Unusual> for Refusal {
    fn from(unusual: Unusual) -> Self {
        Self::Unusual(unusual)
    }
}
