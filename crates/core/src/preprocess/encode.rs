//! From a picture to a JPEG file, for people and for the pictures that are kept.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError};

use super::decode::{DecodeError, decode};
use super::picture::RgbImage;
use super::{cut, turned};
use crate::domain::frame::Encoding;
use crate::domain::framing::Framing;

/// Why there is no JPEG file of a picture or a frame.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The text of the cause continues "the frame".
    #[error("the frame {0}")]
    Frame(#[from] DecodeError),
    #[error("{width}x{height} pixels are too many for a JPEG file")]
    TooLarge { width: usize, height: usize },
    #[error("it cannot be written as a JPEG file: {0}")]
    Encoder(#[from] ImageError),
}

/// The picture as a JPEG file of this quality (1 to 100).
///
/// # Errors
/// When a side is longer than the 65535 pixels that a JPEG file can hold.
pub fn jpeg(picture: &RgbImage, quality: u8) -> Result<Vec<u8>, PictureError> {
    let (width, height) = (picture.width, picture.height);
    let (Ok(columns), Ok(rows)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(PictureError::TooLarge { width, height });
    };
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).write_image(
        &picture.pixels,
        columns.into(),
        rows.into(),
        ExtendedColorType::Rgb8,
    )?;
    Ok(bytes)
}

/// The part of a frame that a view sees, upright, at full size.
///
/// # Errors
/// When the frame is no picture.
pub fn part_of(encoding: Encoding, bytes: &[u8], view: Framing) -> Result<RgbImage, PictureError> {
    let mut picture = RgbImage::default();
    decode(encoding, bytes, &mut picture)?;
    let picture = turned(picture, view.rotation);
    let region = view.region.pixels(picture.width, picture.height);
    Ok(cut(&picture, region))
}
