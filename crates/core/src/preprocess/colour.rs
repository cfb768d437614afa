//! Colour encodings.

/// The meaning of a picture's components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Rgb,
    Grey,
    /// Y, Cb and Cr of ITU-R BT.601 with full range (0 to 255), as in JFIF.
    FullRange,
    /// The same with limited range, 16 to 235 (chroma: 240), as in video.
    VideoRange,
}

/// To RGB from full range, in 14-bit fixed point.
#[inline(always)]
pub(super) fn full_range(luma: u8, blue: u8, red: u8) -> [u8; 3] {
    let luma = (i32::from(luma) << 14) + (1 << 13);
    let (blue, red) = (i32::from(blue) - 128, i32::from(red) - 128);
    let clamp = |sum: i32| (sum >> 14).clamp(0, 255) as u8;
    [clamp(luma + 22_970 * red), clamp(luma - 5_638 * blue - 11_700 * red), clamp(luma + 29_032 * blue)]
}

/// To RGB from limited range, in 8-bit fixed point.
#[inline(always)]
pub(super) fn video_range(luma: u8, blue: u8, red: u8) -> [u8; 3] {
    let luma = 298 * (i32::from(luma) - 16) + 128;
    let (blue, red) = (i32::from(blue) - 128, i32::from(red) - 128);
    let clamp = |sum: i32| (sum >> 8).clamp(0, 255) as u8;
    [clamp(luma + 409 * red), clamp(luma - 100 * blue - 208 * red), clamp(luma + 516 * blue)]
}
