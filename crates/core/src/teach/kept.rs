//! The form in which a picture is kept: a JPEG of bounded size.

use crate::domain::frame::Encoding;
use crate::preprocess::decode::{DecodeError, decode};
use crate::preprocess::encode::jpeg;
use crate::preprocess::picture::RgbImage;
use crate::preprocess::shrunk;

/// A kept picture has at most so many bytes. Two thousand of them take half a gigabyte.
pub(super) const MOST_BYTES: usize = 256 << 10;

/// A picture with more pixels is made smaller: it would have to be decoded each time that it is looked at.
const MOST_PIXELS: usize = 1920 * 1080;

/// The longer side of a picture that had to be made smaller, in pixels: nearly three times what networks look at.
const SIDE_PX: usize = 640;

/// JPEG quality of what has to be written anew.
const QUALITY: u8 = 90;

/// A small JPEG stays as it is, bit for bit. Everything else becomes one, upright.
///
/// # Errors
/// When it is no picture.
pub(super) fn kept(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    kept_below(bytes, MOST_BYTES, SIDE_PX)
}

/// The same with another bound, and another longer side of what has to be made smaller.
///
/// # Errors
/// As above.
pub(super) fn kept_below(bytes: &[u8], most: usize, side_px: usize) -> Result<Vec<u8>, DecodeError> {
    let mut picture = RgbImage::default();
    // Decoded in any case: what cannot be decoded is not kept.
    decode(Encoding::File, bytes, &mut picture)?;
    let small = picture.width * picture.height <= MOST_PIXELS;
    if small && bytes.starts_with(&glimpsed_jpeg::START) && bytes.len() <= most {
        return Ok(bytes.to_vec());
    }
    let mut small = shrunk(picture, side_px);
    loop {
        let out = jpeg(&small, QUALITY).map_err(|error| DecodeError::GaveUp { cause: error.to_string() })?;
        if out.len() <= most {
            return Ok(out);
        }
        // Noise is larger than any photograph; half of it is a quarter of the bytes.
        let side = small.width.max(small.height) / 2;
        small = shrunk(small, side.max(1));
    }
}
