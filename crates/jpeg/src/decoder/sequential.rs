//! Sequential pictures: each block is transformed as soon as it is read.

use std::ops::Range;

use super::bits::{BadBits, Bits, Huffman};
use super::planes::Plane;
use super::scan::ReadBlocks;
use super::segments::{Header, Scan, Tables};
use super::transform::{self, ORDER, Waves};
use super::wanted::Wanted;

/// The components of a scan with what they are decoded with.
pub(super) struct Sequential<'a> {
    works: [Work<'a>; 4],
    waves: &'a Waves,
    planes: &'a mut [Plane; 4],
    block: [f32; 64],
}

impl<'a> Sequential<'a> {
    /// `sizes` are the sides of a decoded block in pixels, by component.
    pub(super) fn new(
        tables: &'a Tables,
        waves: &'a Waves,
        planes: &'a mut [Plane; 4],
        (header, scan, wanted, sizes): (&Header, &Scan, &Wanted, &[usize; 4]),
    ) -> Self {
        let works = [0, 1, 2, 3].map(|at: usize| Work::new(tables, header, scan, at, wanted, sizes));
        Self { works, waves, planes, block: [0.0; 64] }
    }
}

impl ReadBlocks for Sequential<'_> {
    fn restart(&mut self) {
        self.works.iter_mut().for_each(|work| work.before = 0);
    }

    #[inline(always)]
    fn block(&mut self, bits: &mut Bits<'_>, at: usize, place: [usize; 2]) -> Result<(), BadBits> {
        let work = &mut self.works[at];
        work.block(bits, self.waves, &mut self.block, place, &mut self.planes[work.component])
    }
}

/// The state of decoding one component.
struct Work<'a> {
    component: usize,
    huffman: [&'a Huffman; 2],
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

impl<'a> Work<'a> {
    fn new(tables: &'a Tables, header: &Header, scan: &Scan, at: usize, wanted: &Wanted, sizes: &[usize; 4]) -> Self {
        let index = scan.components[at];
        let component = &header.components[index];
        let most = header.most_blocks();
        let blocks = |range: &Range<usize>, axis: usize| {
            let pixels = 8 * most[axis] / component.blocks[axis].max(1);
            // One more on each side, because the filters that scale the picture read beyond the edge.
            (range.start / pixels).saturating_sub(1)..range.end.div_ceil(pixels) + 1
        };
        Self {
            component: index,
            huffman: [0, 1].map(|class| &tables.huffman[class][scan.huffman[at][class]]),
            factors: tables.factors(component),
            size: sizes[index],
            inverse: transform::inverse(sizes[index]),
            columns: blocks(&wanted.columns, 0),
            rows: blocks(&wanted.rows, 1),
            before: 0,
        }
    }

    /// Decodes the next block, at `column` and `row` of the plane. `block` is all zeros, before and after.
    #[inline(always)]
    fn block(
        &mut self,
        bits: &mut Bits<'_>,
        waves: &Waves,
        block: &mut [f32; 64],
        [column, row]: [usize; 2],
        plane: &mut Plane,
    ) -> Result<(), BadBits> {
        let out = &mut plane.pixels[(row * plane.stride + column) * self.size..];
        if self.columns.contains(&column) && self.rows.contains(&row) {
            let end = bits.block::<true>(self.huffman, &mut self.before, &self.factors, &ORDER, block)?;
            if end > 1 {
                (self.inverse)(waves, block, out, plane.stride);
                *block = [0.0; 64];
                return Ok(());
            }
        } else {
            bits.block::<false>(self.huffman, &mut self.before, &self.factors, &ORDER, block)?;
        }
        transform::fill(block[0], self.size, out, plane.stride);
        block[0] = 0.0;
        Ok(())
    }
}
