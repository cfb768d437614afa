//! What a view has of a frame, as a picture file.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::bus::preview::Offered;
use crate::domain::frame::Encoding;
use crate::domain::framing::Framing;
use crate::preprocess::decode::decode;
use crate::preprocess::picture::RgbImage;
use crate::preprocess::{cut, turned};
use glimpsed_jpeg::huffman;

/// High, because a network sees what compression leaves behind.
const QUALITY: u8 = 92;

/// The frame as it is, if the view is all of it and it is a file already; else a JPEG of the part, upright.
///
/// # Errors
/// Why the frame is no picture.
pub(super) fn viewed(frame: &Offered, view: Framing) -> Result<Vec<u8>, String> {
    if view == Framing::default() {
        match frame.encoding {
            Encoding::File => return Ok(frame.bytes.to_vec()),
            Encoding::Jpeg => return Ok(huffman::complete(&frame.bytes, &mut Vec::new()).to_vec()),
            Encoding::Raw { .. } => {}
        }
    }
    let mut picture = RgbImage::default();
    decode(frame.encoding, &frame.bytes, &mut picture).map_err(|error| error.to_string())?;
    let picture = turned(picture, view.rotation);
    let part = cut(&picture, view.region.pixels(picture.width, picture.height));
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, QUALITY)
        .write_image(&part.pixels, part.width as u32, part.height as u32, ExtendedColorType::Rgb8)
        .map_err(|error| error.to_string())?;
    Ok(out)
}
