//! A decoded picture.

/// Rows of red, green and blue bytes without padding. One value is reused for every frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RgbImage {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}
