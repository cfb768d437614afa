//! PNG files, row by row: what is in memory is the small picture and a row of the large one.

use std::io::{Cursor, ErrorKind};

use png::{ColorType, Decoder, DecodingError, Limits, Transformations};

use super::error::{DecodeError, MAX_WHOLE_PIXELS, check_size};
use super::foreign::Kind;
use super::picture::RgbImage;
use super::preprocessor::oriented;
use glimpsed_base::budget;
use glimpsed_jpeg::decoder::orientation;

/// Decodes a PNG file as it is shown, by its orientation tag. Grey, 16-bit and palette pictures become RGB, transparency is
/// dropped, of an animated picture the first one is taken; colour profiles and texts are left compressed. A picture that
/// would take more than half of [`budget::DECODED`] is averaged to a half, a third, ... of its width and height.
pub(super) fn decode(bytes: &[u8], out: &mut RgbImage) -> Result<(), DecodeError> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: budget::PNG_CHUNKS });
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::normalize_to_color8());
    let header = decoder.read_header_info().map_err(refused)?;
    let (width, height) = (header.width, header.height);
    check_size(width.into(), height.into(), MAX_WHOLE_PIXELS)?;
    let mut reader = decoder.read_info().map_err(refused)?;
    let orientation = reader.info().exif_metadata.as_ref().map_or(1, |exif| orientation(exif));
    let colour = reader.output_color_type().0;
    let passes: &[Pass] = if reader.info().interlaced { &ADAM7 } else { &[WHOLE] };
    // A turned picture is there twice for a moment.
    let mut small = Average::new(width as usize, height as usize, budget::DECODED / 2, out);
    for &pass in passes.iter().filter(|pass| pass.x < width) {
        for y in (pass.y..height).step_by(pass.down as usize) {
            let row = reader.next_row().map_err(refused)?.ok_or(DecodeError::Truncated { kind: Kind::Png })?;
            let row = row.data();
            match colour {
                ColorType::Rgb => small.add(pass, y, row.chunks_exact(3).map(|pixel| [pixel[0], pixel[1], pixel[2]])),
                ColorType::Rgba => small.add(pass, y, row.chunks_exact(4).map(|pixel| [pixel[0], pixel[1], pixel[2]])),
                ColorType::GrayscaleAlpha => small.add(pass, y, row.chunks_exact(2).map(|pixel| [pixel[0]; 3])),
                ColorType::Grayscale | ColorType::Indexed => small.add(pass, y, row.iter().map(|&luma| [luma; 3])),
            }
        }
    }
    oriented(out, orientation);
    Ok(())
}

fn refused(error: DecodingError) -> DecodeError {
    let kind = Kind::Png;
    match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => DecodeError::Truncated { kind },
        DecodingError::LimitsExceeded => {
            DecodeError::Corrupt { kind, cause: "its rows or its notes are larger than those of any picture".into() }
        }
        other => DecodeError::Corrupt { kind, cause: other.to_string() },
    }
}

/// A pass over the picture: first column and row, and steps from one to the next.
#[derive(Clone, Copy)]
struct Pass {
    x: u32,
    y: u32,
    across: u32,
    down: u32,
}

const WHOLE: Pass = Pass { x: 0, y: 0, across: 1, down: 1 };

/// Interlacing (PNG, 8.2).
const ADAM7: [Pass; 7] = [
    Pass { x: 0, y: 0, across: 8, down: 8 },
    Pass { x: 4, y: 0, across: 8, down: 8 },
    Pass { x: 0, y: 4, across: 4, down: 8 },
    Pass { x: 2, y: 0, across: 4, down: 4 },
    Pass { x: 0, y: 2, across: 2, down: 4 },
    Pass { x: 1, y: 0, across: 2, down: 2 },
    Pass { x: 0, y: 1, across: 1, down: 2 },
];

/// Averages squares of pixels. Of an interlaced picture, whose pixels come in another order, one pixel of each square is
/// taken.
struct Average<'a> {
    out: &'a mut RgbImage,
    /// The side of a square.
    side: usize,
    /// The sums and the number of rows of the squares that are being added up.
    sums: Vec<[u32; 3]>,
    rows: usize,
    width: usize,
    height: usize,
}

impl<'a> Average<'a> {
    fn new(width: usize, height: usize, most_bytes: usize, out: &'a mut RgbImage) -> Self {
        let bytes = |side: usize| 3 * width.div_ceil(side) * height.div_ceil(side);
        let side = (1..).find(|&side| bytes(side) <= most_bytes).unwrap_or(1);
        (out.width, out.height) = (width.div_ceil(side), height.div_ceil(side));
        out.pixels.clear();
        out.pixels.resize(bytes(side), 0);
        Self { sums: vec![[0; 3]; out.width], rows: 0, out, side, width, height }
    }

    fn add(&mut self, pass: Pass, y: u32, pixels: impl Iterator<Item = [u8; 3]>) {
        let (y, side) = (y as usize, self.side);
        let start = y / side * self.out.width;
        if pass.across > 1 || pass.down > 1 || side == 1 {
            if !y.is_multiple_of(side) {
                return;
            }
            for (at, pixel) in pixels.enumerate() {
                let x = pass.x as usize + at * pass.across as usize;
                if x.is_multiple_of(side) {
                    self.out.pixels[3 * (start + x / side)..][..3].copy_from_slice(&pixel);
                }
            }
            return;
        }
        for (x, pixel) in pixels.enumerate() {
            let sums = &mut self.sums[x / side];
            sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u32::from(value));
        }
        self.rows += 1;
        if self.rows == side || y + 1 == self.height {
            for (column, sums) in self.sums.iter_mut().enumerate() {
                let count = (self.rows * side.min(self.width - column * side)) as u32;
                let mean = sums.map(|sum| ((sum + count / 2) / count) as u8);
                self.out.pixels[3 * (start + column)..][..3].copy_from_slice(&mean);
                *sums = [0; 3];
            }
            self.rows = 0;
        }
    }
}
