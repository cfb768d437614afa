//! From the bytes of a frame or a file to an RGB picture for people.

use super::picture::RgbImage;
use super::preprocessor::{Preprocessor, resized};
use super::source::{FrameDecoder, Wanted};
use crate::domain::frame::Encoding;
use crate::domain::framing::{Framing, Rotation};
use glimpsed_base::budget;
use glimpsed_inference::InputSpec;

pub use super::error::{DecodeError, MAX_PIXELS};

/// Decodes `bytes` into an RGB picture of at most [`budget::DECODED`] bytes: a larger one is made smaller, in proportion.
///
/// # Errors
/// See [`DecodeError`]; `out` is then in an unspecified state.
pub fn decode(encoding: Encoding, bytes: &[u8], out: &mut RgbImage) -> Result<(), DecodeError> {
    let mut decoder = FrameDecoder::default();
    decoder.decode(encoding, bytes, |width, height| {
        // Twice the wanted size in each direction at least, so that the resampling has something to average.
        let reduction = shown_size(width, height)[0] as f64 / width.max(1) as f64;
        let block = (16.0 * reduction).ceil().clamp(1.0, 8.0) as usize;
        Wanted { block, columns: 0..width, rows: 0..height, budget: budget::DECODED }
    })?;
    let samples = decoder.samples(bytes);
    let [width, height] = shown_size(samples.width, samples.height);
    *out = resized(samples, width, height);
    Ok(())
}

/// What a view sees of a frame, upright, its longer side at most `side` pixels long. Only that part is decoded, at about that scale, so a
/// small picture of a large frame takes little memory.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode_view(encoding: Encoding, bytes: &[u8], view: Framing, side: usize) -> Result<RgbImage, DecodeError> {
    let size = |width, height| {
        let part = view.before_turning().pixels(width, height);
        let longer = part.width.max(part.height);
        let [across, down] = [part.width, part.height].map(|length| match longer > side {
            true => (length * side / longer).max(1),
            false => length,
        });
        match view.rotation {
            Rotation::None | Rotation::Half => [across, down],
            Rotation::Quarter | Rotation::ThreeQuarters => [down, across],
        }
    };
    let of_size = |[width, height]: [usize; 2]| Preprocessor::new(InputSpec::stretched(width, height), view);
    let mut decoder = FrameDecoder::default();
    decoder.decode(encoding, bytes, |width, height| of_size(size(width, height)).wanted(width, height))?;
    let samples = decoder.samples(bytes);
    let [width, height] = size(samples.width, samples.height);
    Ok(of_size([width, height]).picture(samples))
}

/// The size of the picture for people.
fn shown_size(width: usize, height: usize) -> [usize; 2] {
    let most = (budget::DECODED / 3) as f64;
    let reduction = (most / (width as f64 * height as f64).max(1.0)).sqrt().min(1.0);
    [width, height].map(|side| ((side as f64 * reduction) as usize).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::frame::{Range, RawFormat};
    use crate::domain::framing::Region;

    fn raw(format: RawFormat, width: u32, height: u32, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut out = RgbImage::default();
        decode(Encoding::Raw { format, range: Range::Video, width, height }, bytes, &mut out).map(|()| out.pixels)
    }

    #[test]
    fn yuyv_black_white_and_red_become_rgb() {
        let pixels = raw(RawFormat::Yuyv, 2, 1, &[16, 128, 235, 128]).expect("a pair");
        assert_eq!(pixels, [0, 0, 0, 255, 255, 255]);
        let pixels = raw(RawFormat::Yuyv, 2, 1, &[81, 90, 81, 240]).expect("a pair");
        assert!(pixels.chunks(3).all(|pixel| pixel[0] > 250 && pixel[1] < 5 && pixel[2] < 5), "{pixels:?}");
    }

    /// Red at the left and blue at the right, in every layout of the bytes.
    #[test]
    fn every_format_has_its_colours_where_they_belong() {
        // Y, Cb and Cr of red and blue, with video's range and with JPEG's.
        let colours = [(Range::Video, [[81, 90, 240], [41, 240, 110]]), (Range::Full, [[76, 85, 255], [29, 255, 107]])];
        for (range, [[y, cb, cr], [y2, cb2, cr2]]) in colours {
            let halves = |row: [&[u8]; 2]| [row[0].repeat(4), row[1].repeat(4)].concat();
            let luma = [[y; 8], [y2; 8]].concat();
            let lumas = luma.repeat(2);
            let rows = |left: &[u8], right: &[u8]| halves([left, right]).repeat(2);
            for (format, bytes) in [
                (RawFormat::Yuyv, rows(&[y, cb, y, cr], &[y2, cb2, y2, cr2])),
                (RawFormat::Yvyu, rows(&[y, cr, y, cb], &[y2, cr2, y2, cb2])),
                (RawFormat::Uyvy, rows(&[cb, y, cr, y], &[cb2, y2, cr2, y2])),
                (RawFormat::Nv12, [lumas.clone(), halves([&[cb, cr], &[cb2, cr2]])].concat()),
                (RawFormat::Nv21, [lumas.clone(), halves([&[cr, cb], &[cr2, cb2]])].concat()),
                (RawFormat::Yu12, [lumas.clone(), halves([&[cb], &[cb2]]), halves([&[cr], &[cr2]])].concat()),
                (RawFormat::Rgb, rows(&[255, 0, 0, 255, 0, 0], &[0, 0, 255, 0, 0, 255])),
                (RawFormat::Bgr, rows(&[0, 0, 255, 0, 0, 255], &[255, 0, 0, 255, 0, 0])),
            ] {
                let mut out = RgbImage::default();
                decode(Encoding::Raw { format, range, width: 16, height: 2 }, &bytes, &mut out).expect("a frame");
                let pixel = |x: usize| &out.pixels[3 * x..][..3];
                for (x, expected) in [(0, [255, 0, 0]), (16, [255, 0, 0]), (15, [0, 0, 255]), (31, [0, 0, 255])] {
                    let near = pixel(x).iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) < 6);
                    assert!(near, "{format:?}, {range:?}, {x}: {:?}", pixel(x));
                }
            }
        }
    }

    #[test]
    fn large_frames_are_shown_smaller_in_proportion() {
        let mut out = RgbImage::default();
        let bytes = vec![90; 3840 * 2160];
        decode(
            Encoding::Raw { format: RawFormat::Grey, range: Range::Full, width: 3840, height: 2160 },
            &bytes,
            &mut out,
        )
        .expect("a frame");
        assert!(out.pixels.len() <= budget::DECODED && out.pixels.len() > budget::DECODED * 9 / 10);
        assert!((out.width as f64 / out.height as f64 - 16.0 / 9.0).abs() < 0.01);
    }

    #[test]
    fn a_part_is_shown_upright_in_its_own_proportions_and_never_enlarged() {
        // Each column has a grey of its own.
        let bytes: Vec<u8> = (0..200u32 * 400).map(|at| (at % 400 / 2) as u8).collect();
        let frame = Encoding::Raw { format: RawFormat::Grey, range: Range::Full, width: 400, height: 200 };
        let region = Region { x: 0.0, y: 0.5, width: 1.0, height: 0.5 };
        let view = Framing { rotation: Rotation::Quarter, region };
        let shown = decode_view(frame, &bytes, view, 100).expect("a frame");
        assert_eq!((shown.width, shown.height), (100, 100));
        // A quarter turn clockwise: what was at the right is below, and the region is the lower half.
        assert!(shown.pixels[0].abs_diff(100) < 3 && shown.pixels[3 * 100 * 99].abs_diff(199) < 3);
        let whole = decode_view(frame, &bytes, Framing::default(), 1000).expect("a frame");
        assert_eq!((whole.width, whole.height), (400, 200));
        assert!(whole.pixels.chunks(3).zip(&bytes).all(|(pixel, grey)| pixel == [*grey; 3]));
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
        for format in RawFormat::ALL {
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
