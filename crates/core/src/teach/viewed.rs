//! What a view has of a frame, as a picture file.

use crate::bus::preview::Offered;
use crate::domain::frame::Encoding;
use crate::domain::framing::Framing;
use crate::preprocess::encode::{PictureError, jpeg, part_of};
use glimpsed_jpeg::huffman;

/// High, because a network sees what compression leaves behind.
const QUALITY: u8 = 92;

/// The frame as it is, if the view is all of it and it is a file already; else a JPEG of the part, upright.
///
/// # Errors
/// Why the frame is no picture.
pub(super) fn viewed(frame: &Offered, view: Framing) -> Result<Vec<u8>, PictureError> {
    if view == Framing::default() {
        match frame.encoding {
            Encoding::File => return Ok(frame.bytes.to_vec()),
            Encoding::Jpeg => return Ok(huffman::complete(&frame.bytes, &mut Vec::new()).to_vec()),
            Encoding::Raw { .. } => {}
        }
    }
    jpeg(&part_of(frame.encoding, &frame.bytes, view)?, QUALITY)
}
