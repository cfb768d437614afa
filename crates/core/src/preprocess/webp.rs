//! WebP files.

use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};

use super::error::{DecodeError, MAX_WHOLE_PIXELS, check_size};
use super::foreign::Kind;
use super::picture::RgbImage;
use super::preprocessor::oriented;
use glimpsed_base::budget;
use glimpsed_jpeg::decoder::orientation;

/// Bytes that decoding takes for each pixel: the result with transparency, and the planes or indices before it.
const BYTES_A_PIXEL: u64 = 10;

/// The same for lossy pictures without transparency: the result and three planes, then the result and a turned one.
const LOSSY_BYTES_A_PIXEL: u64 = 6;

/// `RIFF`, the size, `WEBP`; the chunks come behind it.
const RIFF_HEADER: usize = 12;

/// Decodes a WebP file as it is shown, by its orientation tag. Transparency is dropped; of an animation the first picture is
/// taken.
pub(super) fn decode(bytes: &[u8], out: &mut RgbImage) -> Result<(), DecodeError> {
    if bytes.len() > budget::WEBP_FILE {
        return Err(DecodeError::TooManyBytes { bytes: bytes.len() as u64 });
    }
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(refused)?;
    let (width, height) = decoder.dimensions();
    check_size(width.into(), height.into(), MAX_WHOLE_PIXELS)?;
    let is_plain = decoder.is_lossy() && !decoder.has_alpha() && !decoder.is_animated();
    let each = if is_plain { LOSSY_BYTES_A_PIXEL } else { BYTES_A_PIXEL };
    let needed = each * u64::from(width) * u64::from(height);
    if needed > budget::DECODED_WHOLE {
        return Err(DecodeError::TooManyBytes { bytes: needed });
    }
    decoder.set_memory_limit(budget::DECODED_WHOLE as usize);
    let orientation = exif(bytes).map_or(1, |exif| orientation(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif)));
    let mut pixels = vec![0; decoder.output_buffer_size().ok_or(DecodeError::TooManyBytes { bytes: needed })?];
    decoder.read_image(&mut pixels).map_err(refused)?;
    let has_alpha = decoder.has_alpha();
    drop(decoder);
    if has_alpha {
        let count = pixels.len() / 4;
        for at in 0..count {
            pixels.copy_within(4 * at..4 * at + 3, 3 * at);
        }
        pixels.truncate(3 * count);
    }
    *out = RgbImage { width: width as usize, height: height as usize, pixels };
    oriented(out, orientation);
    Ok(())
}

/// The Exif data, in place: the decoder would copy them, however large they are.
fn exif(bytes: &[u8]) -> Option<&[u8]> {
    let mut chunks = bytes.get(RIFF_HEADER..)?;
    while let Some((head, rest)) = chunks.split_at_checked(8) {
        let size = u32::from_le_bytes(head[4..].try_into().ok()?) as usize;
        if &head[..4] == b"EXIF" {
            return rest.get(..size);
        }
        // Chunks have an even length.
        chunks = rest.get(size.checked_add(size % 2)?..)?;
    }
    None
}

fn refused(error: DecodingError) -> DecodeError {
    let kind = Kind::WebP;
    match error {
        DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            DecodeError::Truncated { kind }
        }
        other => DecodeError::Corrupt { kind, cause: other.to_string() },
    }
}
