//! The segments before a picture's entropy-coded data (ITU-T T.81, annex B.2).

use super::bits::Huffman;
use super::error::{Refusal, Unusual};
use crate::START;
use crate::huffman::STANDARD_TABLES;

/// The quantisation and Huffman tables. The decoder keeps them from picture to picture to reuse their memory.
#[derive(Default)]
pub(super) struct Tables {
    /// In the order of the bits.
    pub quantisation: [Option<[u16; 64]>; 4],
    /// The Huffman tables for DC and for AC coefficients.
    pub huffman: [[Huffman; 4]; 2],
    filled: [[bool; 4]; 2],
}

/// One colour component, as it is coded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Component {
    id: u8,
    /// Blocks in an MCU (minimum coded unit), horizontally and vertically: the sampling factors.
    pub blocks: [usize; 2],
    /// The index of the quantisation table, 0 to 3.
    pub quantisation: usize,
    /// The indices of the Huffman tables for the DC and the AC coefficients, 0 to 3.
    pub huffman: [usize; 2],
}

/// The header of a picture with one scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Width of the picture in pixels.
    pub width: usize,
    /// Height of the picture in pixels.
    pub height: usize,
    /// The colour components; the first `count` are used.
    pub components: [Component; 3],
    /// The number of components: 1 (grey) or 3 (Y, Cb, Cr).
    pub count: usize,
    /// MCUs between two restart markers; 0 for none.
    pub restart_interval: usize,
    /// The byte offset of the entropy-coded data in the picture.
    pub scan: usize,
}

impl Header {
    /// The components in use.
    pub fn components(&self) -> &[Component] {
        &self.components[..self.count]
    }

    /// The largest sampling factors of any component, horizontally and vertically.
    pub fn most_blocks(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.components().iter().map(|component| component.blocks[axis]).max().unwrap_or(1))
    }

    /// MCUs, horizontally and vertically.
    pub fn units(&self) -> [usize; 2] {
        let [across, down] = self.most_blocks();
        [self.width.div_ceil(8 * across), self.height.div_ceil(8 * down)]
    }
}

struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    /// The next marker that has a segment, and the segment's content.
    fn next(&mut self) -> Result<(u8, &'a [u8]), Refusal> {
        let cut = || Refusal::Damaged("it ends before its picture");
        loop {
            let [first, marker] = *self.bytes.get(self.at..).and_then(<[u8]>::first_chunk).ok_or_else(cut)?;
            if first != 0xFF {
                return Err(Refusal::Damaged("there is no marker where one should be"));
            }
            match marker {
                0xFF => self.at += 1,
                0x01 | 0xD0..=0xD7 => self.at += 2,
                0xD9 => return Err(cut()),
                _ => {
                    self.at += 2;
                    let length = *self.bytes.get(self.at..).and_then(<[u8]>::first_chunk).ok_or_else(cut)?;
                    let length = usize::from(u16::from_be_bytes(length));
                    let segment = self.bytes.get(self.at..self.at + length).and_then(|segment| segment.get(2..));
                    self.at += length;
                    return Ok((marker, segment.ok_or_else(cut)?));
                }
            }
        }
    }
}

impl Tables {
    /// Reads everything up to the scan. Tables of pictures before this one are not used for it.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Header, Refusal> {
        if !bytes.starts_with(&START) {
            return Err(Refusal::Damaged("it does not begin like one"));
        }
        (self.quantisation, self.filled) = ([None; 4], [[false; 4]; 2]);
        let mut segments = Segments { bytes, at: START.len() };
        let (mut frame, mut restart_interval, mut transformed) = (None, 0, true);
        loop {
            let (marker, segment) = segments.next()?;
            match marker {
                0xC0 | 0xC1 => frame = Some(read_frame(segment)?),
                0xC2..=0xC3 | 0xC5..=0xCF => return Err(Unusual("is not coded as cameras do").into()),
                0xC4 => self.read_huffman(segment)?,
                0xDB => self.read_quantisation(segment)?,
                0xDD => match segment {
                    [high, low] => restart_interval = usize::from(u16::from_be_bytes([*high, *low])),
                    _ => return Err(Refusal::Damaged("its restart interval has another length")),
                },
                // Adobe's APP14 segment: without a colour transform the components are red, green and blue.
                0xEE if segment.starts_with(b"Adobe") => transformed = segment.get(11).is_none_or(|&kind| kind == 1),
                0xDA => {
                    let mut header: Header = frame.ok_or(Refusal::Damaged("its scan comes before its size"))?;
                    if !transformed && header.count == 3 {
                        return Err(Unusual("keeps red, green and blue").into());
                    }
                    read_scan(segment, &mut header)?;
                    self.complete(&header)?;
                    return Ok(Header { restart_interval, scan: segments.at, ..header });
                }
                _ => {}
            }
        }
    }

    /// Adds the standard Huffman tables if the picture has none, and checks that all tables in use are defined.
    fn complete(&mut self, header: &Header) -> Result<(), Refusal> {
        if self.filled == [[false; 4]; 2] {
            self.read_huffman(&STANDARD_TABLES[4..])?;
        }
        let has_tables = |component: &Component| {
            self.quantisation[component.quantisation].is_some()
                && (0..2).all(|class| self.filled[class][component.huffman[class]])
        };
        match header.components().iter().all(has_tables) {
            true => Ok(()),
            false => Err(Refusal::Damaged("it uses a table that it does not have")),
        }
    }

    fn read_huffman(&mut self, mut segment: &[u8]) -> Result<(), Refusal> {
        let damaged = Refusal::Damaged("its Huffman tables are none");
        while let Some((&target, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or(damaged)?;
            let length = counts.iter().map(|&count| usize::from(count)).sum();
            let (values, rest) = rest.split_at_checked(length).ok_or(damaged)?;
            let (class, at) = (usize::from(target >> 4), usize::from(target & 15));
            if class > 1 || at > 3 {
                return Err(damaged);
            }
            self.huffman[class][at].fill(counts, values).ok_or(damaged)?;
            self.filled[class][at] = true;
            segment = rest;
        }
        Ok(())
    }

    fn read_quantisation(&mut self, mut segment: &[u8]) -> Result<(), Refusal> {
        let damaged = Refusal::Damaged("its quantisation tables are none");
        while let Some((&target, rest)) = segment.split_first() {
            let wide = target >> 4;
            let table = self.quantisation.get_mut(usize::from(target & 15)).ok_or(damaged)?;
            let (values, rest) = rest.split_at_checked(64 << wide.min(1)).ok_or(damaged)?;
            *table = Some(match wide {
                0 => std::array::from_fn(|at| values[at].into()),
                1 => std::array::from_fn(|at| u16::from_be_bytes([values[2 * at], values[2 * at + 1]])),
                _ => return Err(damaged),
            });
            segment = rest;
        }
        Ok(())
    }
}

/// The index of a table, of which there are four of each kind.
fn table(number: u8) -> Result<usize, Refusal> {
    if number < 4 { Ok(number.into()) } else { Err(Refusal::Damaged("it uses a table of a number that there is not")) }
}

fn read_frame(segment: &[u8]) -> Result<Header, Refusal> {
    let &[precision, height_high, height_low, width_high, width_low, count, ref components @ ..] = segment else {
        return Err(Refusal::Damaged("its size is cut short"));
    };
    if precision != 8 || !matches!(count, 1 | 3) {
        return Err(Unusual("has other than 8 bits or three colours").into());
    }
    let count = usize::from(count);
    let (components, []) = components.as_chunks::<3>() else {
        return Err(Refusal::Damaged("its colours are cut short"));
    };
    if components.len() != count {
        return Err(Refusal::Damaged("it has another number of colours than it says"));
    }
    let mut header = Header {
        width: u16::from_be_bytes([width_high, width_low]).into(),
        height: u16::from_be_bytes([height_high, height_low]).into(),
        components: [Component::default(); 3],
        count,
        restart_interval: 0,
        scan: 0,
    };
    for (to, &[id, sampling, quantisation]) in header.components.iter_mut().zip(components) {
        let blocks = [usize::from(sampling >> 4), usize::from(sampling & 15)];
        // The MCU of a scan with a single component is one block, whatever the sampling factors (T.81, A.2.2).
        let blocks = if count == 1 { [1, 1] } else { blocks };
        *to = Component { id, blocks, quantisation: table(quantisation)?, huffman: [0; 2] };
    }
    let (luma, colours) = (header.components[0], &header.components[1..]);
    let plain = count == 1 || colours.iter().all(|colour| colour.blocks == [1, 1]);
    if !plain || luma.blocks.iter().any(|blocks| !matches!(blocks, 1 | 2 | 4)) {
        return Err(Unusual("samples its colours in an unusual way").into());
    }
    if header.components.map(|component| component.id) == *b"RGB" {
        return Err(Unusual("keeps red, green and blue").into());
    }
    Ok(header)
}

fn read_scan(segment: &[u8], header: &mut Header) -> Result<(), Refusal> {
    let (&count, rest) = segment.split_first().ok_or(Refusal::Damaged("its scan is empty"))?;
    if usize::from(count) != header.count {
        return Err(Unusual("comes in several scans").into());
    }
    let (selectors, _) = rest.as_chunks::<2>();
    for (component, &[id, tables]) in header.components[..header.count].iter_mut().zip(selectors) {
        if component.id != id {
            return Err(Unusual("has its colours in another order").into());
        }
        component.huffman = [table(tables >> 4)?, table(tables & 15)?];
    }
    match selectors.len() >= header.count {
        true => Ok(()),
        false => Err(Refusal::Damaged("its scan is cut short")),
    }
}
