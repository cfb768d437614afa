//! The pixel formats of V4L2 that are read, and the copy of a frame out of the driver's buffer.

use v4l::Format;
use v4l::format::{Colorspace, Quantization};

use crate::config::raw::FormatChoice;
use crate::domain::frame::{Encoding, Range, RawFormat};
use glimpsed_base::budget;
use glimpsed_jpeg::decoder::Decoder;
use glimpsed_jpeg::{END, Scan, Scanner, huffman};

/// In order of preference: MJPEG needs the least USB bandwidth, and grey pictures tell the least.
pub(super) fn acceptable(format: FormatChoice) -> &'static [&'static [u8; 4]] {
    match format {
        FormatChoice::Auto => {
            &[b"MJPG", b"JPEG", b"YUYV", b"UYVY", b"YVYU", b"NV12", b"NV21", b"YU12", b"RGB3", b"BGR3", b"GREY"]
        }
        FormatChoice::Mjpeg => &[b"MJPG", b"JPEG"],
        FormatChoice::Yuyv => &[b"YUYV"],
        FormatChoice::Uyvy => &[b"UYVY"],
        FormatChoice::Yvyu => &[b"YVYU"],
        FormatChoice::Nv12 => &[b"NV12"],
        FormatChoice::Nv21 => &[b"NV21"],
        FormatChoice::Yu12 => &[b"YU12"],
        FormatChoice::Rgb => &[b"RGB3"],
        FormatChoice::Bgr => &[b"BGR3"],
        FormatChoice::Grey => &[b"GREY"],
    }
}

/// The format of uncompressed frames; `None` for JPEG and unknown ones.
pub(super) fn raw(fourcc: &[u8; 4]) -> Option<RawFormat> {
    Some(match fourcc {
        b"YUYV" => RawFormat::Yuyv,
        b"YVYU" => RawFormat::Yvyu,
        b"UYVY" => RawFormat::Uyvy,
        b"NV12" => RawFormat::Nv12,
        b"NV21" => RawFormat::Nv21,
        b"YU12" => RawFormat::Yu12,
        b"GREY" => RawFormat::Grey,
        b"RGB3" => RawFormat::Rgb,
        b"BGR3" => RawFormat::Bgr,
        _ => return None,
    })
}

/// Raw data of a sensor, which no library here turns into a picture.
pub(super) fn is_bayer(fourcc: &[u8; 4]) -> bool {
    match fourcc {
        b"BA81" | b"GBRG" | b"GRBG" | b"RGGB" | b"BYR2" => true,
        // RG10, BG12, GB14, pRAA, pGCC, ...
        [b'R' | b'B' | b'G', b'G' | b'A' | b'B' | b'R', b'1', b'0' | b'2' | b'4' | b'6'] => true,
        [b'p', b'R' | b'B' | b'g' | b'G', b'A' | b'C' | b'E', b'A' | b'C' | b'E'] => true,
        _ => false,
    }
}

/// The values of Y, Cb and Cr, as the driver tells them.
fn range(format: &Format) -> Range {
    match (format.quantization, format.colorspace) {
        (Quantization::FullRange, _) | (Quantization::Default, Colorspace::JPEG) => Range::Full,
        _ => Range::Video,
    }
}

/// Copies frames out of the driver's buffers.
#[derive(Default)]
pub(super) struct Unpacker {
    /// Finds out whether a JPEG whose end is not marked lacks a block.
    decoder: Option<Box<Decoder>>,
}

impl Unpacker {
    /// Copies a frame: without bytes behind a JPEG, without row padding, and with the Huffman tables and the end marker that
    /// a JPEG may lack. This is the only copy between the driver and the decoder.
    ///
    /// # Errors
    /// Why it is no whole frame.
    pub(super) fn unpack(
        &mut self,
        format: &Format,
        frame: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Encoding, &'static str> {
        match raw(&format.fourcc.repr) {
            Some(raw) => unpack_raw(raw, format, frame, out),
            None => self.unpack_jpeg(frame, out),
        }
    }

    fn unpack_jpeg(&mut self, frame: &[u8], out: &mut Vec<u8>) -> Result<Encoding, &'static str> {
        if frame.len() > budget::CAMERA_PICTURE {
            return Err("it has more than 8 MB");
        }
        let (picture, end) = match Scanner::default().scan(frame) {
            Scan::Complete(end) => (&frame[..end], None),
            Scan::Broken(0) => return Err("it is no JPEG"),
            Scan::Broken(end) => (&frame[..end], Some(END)),
            Scan::Incomplete => (frame, Some(END)),
        };
        if end.is_some() && self.decoder.get_or_insert_default().check(picture, budget::DECODED).is_err() {
            return Err("it is cut short");
        }
        huffman::append_complete(picture, out);
        out.extend(end.into_iter().flatten());
        Ok(Encoding::Jpeg)
    }
}

fn unpack_raw(raw: RawFormat, format: &Format, frame: &[u8], out: &mut Vec<u8>) -> Result<Encoding, &'static str> {
    let (width, height) = (format.width as usize, format.height as usize);
    let across = match raw {
        RawFormat::Yuyv | RawFormat::Yvyu | RawFormat::Uyvy => 2 * width,
        RawFormat::Rgb | RawFormat::Bgr => 3 * width,
        RawFormat::Nv12 | RawFormat::Nv21 | RawFormat::Yu12 | RawFormat::Grey => width,
    };
    let stride = (format.stride as usize).max(across);
    // Bytes of a row, bytes from one row to the next, rows.
    let first = (across, stride, height);
    let planes: &[(usize, usize, usize)] = match raw {
        RawFormat::Nv12 | RawFormat::Nv21 => &[first, (across, stride, height / 2)],
        RawFormat::Yu12 => {
            let half = (across / 2, stride / 2, height / 2);
            &[first, half, half]
        }
        _ => &[first],
    };
    let mut rest = frame;
    for (at, &(across, stride, rows)) in planes.iter().enumerate() {
        // The last row of all may lack its padding.
        let is_last = at + 1 == planes.len();
        let needed = if is_last { (stride * rows).saturating_sub(stride - across) } else { stride * rows };
        if rest.len() < needed {
            return Err("it is cut short");
        }
        if stride == across {
            out.extend_from_slice(&rest[..stride * rows]);
        } else {
            rest.chunks(stride).take(rows).for_each(|row| out.extend_from_slice(&row[..across]));
        }
        rest = &rest[needed..];
    }
    Ok(Encoding::Raw { format: raw, range: range(format), width: format.width, height: format.height })
}

#[cfg(test)]
mod tests {
    use super::*;
    use v4l::format::FourCC;

    fn format(fourcc: &[u8; 4], width: u32, height: u32, stride: u32) -> Format {
        let mut format = Format::new(width, height, FourCC::new(fourcc));
        format.stride = stride;
        format
    }

    fn unpacked(format: &Format, frame: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        Unpacker::default().unpack(format, frame, &mut out).ok().map(|_| out)
    }

    #[test]
    fn padding_behind_each_row_is_left_out() {
        let padded = format(b"GREY", 2, 3, 4);
        assert_eq!(unpacked(&padded, &[1, 2, 0, 0, 3, 4, 0, 0, 5, 6, 0, 0]), Some(vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(unpacked(&padded, &[1, 2, 0, 0, 3, 4, 0, 0, 5, 6]), Some(vec![1, 2, 3, 4, 5, 6]));
        let yuyv = format(b"YUYV", 2, 1, 0);
        assert_eq!(unpacked(&yuyv, &[1, 2, 3, 4, 9, 9]), Some(vec![1, 2, 3, 4]));
        let planes = format(b"YU12", 2, 2, 4);
        let frame = [1, 2, 0, 0, 3, 4, 0, 0, 5, 0, 6];
        assert_eq!(unpacked(&planes, &frame), Some(vec![1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn frames_with_too_few_bytes_are_corrupt() {
        assert_eq!(unpacked(&format(b"GREY", 2, 3, 2), &[1; 5]), None);
        assert_eq!(unpacked(&format(b"NV12", 2, 2, 2), &[1; 5]), None);
        assert_eq!(unpacked(&format(b"YU12", 2, 2, 2), &[1; 5]), None);
        assert_eq!(unpacked(&format(b"YUYV", 2, 2, 4), &[]), None);
        assert_eq!(unpacked(&format(b"MJPG", 2, 2, 0), &[0xFF, 0xD8, 0xFF]), None);
    }

    #[test]
    fn every_format_has_as_many_bytes_as_its_frame() {
        for fourcc in acceptable(FormatChoice::Auto) {
            let Some(raw) = raw(fourcc) else { continue };
            let bytes = raw.bytes(4, 2);
            assert_eq!(unpacked(&format(fourcc, 4, 2, 0), &vec![7; bytes]), Some(vec![7; bytes]), "{raw:?}");
            assert_eq!(unpacked(&format(fourcc, 4, 2, 0), &vec![7; bytes - 1]), None, "{raw:?}");
        }
    }

    #[test]
    fn old_bytes_behind_a_jpeg_are_left_out() {
        // With an (empty) segment of Huffman tables.
        let picture = [0xFF, 0xD8, 0xFF, 0xC4, 0x00, 0x02, 0xFF, 0xDA, 0x00, 0x02, 7, 0xFF, 0xD9];
        let buffer = [&picture[..], &[1, 2, 3, 0xFF, 0xD9]].concat();
        for fourcc in [b"MJPG", b"JPEG"] {
            assert_eq!(unpacked(&format(fourcc, 2, 2, 0), &buffer), Some(picture.to_vec()));
        }
    }

    #[test]
    fn a_jpeg_without_its_end_is_a_frame_unless_it_lacks_a_block() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/jpegs/2x1-together.jpg");
        let whole = std::fs::read(path).expect("a fixture");
        let unmarked = &whole[..whole.len() - 2];
        let mjpeg = format(b"MJPG", 61, 43, 0);
        assert_eq!(unpacked(&mjpeg, unmarked), Some(whole.clone()));
        assert_eq!(unpacked(&mjpeg, &[unmarked, &whole[..40]].concat()), Some(whole.clone()), "before a stale one");
        assert_eq!(unpacked(&mjpeg, &whole[..whole.len() * 2 / 3]), None);
    }

    #[test]
    fn the_range_is_what_the_driver_says_or_what_the_colour_space_has() {
        let mut yuyv = format(b"YUYV", 2, 1, 0);
        for (quantization, colorspace, expected) in [
            (Quantization::Default, Colorspace::SRGB, Range::Video),
            (Quantization::Default, Colorspace::JPEG, Range::Full),
            (Quantization::FullRange, Colorspace::SMPTE170M, Range::Full),
            (Quantization::LimitedRange, Colorspace::JPEG, Range::Video),
        ] {
            (yuyv.quantization, yuyv.colorspace) = (quantization, colorspace);
            assert_eq!(range(&yuyv), expected);
        }
    }

    #[test]
    fn raw_sensor_data_is_told_from_pictures() {
        for bayer in [b"RG10", b"BG12", b"GB10", b"BA81", b"pRAA", b"pBCC", b"pgAA", b"BYR2", b"GRBG"] {
            assert!(is_bayer(bayer), "{bayer:?}");
        }
        for picture in acceptable(FormatChoice::Auto) {
            assert!(!is_bayer(picture), "{picture:?}");
        }
    }
}
