//! What a view has of a frame, as a picture file.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::bus::preview::Offered;
use crate::domain::frame::Encoding;
use crate::domain::framing::{Framing, Window};
use crate::preprocess::decode::decode;
use crate::preprocess::picture::RgbImage;
use crate::preprocess::turned;
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

fn cut(picture: &RgbImage, Window { x, y, width, height }: Window) -> RgbImage {
    let rows = picture.pixels.chunks_exact(3 * picture.width.max(1)).skip(y).take(height);
    RgbImage { width, height, pixels: rows.flat_map(|row| &row[3 * x..3 * (x + width)]).copied().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_picture_has_its_own_pixels() {
        let pixels = (0..4 * 3).flat_map(|pixel| [pixel, 0, 0]).collect();
        let picture = RgbImage { width: 4, height: 3, pixels };
        let part = cut(&picture, Window { x: 1, y: 1, width: 2, height: 2 });
        let reds: Vec<u8> = part.pixels.iter().step_by(3).copied().collect();
        assert_eq!((part.width, part.height, reds), (2, 2, vec![5, 6, 9, 10]));
    }
}
