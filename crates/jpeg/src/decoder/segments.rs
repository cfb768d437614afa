//! The segments around a picture's entropy-coded data (ITU-T T.81, annex B.2).

use super::bits::Huffman;
use super::error::{Refusal, Unsupported};
use crate::huffman::STANDARD_TABLES;
use crate::scan::{MAX_STRAY_BYTES, START};

/// The quantisation and Huffman tables. The decoder keeps them from picture to picture to reuse their memory.
#[derive(Default)]
pub(super) struct Tables {
    /// In the order of the bits.
    quantisation: [Option<[u16; 64]>; 4],
    /// The Huffman tables for DC and for AC coefficients.
    pub huffman: [[Huffman; 4]; 2],
    filled: [[bool; 4]; 2],
    restart_interval: usize,
}

/// One colour component, as it is coded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Component {
    id: u8,
    /// Blocks in an MCU (minimum coded unit), horizontally and vertically: the sampling factors.
    pub blocks: [usize; 2],
    /// The index of the quantisation table, 0 to 3.
    pub quantisation: usize,
}

/// The meaning of a picture's components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// Brightness alone.
    Grey,
    /// Y, Cb and Cr.
    YCbCr,
    /// Red, green and blue.
    Rgb,
    /// Cyan, magenta, yellow and black. `transformed`: the first three as Y, Cb and Cr. `inverted`: 255 is no ink.
    Inks {
        /// The first three are coded as Y, Cb and Cr.
        transformed: bool,
        /// 255 stands for no ink.
        inverted: bool,
    },
}

/// The header of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Width of the picture in pixels.
    pub width: usize,
    /// Height of the picture in pixels.
    pub height: usize,
    /// The colour components; the first `count` are used.
    pub components: [Component; 4],
    /// The number of components: 1, 3 or 4.
    pub count: usize,
    /// What the components are.
    pub colours: Colours,
    /// Whether the coefficients come in several scans, coarse ones first.
    pub progressive: bool,
    /// The orientation tag of Exif, 1 (upright) to 8.
    pub orientation: u8,
    /// The byte offset of the first scan's marker.
    pub(super) scans: usize,
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

    /// MCUs of a scan with several components, horizontally and vertically.
    pub fn units(&self) -> [usize; 2] {
        let [across, down] = self.most_blocks();
        [self.width.div_ceil(8 * across), self.height.div_ceil(8 * down)]
    }

    /// The blocks of a component that belong to the picture, horizontally and vertically (T.81, A.1.1 and A.2.2).
    pub(super) fn own_blocks(&self, component: usize) -> [usize; 2] {
        let most = self.most_blocks();
        let blocks = self.components[component].blocks;
        [0, 1].map(|axis| {
            let pixels = [self.width, self.height][axis];
            (pixels * blocks[axis]).div_ceil(most[axis]).div_ceil(8)
        })
    }
}

/// The header of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scan {
    /// The indices of its components; the first `count` are used.
    pub components: [usize; 4],
    pub count: usize,
    /// By component of the scan: the indices of the Huffman tables for the DC and the AC coefficients, 0 to 3.
    pub huffman: [[usize; 2]; 4],
    /// The first and the last coefficient, in zigzag order.
    pub band: [usize; 2],
    /// The lowest bit that was coded before (0: none was), and the one that is now.
    pub bits: [u32; 2],
    /// MCUs between two restart markers; 0 for none.
    pub restart_interval: usize,
}

struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    /// The next marker that has a segment, and the segment's content; `None` at the picture's end, marked or not.
    fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, Refusal> {
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(stray) = memchr::memchr(0xFF, rest) else { return Ok(None) };
            if stray > MAX_STRAY_BYTES {
                return Err(Refusal::Damaged("there is no marker where one should be"));
            }
            self.at += stray;
            match rest.get(stray + 1) {
                None | Some(0xD8 | 0xD9) => return Ok(None),
                Some(0xFF) => self.at += 1,
                Some(0x00 | 0x01 | 0xD0..=0xD7) => self.at += 2,
                Some(&marker) => {
                    self.at += 2;
                    let Some(length) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
                    let length = usize::from(u16::from_be_bytes(*length));
                    let segment = self.bytes.get(self.at..self.at + length).and_then(|segment| segment.get(2..));
                    self.at += length;
                    return Ok(segment.map(|segment| (marker, segment)));
                }
            }
        }
    }
}

/// What says which colours the components are.
#[derive(Default)]
struct ColourHints {
    jfif: bool,
    /// The transform of Adobe's APP14 segment.
    adobe: Option<u8>,
}

impl ColourHints {
    /// As libjpeg does.
    fn colours(&self, header: &Header) -> Colours {
        let ids = header.components.map(|component| component.id);
        match (header.count, self.adobe) {
            (1, _) => Colours::Grey,
            (4, adobe) => Colours::Inks { transformed: adobe == Some(2), inverted: adobe.is_some() },
            _ if self.jfif => Colours::YCbCr,
            (_, Some(0)) => Colours::Rgb,
            (_, None) if ids.starts_with(b"RGB") => Colours::Rgb,
            _ => Colours::YCbCr,
        }
    }
}

impl Tables {
    /// Reads everything up to the first scan. Tables of pictures before this one are not used for it.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Header, Refusal> {
        if !bytes.starts_with(&START) {
            return Err(Refusal::Damaged("it does not begin like one"));
        }
        (self.quantisation, self.filled, self.restart_interval) = ([None; 4], [[false; 4]; 2], 0);
        let mut segments = Segments { bytes, at: START.len() };
        let (mut frame, mut hints, mut orientation) = (None, ColourHints::default(), 1);
        loop {
            let before = segments.at;
            let (marker, segment) = segments.next()?.ok_or(Refusal::CutShort)?;
            match marker {
                0xC0..=0xC2 if frame.is_some() => return Err(Refusal::Damaged("it has two sizes")),
                0xC0..=0xC2 => frame = Some(Header { progressive: marker == 0xC2, ..read_frame(segment)? }),
                0xC3 => return Err(Unsupported("is coded without loss").into()),
                0xC9..=0xCF => return Err(Unsupported("is coded arithmetically").into()),
                0xC5..=0xC7 | 0xDE | 0xDF => return Err(Unsupported("is coded hierarchically").into()),
                0xE0 if segment.starts_with(b"JFIF\0") => hints.jfif = true,
                0xE1 if orientation == 1 => {
                    orientation = segment.strip_prefix(b"Exif\0\0").map_or(1, super::orientation);
                }
                0xEE if segment.starts_with(b"Adobe") => hints.adobe = Some(segment.get(11).copied().unwrap_or(0)),
                0xDA => {
                    let header: Header = frame.ok_or(Refusal::Damaged("its scan comes before its size"))?;
                    let colours = hints.colours(&header);
                    return Ok(Header { colours, orientation, scans: before, ..header });
                }
                _ => self.read_other(marker, segment)?,
            }
        }
    }

    /// Reads on to the next scan; `at` is where to begin, and then where its entropy-coded data begins. `None` at the
    /// picture's end.
    pub(super) fn next_scan(&mut self, bytes: &[u8], at: &mut usize, header: &Header) -> Result<Option<Scan>, Refusal> {
        let mut segments = Segments { bytes, at: *at };
        while let Some((marker, segment)) = segments.next()? {
            match marker {
                0xC0..=0xC2 => return Err(Refusal::Damaged("it has two sizes")),
                0xDC => return Err(Unsupported("tells its height behind its first scan").into()),
                0xDA => {
                    *at = segments.at;
                    let scan = read_scan(segment, header)?;
                    self.complete(&scan, header)?;
                    return Ok(Some(Scan { restart_interval: self.restart_interval, ..scan }));
                }
                _ => self.read_other(marker, segment)?,
            }
        }
        Ok(None)
    }

    /// The segments that may come before any scan.
    fn read_other(&mut self, marker: u8, segment: &[u8]) -> Result<(), Refusal> {
        match marker {
            0xC4 => self.read_huffman(segment),
            0xDB => self.read_quantisation(segment),
            0xDD => match segment {
                [high, low] => {
                    self.restart_interval = usize::from(u16::from_be_bytes([*high, *low]));
                    Ok(())
                }
                _ => Err(Refusal::Damaged("its restart interval has another length")),
            },
            _ => Ok(()),
        }
    }

    /// What the coefficients of a component are multiplied by, in zigzag order.
    pub(super) fn factors(&self, component: &Component) -> [f32; 64] {
        self.quantisation[component.quantisation].unwrap_or([0; 64]).map(f32::from)
    }

    /// Adds the standard Huffman tables if the picture has none, and checks that all tables in use are defined.
    fn complete(&mut self, scan: &Scan, header: &Header) -> Result<(), Refusal> {
        if self.filled == [[false; 4]; 2] {
            self.read_huffman(&STANDARD_TABLES[4..])?;
        }
        // Which of both classes a scan uses: DC, AC.
        let uses = [scan.band[0] == 0 && scan.bits[0] == 0, scan.band[1] > 0];
        let has_tables = |at: usize| {
            let component = scan.components[at];
            self.quantisation[header.components[component].quantisation].is_some()
                && (0..2).all(|class| !uses[class] || self.filled[class][scan.huffman[at][class]])
        };
        match (0..scan.count).all(has_tables) {
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
    if precision != 8 {
        return Err(Unsupported("has other than 8 bits a sample").into());
    }
    if !matches!(count, 1 | 3 | 4) {
        return Err(Unsupported("has other than one, three or four colours").into());
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
        components: [Component::default(); 4],
        count,
        colours: Colours::Grey,
        progressive: false,
        orientation: 1,
        scans: 0,
    };
    for (to, &[id, sampling, quantisation]) in header.components.iter_mut().zip(components) {
        let blocks = [usize::from(sampling >> 4), usize::from(sampling & 15)];
        if !blocks.iter().all(|blocks| (1..=4).contains(blocks)) {
            return Err(Refusal::Damaged("it samples its colours as no picture can"));
        }
        // The MCU of a scan with a single component is one block, whatever the sampling factors (T.81, A.2.2).
        let blocks = if count == 1 { [1, 1] } else { blocks };
        *to = Component { id, blocks, quantisation: table(quantisation)? };
    }
    Ok(header)
}

/// Most blocks in an MCU (T.81, B.2.3).
const MAX_UNIT_BLOCKS: usize = 10;

fn read_scan(segment: &[u8], header: &Header) -> Result<Scan, Refusal> {
    let cut = Refusal::Damaged("its scan is cut short");
    let (&count, rest) = segment.split_first().ok_or(cut)?;
    let count = usize::from(count);
    let (selectors, rest) = rest.split_at_checked(2 * count).ok_or(cut)?;
    let &[first, last, bits, ..] = rest else { return Err(cut) };
    if !(1..=header.count).contains(&count) {
        return Err(Refusal::Damaged("its scan has more colours than it has"));
    }
    let mut scan = Scan {
        components: [0; 4],
        count,
        huffman: [[0; 2]; 4],
        band: [usize::from(first), usize::from(last)],
        bits: [u32::from(bits >> 4), u32::from(bits & 15)],
        restart_interval: 0,
    };
    for (at, &[id, tables]) in selectors.as_chunks::<2>().0.iter().enumerate() {
        let component = header.components().iter().position(|component| component.id == id);
        let component = component.ok_or(Refusal::Damaged("its scan has a colour that it does not have"))?;
        if scan.components[..at].contains(&component) {
            return Err(Refusal::Damaged("a colour comes twice in a scan"));
        }
        scan.components[at] = component;
        scan.huffman[at] = [table(tables >> 4)?, table(tables & 15)?];
    }
    if !header.progressive {
        (scan.band, scan.bits) = ([0, 63], [0, 0]);
    }
    let blocks = |component: &usize| header.components[*component].blocks.iter().product::<usize>();
    if count > 1 && scan.components[..count].iter().map(blocks).sum::<usize>() > MAX_UNIT_BLOCKS {
        return Err(Refusal::Damaged("it samples its colours as no picture can"));
    }
    let [first, last] = scan.band;
    let is_band = if first == 0 { last == 0 || !header.progressive } else { first <= last && last < 64 && count == 1 };
    match is_band && scan.bits[1] <= 13 && scan.bits[0] <= 13 {
        true => Ok(scan),
        false => Err(Refusal::Damaged("its scan holds coefficients as none can")),
    }
}
