//! Why there is no picture.

/// A picture that this decoder does not read, though it may be a good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unusual(pub &'static str);

/// Why there is no picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Unusual(Unusual),
    Damaged(&'static str),
}

impl From<Unusual> for Refusal {
    fn from(unusual: Unusual) -> Self {
        Self::Unusual(unusual)
    }
}
