//! Progressive pictures (ITU-T T.81, annex G): the coefficients are collected over the scans, and transformed at the end.
//!
//! Only those coefficients are kept that the reduced size needs. Of the others one bit is kept, whether they are zero:
//! later scans are coded differently for those that are not.

use super::bits::{BadBits, Bits, Huffman, extend};
use super::error::Refusal;
use super::planes::Plane;
use super::scan::ReadBlocks;
use super::segments::{Header, Scan, Tables};
use super::transform::{self, ORDER, Waves};

/// Of a component. Of one that is not wanted nothing is kept, but its differences are read where they stand between others.
pub(super) struct Coefficients {
    /// Blocks in a row, those behind the picture's edge included.
    across: usize,
    down: usize,
    /// The side of a decoded block: as many frequencies are kept in each direction.
    size: usize,
    /// `size * size` for each block, by horizontal and then vertical frequency.
    values: Vec<i16>,
    /// For each block a bit for each coefficient in zigzag order: whether it is not zero.
    present: Vec<u64>,
    /// For each coefficient in zigzag order, the lowest bit that has been read.
    precision: [Option<u32>; 64],
    /// Of the first scan with this component.
    factors: Option<[f32; 64]>,
}

/// Bytes that the coefficients of `blocks` take.
pub(super) fn bytes(blocks: usize, size: usize) -> usize {
    blocks * (size * size * size_of::<i16>() + size_of::<u64>())
}

impl Coefficients {
    pub(super) fn new(header: &Header, component: usize, size: usize, is_wanted: bool) -> Self {
        let (units, blocks) = (header.units(), header.components[component].blocks);
        let [across, down] = [0, 1].map(|axis| units[axis] * blocks[axis]);
        let kept = if is_wanted { across * down } else { 0 };
        let (values, present) = (vec![0; kept * size * size], vec![0; kept]);
        Self { across, down, size, values, present, precision: [None; 64], factors: None }
    }

    /// Takes note of a scan.
    fn begin(&mut self, scan: &Scan, factors: [f32; 64]) -> Result<(), Refusal> {
        // Not all scans are read of one that is not wanted.
        if self.values.is_empty() {
            return Ok(());
        }
        let [before, now] = scan.bits;
        for precision in &mut self.precision[scan.band[0]..=scan.band[1]] {
            let follows = match *precision {
                None => before == 0,
                Some(known) => before == known && now + 1 == before,
            };
            if !follows {
                return Err(Refusal::Damaged("its scans do not follow each other"));
            }
            *precision = Some(now);
        }
        self.factors.get_or_insert(factors);
        Ok(())
    }

    /// Whether all bits of all coefficients have been read.
    pub(super) fn are_complete(&self) -> bool {
        self.precision == [Some(0); 64]
    }

    /// Where the coefficient is kept, if it is.
    #[inline(always)]
    fn kept(&mut self, block: usize, zigzag: usize) -> Option<&mut i16> {
        let (u, v) = (usize::from(ORDER[zigzag] / 8), usize::from(ORDER[zigzag] % 8));
        let is_kept = u < self.size && v < self.size;
        if is_kept { self.values.get_mut((block * self.size + u) * self.size + v) } else { None }
    }

    #[inline(always)]
    fn set(&mut self, block: usize, zigzag: usize, value: i16) {
        self.present[block] |= 1 << zigzag;
        if let Some(kept) = self.kept(block, zigzag) {
            *kept = value;
        }
    }

    /// Transforms all blocks.
    pub(super) fn transform(&self, waves: &Waves, plane: &mut Plane) {
        let (inverse, factors) = (transform::inverse(self.size), self.factors.unwrap_or([0.0; 64]));
        let mut natural = [0.0; 64];
        ORDER.iter().zip(factors).for_each(|(&at, factor)| natural[usize::from(at)] = factor);
        let count = self.size * self.size;
        for row in 0..self.down {
            for column in 0..self.across {
                let values = &self.values[(row * self.across + column) * count..][..count];
                let mut block = [0.0; 64];
                for (u, values) in values.chunks_exact(self.size).enumerate() {
                    for (v, &value) in values.iter().enumerate() {
                        block[8 * u + v] = f32::from(value) * natural[8 * u + v];
                    }
                }
                inverse(waves, &block, &mut plane.pixels[(row * plane.stride + column) * self.size..], plane.stride);
            }
        }
    }
}

/// One scan.
pub(super) struct Progressive<'a> {
    coefficients: &'a mut [Coefficients],
    scan: Scan,
    huffman: [[&'a Huffman; 2]; 4],
    before: [i32; 4],
    /// Blocks from here on, this one included, that have no further coefficient in this band.
    ended: u32,
}

impl<'a> Progressive<'a> {
    pub(super) fn new(
        tables: &'a Tables,
        header: &Header,
        scan: Scan,
        coefficients: &'a mut [Coefficients],
    ) -> Result<Self, Refusal> {
        for &at in &scan.components[..scan.count] {
            coefficients[at].begin(&scan, tables.factors(&header.components[at]))?;
        }
        let huffman = scan.huffman.map(|at| [0, 1].map(|class: usize| &tables.huffman[class][at[class]]));
        Ok(Self { coefficients, scan, huffman, before: [0; 4], ended: 0 })
    }

    fn constant(&mut self, bits: &mut Bits<'_>, at: usize, block: usize) -> Result<(), BadBits> {
        let [before, now] = self.scan.bits;
        let coefficients = &mut self.coefficients[self.scan.components[at]];
        bits.refill();
        if before > 0 {
            if bits.take(1) == 1
                && let Some(kept) = coefficients.kept(block, 0)
            {
                *kept |= 1 << now;
            }
            return Ok(());
        }
        let size = u32::from(bits.symbol(self.huffman[at][0])?);
        if size > 15 {
            return Err(bits.wrong());
        }
        self.before[at] = self.before[at].wrapping_add(extend(bits.take(size), size));
        // Whether it is zero does not matter to later scans.
        if let Some(kept) = coefficients.kept(block, 0) {
            *kept = (self.before[at] << now) as i16;
        }
        Ok(())
    }

    fn first(&mut self, bits: &mut Bits<'_>, block: usize) -> Result<(), BadBits> {
        if self.ended > 0 {
            self.ended -= 1;
            return Ok(());
        }
        let coefficients = &mut self.coefficients[self.scan.components[0]];
        let [mut at, last] = self.scan.band;
        while at <= last {
            bits.refill();
            let symbol = bits.symbol(self.huffman[0][1])?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 && run < 15 {
                self.ended = (1 << run) - 1 + bits.take(run as u32);
                break;
            }
            at += run;
            if size > 0 {
                if at > last {
                    return Err(bits.wrong());
                }
                coefficients.set(block, at, (extend(bits.take(size), size) << self.scan.bits[1]) as i16);
            }
            at += 1;
        }
        Ok(())
    }

    fn refine(&mut self, bits: &mut Bits<'_>, block: usize) -> Result<(), BadBits> {
        let coefficients = &mut self.coefficients[self.scan.components[0]];
        let [mut at, last] = self.scan.band;
        let bit = 1_i16 << self.scan.bits[1];
        // A bit for a coefficient that is not zero.
        let correct = |coefficients: &mut Coefficients, bits: &mut Bits<'_>, at: usize| {
            bits.refill();
            if bits.take(1) == 1
                && let Some(kept) = coefficients.kept(block, at)
                && *kept & bit == 0
            {
                *kept = kept.wrapping_add(if *kept < 0 { -bit } else { bit });
            }
        };
        while self.ended == 0 && at <= last {
            bits.refill();
            let symbol = bits.symbol(self.huffman[0][1])?;
            let (mut run, size) = (symbol >> 4, symbol & 15);
            if size == 0 && run < 15 {
                self.ended = (1 << run) + bits.take(run.into());
                break;
            }
            let value = match (size, bits.take(size.min(1).into())) {
                (0, _) => None,
                (1, 1) => Some(bit),
                (1, _) => Some(-bit),
                _ => return Err(bits.wrong()),
            };
            while at <= last {
                if coefficients.present[block] >> at & 1 == 1 {
                    correct(coefficients, bits, at);
                } else if run == 0 {
                    break;
                } else {
                    run -= 1;
                }
                at += 1;
            }
            if let Some(value) = value {
                if at > last {
                    return Err(bits.wrong());
                }
                coefficients.set(block, at, value);
            }
            at += 1;
        }
        if self.ended > 0 {
            let present = coefficients.present[block];
            (at..=last).filter(|at| present >> at & 1 == 1).for_each(|at| correct(coefficients, bits, at));
            self.ended -= 1;
        }
        Ok(())
    }
}

impl ReadBlocks for Progressive<'_> {
    fn restart(&mut self) {
        (self.before, self.ended) = ([0; 4], 0);
    }

    fn block(&mut self, bits: &mut Bits<'_>, at: usize, [column, row]: [usize; 2]) -> Result<(), BadBits> {
        let block = row * self.coefficients[self.scan.components[at]].across + column;
        match (self.scan.band[0], self.scan.bits[0]) {
            (0, _) => self.constant(bits, at, block)?,
            (_, 0) => self.first(bits, block)?,
            _ => self.refine(bits, block)?,
        }
        if bits.rest() < 0 { Err(BadBits::Ended) } else { Ok(()) }
    }
}
