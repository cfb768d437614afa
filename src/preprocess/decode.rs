//! From the bytes of a frame to an RGB picture.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::{DynamicImage, ImageDecoder, ImageError, Limits};
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::colour::video_range;
use crate::domain::frame::{Encoding, RawFormat};
use crate::preprocess::picture::RgbImage;
use glimpsed_jpeg::{START, Scan, Scanner, huffman};

/// Pictures with more pixels are refused before decoding.
pub const MAX_PIXELS: u64 = 64_000_000;

/// Limit of the decoded size in bytes: 64 megapixels of 8-bit RGB take 192 MB, of 16-bit RGBA 512 MB. Rotation or
/// conversion takes as much again.
const MAX_DECODED_BYTES: u64 = 200_000_000;

/// Why a frame cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("is empty (0 bytes)")]
    Empty,
    #[error("is {found}, not a picture that glimpsed reads; it reads JPEG and PNG")]
    NotAPicture { found: &'static str },
    #[error("is cut short: the {kind} picture has no end")]
    Truncated { kind: &'static str },
    #[error("has {width}x{height} pixels; at most {} megapixels are decoded", max_pixels / 1_000_000)]
    TooLarge { width: u64, height: u64, max_pixels: u64 },
    #[error("has {width}x{height} pixels, which is none")]
    NoPixels { width: u64, height: u64 },
    #[error("takes {} MB when decoded; at most {} are allowed", bytes / 1_000_000, MAX_DECODED_BYTES / 1_000_000)]
    TooManyBytes { bytes: u64 },
    #[error("is a damaged {kind} picture: {cause}")]
    Corrupt { kind: &'static str, cause: String },
    #[error("has an odd size of {width}x{height}, which {format:?} cannot have")]
    OddSize { format: RawFormat, width: u32, height: u32 },
    #[error("has {found} bytes; a {format:?} frame of {width}x{height} has {expected}")]
    WrongLength { format: RawFormat, width: u32, height: u32, expected: usize, found: usize },
}

/// Decodes `bytes` into `out`, whose buffer is reused.
///
/// # Errors
/// See [`DecodeError`]; `out` is then in an unspecified state.
pub fn decode(encoding: Encoding, bytes: &[u8], out: &mut RgbImage) -> Result<(), DecodeError> {
    guarded(|| match encoding {
        Encoding::Jpeg => decode_stream_jpeg(bytes, out),
        Encoding::File => decode_file(bytes, MAX_PIXELS, out),
        Encoding::Raw { format, width, height } => decode_raw(format, width, height, bytes, out),
    })
}

/// As [`decode`] of a file, with a limit of `max_pixels`, at most [`MAX_PIXELS`].
///
/// # Errors
/// As [`decode`].
pub fn decode_file_within(bytes: &[u8], max_pixels: u64, out: &mut RgbImage) -> Result<(), DecodeError> {
    guarded(|| decode_file(bytes, max_pixels.min(MAX_PIXELS), out))
}

/// Turns a decoder's panic into an error. The decoders are fuzzed upstream; should one panic, it costs a frame and not
/// the daemon.
pub(super) fn guarded<T>(decode: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    let gave_up = || Err(DecodeError::Corrupt { kind: "encoded", cause: "the decoder gave up".into() });
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| gave_up())
}

/// A JPEG or PNG file with its orientation tag applied. Grey, 16-bit, CMYK and palette pictures are converted to RGB;
/// transparency is dropped; of an animated PNG the first picture is taken.
fn decode_file(bytes: &[u8], max_pixels: u64, out: &mut RgbImage) -> Result<(), DecodeError> {
    let kind = sniff(bytes)?;
    if kind == "JPEG" && !is_whole_jpeg(bytes) {
        return Err(DecodeError::Truncated { kind });
    }
    let explain = |error: ImageError| match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            DecodeError::Truncated { kind }
        }
        other => DecodeError::Corrupt { kind, cause: other.to_string() },
    };
    let picture = if kind == "JPEG" {
        upright(JpegDecoder::new(Cursor::new(bytes)).map_err(explain)?, max_pixels, explain)?
    } else {
        // The PNG decoder's own limit counts bytes; a pixel takes at most 8.
        let mut limits = Limits::default();
        limits.max_alloc = Some(8 * MAX_PIXELS + (64 << 20));
        upright(PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(explain)?, max_pixels, explain)?
    };
    let picture = picture.into_rgb8();
    out.width = picture.width() as usize;
    out.height = picture.height() as usize;
    out.pixels = picture.into_raw();
    Ok(())
}

fn upright(
    mut decoder: impl ImageDecoder,
    max_pixels: u64,
    explain: impl Fn(ImageError) -> DecodeError,
) -> Result<DynamicImage, DecodeError> {
    let (width, height) = decoder.dimensions();
    check_size(width.into(), height.into(), max_pixels)?;
    if decoder.total_bytes() > MAX_DECODED_BYTES {
        return Err(DecodeError::TooManyBytes { bytes: decoder.total_bytes() });
    }
    let orientation = decoder.orientation().map_err(&explain)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(&explain)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

pub(super) fn check_size(width: u64, height: u64, max_pixels: u64) -> Result<(), DecodeError> {
    match width * height {
        0 => Err(DecodeError::NoPixels { width, height }),
        pixels if pixels > max_pixels => Err(DecodeError::TooLarge { width, height, max_pixels }),
        _ => Ok(()),
    }
}

/// One picture of a stream. Uses `zune-jpeg` directly, because `image` would copy the bytes and parse the headers three
/// times.
fn decode_stream_jpeg(bytes: &[u8], out: &mut RgbImage) -> Result<(), DecodeError> {
    let corrupt = |cause: String| DecodeError::Corrupt { kind: "JPEG", cause };
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(u16::MAX.into())
        .set_max_height(u16::MAX.into())
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut with_tables = Vec::new();
    let bytes = huffman::complete(bytes, &mut with_tables);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| corrupt(error.to_string()))?;
    let (width, height) = decoder.dimensions().ok_or_else(|| corrupt("it has no size".into()))?;
    check_size(width as u64, height as u64, MAX_PIXELS)?;
    out.width = width;
    out.height = height;
    out.pixels.resize(3 * width * height, 0);
    decoder.decode_into(&mut out.pixels).map_err(|error| corrupt(error.to_string()))
}

/// The frame's bytes, without trailing ones.
pub(super) fn check_raw(format: RawFormat, width: u32, height: u32, bytes: &[u8]) -> Result<&[u8], DecodeError> {
    check_size(width.into(), height.into(), MAX_PIXELS)?;
    let odd = match format {
        RawFormat::Yuyv => width % 2 == 1,
        RawFormat::Nv12 => width % 2 == 1 || height % 2 == 1,
        RawFormat::Grey | RawFormat::Rgb => false,
    };
    if odd {
        return Err(DecodeError::OddSize { format, width, height });
    }
    let expected = format.bytes(width, height);
    let found = bytes.len();
    bytes.get(..expected).ok_or(DecodeError::WrongLength { format, width, height, expected, found })
}

fn decode_raw(format: RawFormat, width: u32, height: u32, bytes: &[u8], out: &mut RgbImage) -> Result<(), DecodeError> {
    let bytes = check_raw(format, width, height, bytes)?;
    out.width = width as usize;
    out.height = height as usize;
    out.pixels.clear();
    match format {
        RawFormat::Rgb => out.pixels.extend_from_slice(bytes),
        RawFormat::Grey => out.pixels.extend(bytes.iter().flat_map(|&luma| [luma; 3])),
        RawFormat::Yuyv => out.pixels.extend(bytes.chunks_exact(4).flat_map(|pair| {
            let [y0, cb, y1, cr] = [pair[0], pair[1], pair[2], pair[3]];
            let (a, b) = (video_range(y0, cb, cr), video_range(y1, cb, cr));
            [a[0], a[1], a[2], b[0], b[1], b[2]]
        })),
        RawFormat::Nv12 => {
            let (luma, chroma) = bytes.split_at(out.width * out.height);
            for (row, line) in luma.chunks_exact(out.width).enumerate() {
                let colours = &chroma[row / 2 * out.width..][..out.width];
                out.pixels.extend(line.iter().enumerate().flat_map(|(column, &y)| {
                    let pair = column & !1;
                    video_range(y, colours[pair], colours[pair + 1])
                }));
            }
        }
    }
    Ok(())
}

fn is_whole_jpeg(bytes: &[u8]) -> bool {
    matches!(Scanner::default().scan(bytes), Scan::Complete(_))
}

/// "JPEG" or "PNG", or a description of what it is instead.
fn sniff(bytes: &[u8]) -> Result<&'static str, DecodeError> {
    let found = match bytes {
        [] => return Err(DecodeError::Empty),
        _ if bytes.starts_with(&START) => return Ok("JPEG"),
        _ if bytes.starts_with(b"\x89PNG\r\n\x1a\n") => return Ok("PNG"),
        _ if bytes.starts_with(b"GIF8") => "a GIF",
        _ if bytes.starts_with(b"BM") => "a BMP",
        _ if bytes.starts_with(b"II*\0") || bytes.starts_with(b"MM\0*") => "a TIFF",
        _ if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") => "a WebP",
        _ if bytes.get(4..8) == Some(b"ftyp") => "a HEIC, AVIF or MP4 file",
        _ if bytes.starts_with(b"%PDF") => "a PDF",
        _ if std::str::from_utf8(&bytes[..bytes.len().min(512)]).is_ok() => "text",
        _ => "of an unknown format",
    };
    Err(DecodeError::NotAPicture { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(format: RawFormat, width: u32, height: u32, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut out = RgbImage::default();
        decode(Encoding::Raw { format, width, height }, bytes, &mut out).map(|()| out.pixels)
    }

    #[test]
    fn yuyv_black_white_and_red_become_rgb() {
        let pixels = raw(RawFormat::Yuyv, 4, 1, &[16, 128, 235, 128, 81, 90, 81, 240]).expect("two pairs");
        assert_eq!(pixels[..6], [0, 0, 0, 255, 255, 255]);
        assert!(pixels[6] > 250 && pixels[7] < 5 && pixels[8] < 5, "{pixels:?}");
    }

    #[test]
    fn nv12_shares_a_colour_among_four_pixels() {
        let pixels = raw(RawFormat::Nv12, 2, 2, &[81, 81, 81, 81, 90, 240]).expect("one block");
        assert!(pixels.chunks(3).all(|pixel| pixel[0] > 250 && pixel[1] < 5), "{pixels:?}");
    }

    #[test]
    fn formats_that_share_colours_refuse_odd_sizes() {
        let error = raw(RawFormat::Yuyv, 3, 1, &[0; 6]).expect_err("odd width");
        assert_eq!(error.to_string(), "has an odd size of 3x1, which Yuyv cannot have");
        assert!(raw(RawFormat::Nv12, 2, 3, &[0; 9]).is_err());
        assert!(raw(RawFormat::Grey, 3, 1, &[0; 3]).is_ok());
    }

    #[test]
    fn a_frame_without_pixels_is_refused() {
        for format in [RawFormat::Yuyv, RawFormat::Nv12, RawFormat::Grey, RawFormat::Rgb] {
            for (width, height) in [(0, 0), (0, 2), (2, 0)] {
                let expected = DecodeError::NoPixels { width: width.into(), height: height.into() };
                assert_eq!(raw(format, width, height, &[1; 16]), Err(expected), "{format:?}");
            }
        }
    }

    #[test]
    fn a_raw_frame_with_too_few_bytes_is_refused_with_both_lengths() {
        let error = raw(RawFormat::Grey, 4, 4, &[0; 15]).expect_err("one byte short");
        assert_eq!(error.to_string(), "has 15 bytes; a Grey frame of 4x4 has 16");
    }
}
