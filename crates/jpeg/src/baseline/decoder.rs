//! The decoder: it reads the segments, and then decodes and transforms MCU (minimum coded unit) by MCU.

use std::ops::Range;

use super::bits::{Bits, Damaged, Huffman, behind_restart, unstuff};
use super::error::Refusal;
use super::segments::{Component, Header, Tables};
use super::transform::{self, Waves};

/// From a zigzag index (T.81, figure A.6) to `8 * horizontal frequency + vertical frequency`.
#[rustfmt::skip]
const ORDER: [u8; 64] = [
     0,  8,  1,  2,  9, 16, 24, 17, 10,  3,  4, 11, 18, 25, 32, 40,
    33, 26, 19, 12,  5,  6, 13, 20, 27, 34, 41, 48, 56, 49, 42, 35,
    28, 21, 14,  7, 15, 22, 29, 36, 43, 50, 57, 58, 51, 44, 37, 30,
    23, 31, 38, 45, 52, 59, 60, 53, 46, 39, 47, 54, 61, 62, 55, 63,
];

/// One colour component of the picture (Y, Cb or Cr), at reduced size.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plane {
    /// At least `height` rows of `stride` bytes, of which the first `width` belong to the picture.
    pub pixels: Vec<u8>,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Pixels of this plane per pixel of the picture, horizontally and vertically.
    pub scale: [f64; 2],
}

/// The decoder. Its buffers and tables are reused from picture to picture.
#[derive(Default)]
pub struct Decoder {
    tables: Tables,
    waves: Waves,
    planes: [Plane; 3],
    count: usize,
    /// The entropy-coded bytes between two restart markers.
    interval: Vec<u8>,
}

/// The size and the part in which a picture is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The side of a decoded block in pixels, from 1 to 8, in place of the 8 that are coded. It holds for luma, and for
    /// the chroma planes if they are not subsampled; subsampled ones are reduced less.
    pub block: usize,
    /// The wanted columns, in pixels of the coded picture. A block outside of them is filled with its mean.
    pub columns: Range<usize>,
    /// The wanted rows, in pixels of the coded picture. A block outside of them is filled with its mean.
    pub rows: Range<usize>,
}

impl Decoder {
    /// Reads the segments before the entropy-coded data, and keeps the tables for [`Decoder::decode`].
    ///
    /// # Errors
    /// When the picture is damaged, or uses a feature that this decoder does not support.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Header, Refusal> {
        self.tables.read(bytes)
    }

    /// Decodes the picture whose `header` [`Decoder::read`] has just read from the same `bytes`.
    ///
    /// # Errors
    /// When the entropy-coded data is damaged or truncated. [`Decoder::planes`] is unspecified then.
    pub fn decode(&mut self, bytes: &[u8], header: &Header, wanted: &Wanted) -> Result<(), Refusal> {
        let damaged = Refusal::Damaged("its picture is damaged or cut short");
        let mut components = [Work::default(), Work::default(), Work::default()];
        for ((work, plane), component) in components.iter_mut().zip(&mut self.planes).zip(header.components()) {
            *work = Work::new(component, header, wanted, &self.tables);
            work.shape(plane, header);
        }
        self.count = header.count;
        let huffman = &self.tables.huffman;
        let tables = [0, 1, 2].map(|at: usize| [0, 1].map(|class| &huffman[class][components[at].huffman[class]]));
        let mut source = bytes.get(header.scan..).unwrap_or_default();
        let mut block = [0.0; 64];
        let [across, down] = header.units();
        let units = across * down;
        let interval = if header.restart_interval > 0 { header.restart_interval } else { units };
        let mut begun = 0;
        while begun < units {
            let end = units.min(begun + interval);
            source = unstuff(source, &mut self.interval);
            let mut bits = Bits::new(&self.interval);
            components.iter_mut().for_each(|work| work.before = 0);
            for unit in begun..end {
                let (unit_row, unit_column) = (unit / across, unit % across);
                // Plain loops, because the compiler does not inline iterators here and calls them for each block.
                for at in 0..header.count {
                    let (work, plane, tables) = (&mut components[at], &mut self.planes[at], tables[at]);
                    let [columns, rows] = work.blocks;
                    for row in unit_row * rows..(unit_row + 1) * rows {
                        for column in unit_column * columns..(unit_column + 1) * columns {
                            work.block(&mut bits, tables, &self.waves, &mut block, [column, row], plane)
                                .map_err(|_| damaged)?;
                        }
                    }
                }
            }
            if end < units {
                // The rest of the interval is skipped, because some webcams send surplus bytes there.
                source = behind_restart(source).map_err(|_| damaged)?;
            }
            begun = end;
        }
        Ok(())
    }

    /// The planes of the last decoded picture: Y, or Y, Cb and Cr.
    pub fn planes(&self) -> &[Plane] {
        &self.planes[..self.count]
    }
}

/// The state of decoding one component.
struct Work {
    /// Blocks in an MCU, horizontally and vertically.
    blocks: [usize; 2],
    huffman: [usize; 2],
    factors: [f32; 64],
    /// The side of a decoded block in pixels.
    size: usize,
    inverse: transform::Inverse,
    /// The wanted blocks; the others are filled with their means.
    columns: Range<usize>,
    rows: Range<usize>,
    /// The DC coefficient of the previous block, before dequantisation.
    before: i32,
}

impl Default for Work {
    fn default() -> Self {
        let inverse = transform::inverse(8);
        Self {
            blocks: [1; 2],
            huffman: [0; 2],
            factors: [0.0; 64],
            size: 8,
            inverse,
            columns: 0..0,
            rows: 0..0,
            before: 0,
        }
    }
}

impl Work {
    fn new(component: &Component, header: &Header, wanted: &Wanted, tables: &Tables) -> Self {
        let most = header.most_blocks();
        // A subsampled plane is reduced less, so that its size approaches that of luma.
        let coarser = most[0] / component.blocks[0].max(1);
        let coarser = coarser.min(most[1] / component.blocks[1].max(1)).max(1);
        let size = (wanted.block * coarser).clamp(1, 8);
        let blocks = |range: &Range<usize>, axis: usize| {
            let pixels = 8 * most[axis] / component.blocks[axis].max(1);
            // One more on each side, because the filters that scale the picture read beyond the edge.
            (range.start / pixels).saturating_sub(1)..range.end.div_ceil(pixels) + 1
        };
        let quantisation = tables.quantisation[component.quantisation].unwrap_or([0; 64]);
        Self {
            blocks: component.blocks,
            huffman: component.huffman,
            factors: quantisation.map(f32::from),
            size,
            inverse: transform::inverse(size),
            columns: blocks(&wanted.columns, 0),
            rows: blocks(&wanted.rows, 1),
            before: 0,
        }
    }

    /// Decodes the next block, at `column` and `row` of the plane. `block` is all zeros, before and after.
    #[inline(always)]
    fn block(
        &mut self,
        bits: &mut Bits,
        tables: [&Huffman; 2],
        waves: &Waves,
        block: &mut [f32; 64],
        [column, row]: [usize; 2],
        plane: &mut Plane,
    ) -> Result<(), Damaged> {
        let out = &mut plane.pixels[(row * plane.stride + column) * self.size..];
        if self.columns.contains(&column) && self.rows.contains(&row) {
            let end = bits.block::<true>(tables, &mut self.before, &self.factors, &ORDER, block)?;
            if end > 1 {
                (self.inverse)(waves, block, out, plane.stride);
                *block = [0.0; 64];
                return Ok(());
            }
        } else {
            bits.block::<false>(tables, &mut self.before, &self.factors, &ORDER, block)?;
        }
        transform::fill(block[0], self.size, out, plane.stride);
        block[0] = 0.0;
        Ok(())
    }

    fn shape(&self, plane: &mut Plane, header: &Header) {
        let (units, most) = (header.units(), header.most_blocks());
        plane.stride = units[0] * self.blocks[0] * self.size;
        plane.scale = [0, 1].map(|axis| (self.blocks[axis] * self.size) as f64 / (8 * most[axis]) as f64);
        let pixels = |length: usize, axis: usize| ((length as f64 * plane.scale[axis]).ceil() as usize).max(1);
        (plane.width, plane.height) = (pixels(header.width, 0), pixels(header.height, 1));
        plane.pixels.resize(plane.stride * units[1] * self.blocks[1] * self.size, 0);
    }
}
