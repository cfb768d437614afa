//! The decoder: it reads segments and scans, up to the last one that the picture needs.

use std::ops::Range;

use super::error::{Refusal, Unsupported};
use super::planes::{self, Plane};
use super::progressive::{self, Coefficients, Progressive};
use super::scan;
use super::segments::{Colours, Header, Tables};
use super::sequential::Sequential;
use super::transform::Waves;
use super::wanted::Wanted;

/// Most scans of a progressive picture; encoders write about ten. Each takes time, however few bytes it has.
const MAX_SCANS: usize = 100;

/// The decoder. Its buffers and tables are reused from picture to picture.
#[derive(Default)]
pub struct Decoder {
    tables: Tables,
    waves: Waves,
    planes: [Plane; 4],
    count: usize,
    colours: Option<Colours>,
    /// Width and height of the picture.
    size: [usize; 2],
    /// A portion of the entropy-coded bytes.
    window: Vec<u8>,
}

impl Decoder {
    /// Reads the segments before the first scan, and keeps the tables for [`Decoder::decode`].
    ///
    /// # Errors
    /// When the picture is damaged, or uses a feature that this decoder does not support.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Header, Refusal> {
        self.tables.read(bytes)
    }

    /// Decodes the picture whose `header` [`Decoder::read`] has just read from the same `bytes`. Bytes behind its last
    /// scan are not looked at; nor is an end marker missed.
    ///
    /// # Errors
    /// When blocks are damaged or missing, or all of it would take more than the budget. [`Decoder::planes`] is
    /// unspecified then.
    pub fn decode(&mut self, bytes: &[u8], header: &Header, wanted: &Wanted) -> Result<(), Refusal> {
        let (sizes, apart) = self.shape(header, wanted)?;
        if header.progressive && apart {
            self.progressive(bytes, header, &sizes, 0..1)?;
            for component in 1..header.count {
                // The tables that stand before the first scan.
                self.tables.read(bytes)?;
                self.progressive(bytes, header, &sizes, component..component + 1)?;
            }
        } else if header.progressive {
            self.progressive(bytes, header, &sizes, 0..header.count)?;
        } else {
            self.sequential(bytes, header, wanted, &sizes)?;
        }
        (self.count, self.colours, self.size) = (header.count, Some(header.colours), [header.width, header.height]);
        if let Colours::Inks { transformed, inverted } = header.colours {
            planes::from_inks(&mut self.planes, transformed, inverted);
            (self.count, self.colours) = (3, Some(Colours::Rgb));
        }
        Ok(())
    }

    /// The planes of the last decoded picture: one, or three.
    pub fn planes(&self) -> &[Plane] {
        &self.planes[..self.count]
    }

    /// What the planes hold: grey, Y with Cb and Cr, or red, green and blue.
    pub fn colours(&self) -> Colours {
        self.colours.unwrap_or(Colours::Grey)
    }

    /// Width and height in pixels of the last decoded picture, as it was turned.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Turns the planes of the last decoded picture by the orientation tag of Exif, 1 to 8.
    pub fn turn(&mut self, orientation: u8) {
        if orientation > 1 {
            self.planes[..self.count].iter_mut().for_each(|plane| plane.turn(orientation, self.size));
            if orientation >= 5 {
                self.size.reverse();
            }
        }
    }

    /// Whether the picture lacks no block, whatever follows it and whether or not its end is marked.
    ///
    /// # Errors
    /// Why it cannot be decoded.
    pub fn check(&mut self, bytes: &[u8], budget: usize) -> Result<(), Refusal> {
        let header = self.read(bytes)?;
        self.decode(bytes, &header, &Wanted { block: 1, columns: 0..0, rows: 0..0, budget })
    }

    /// Shapes the planes, and returns the sides of a decoded block by component, and whether the coefficients of the components are too
    /// many to be kept at the same time.
    fn shape(&mut self, header: &Header, wanted: &Wanted) -> Result<([usize; 4], bool), Refusal> {
        let (units, most) = (header.units(), header.most_blocks());
        // Subsampled planes are reduced less, so that their size approaches that of luma, unless that is too much.
        let choices = (1..=wanted.block.clamp(1, 8)).rev().map(|block| (block, true, false)).chain([(1, false, false)]);
        let last = header.progressive.then_some((1, false, true));
        let (mut sizes, mut apart, mut bytes) = ([1; 4], false, 0);
        for (block, finer, one_by_one) in choices.chain(last) {
            apart = one_by_one;
            sizes = header.components.map(|component| {
                let coarser = [0, 1].map(|axis| most[axis] / component.blocks[axis].max(1));
                let coarser = if finer { coarser[0].min(coarser[1]).max(1) } else { 1 };
                (block * coarser).clamp(1, 8)
            });
            let parts = header.components().iter().zip(sizes).map(|(component, size)| {
                let blocks = units[0] * component.blocks[0] * units[1] * component.blocks[1];
                let coefficients = if header.progressive { progressive::bytes(blocks, size) } else { 0 };
                (blocks * size * size, coefficients)
            });
            let coefficients = parts.clone().map(|(_, coefficients)| coefficients);
            let kept = if apart { coefficients.max().unwrap_or(0) } else { coefficients.sum() };
            bytes = parts.map(|(pixels, _)| pixels).sum::<usize>() + kept;
            if bytes <= wanted.budget {
                break;
            }
        }
        if bytes > wanted.budget {
            return Err(Refusal::TooLarge { bytes });
        }
        for ((plane, component), size) in self.planes.iter_mut().zip(header.components()).zip(sizes) {
            plane.start = [0.0; 2];
            plane.stride = units[0] * component.blocks[0] * size;
            plane.scale = [0, 1].map(|axis| (component.blocks[axis] * size) as f64 / (8 * most[axis]) as f64);
            let pixels = |length: usize, axis: usize| ((length as f64 * plane.scale[axis]).ceil() as usize).max(1);
            (plane.width, plane.height) = (pixels(header.width, 0), pixels(header.height, 1));
            plane.pixels.resize(plane.stride * units[1] * component.blocks[1] * size, 0);
        }
        Ok((sizes, apart))
    }

    fn sequential(
        &mut self,
        bytes: &[u8],
        header: &Header,
        wanted: &Wanted,
        sizes: &[usize; 4],
    ) -> Result<(), Refusal> {
        let mut at = header.scans;
        let mut is_read = [false; 4];
        while !is_read[..header.count].iter().all(|is_read| *is_read) {
            let scan = self.tables.next_scan(bytes, &mut at, header)?.ok_or(Refusal::CutShort)?;
            for &component in &scan.components[..scan.count] {
                if std::mem::replace(&mut is_read[component], true) {
                    return Err(Refusal::Damaged("a colour comes twice"));
                }
            }
            let data = bytes.get(at..).unwrap_or_default();
            let parts = (header, &scan, wanted, sizes);
            let mut reader = Sequential::new(&self.tables, &self.waves, &mut self.planes, parts);
            at = bytes.len() - scan::read(data, header, &scan, &mut self.window, &mut reader)?.len();
        }
        Ok(())
    }

    /// Decodes these components.
    fn progressive(
        &mut self,
        bytes: &[u8],
        header: &Header,
        sizes: &[usize; 4],
        wanted: Range<usize>,
    ) -> Result<(), Refusal> {
        let mut coefficients: Vec<Coefficients> =
            (0..header.count).map(|at| Coefficients::new(header, at, sizes[at], wanted.contains(&at))).collect();
        let (mut at, mut scans) = (header.scans, 0);
        while !coefficients[wanted.clone()].iter().all(Coefficients::are_complete) {
            let scan = self.tables.next_scan(bytes, &mut at, header)?.ok_or(Refusal::CutShort)?;
            scans += 1;
            if scans > MAX_SCANS {
                return Err(Unsupported("comes in more than 100 scans").into());
            }
            let data = bytes.get(at..).unwrap_or_default();
            if !scan.components[..scan.count].iter().any(|component| wanted.contains(component)) {
                at = bytes.len() - scan::skip(data, &mut self.window).len();
                continue;
            }
            let mut reader = Progressive::new(&self.tables, header, scan, &mut coefficients)?;
            at = bytes.len() - scan::read(data, header, &scan, &mut self.window, &mut reader)?.len();
        }
        for component in wanted {
            coefficients[component].transform(&self.waves, &mut self.planes[component]);
        }
        Ok(())
    }
}
