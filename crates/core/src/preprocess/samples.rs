//! A view of a picture's samples in any storage format, so that camera frames are read in place without conversion.

use super::picture::RgbImage;
use crate::domain::frame::{Range, RawFormat};
use crate::preprocess::colour::Colour;
use glimpsed_jpeg::decoder::{Colours, Decoder};

/// One component in the rows of a [`Group`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Component {
    /// Offset of the first sample in a row, and the stride between samples, in bytes.
    pub offset: usize,
    pub step: usize,
    /// Samples per row.
    pub width: usize,
    /// Samples per pixel of the picture, horizontally.
    pub scale: f64,
    /// Where the picture's left edge is, in samples.
    pub start: f64,
}

impl Component {
    fn new(offset: usize, step: usize, width: usize, scale: f64) -> Self {
        Self { offset, step, width, scale, start: 0.0 }
    }
}

/// Rows of bytes that hold one component, or several interleaved.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    pub bytes: &'a [u8],
    pub stride: usize,
    pub height: usize,
    /// Rows per row of the picture.
    pub scale: f64,
    /// Where the picture's upper edge is, in rows.
    pub start: f64,
    components: [Component; 3],
    count: usize,
}

/// A picture in its storage format: one or three components in up to three groups, in the order of `Colour`.
#[derive(Debug, Clone, Copy)]
pub struct Samples<'a> {
    pub width: usize,
    pub height: usize,
    pub colour: Colour,
    groups: [Group<'a>; 3],
    count: usize,
}

impl<'a> Group<'a> {
    fn new(bytes: &'a [u8], stride: usize, height: usize, scale: f64, components: &[Component]) -> Self {
        let mut all = [Component::new(0, 1, 0, 1.0); 3];
        let count = components.len().min(all.len());
        all[..count].copy_from_slice(&components[..count]);
        Self { bytes, stride, height, scale, start: 0.0, components: all, count }
    }

    pub fn components(&self) -> &[Component] {
        &self.components[..self.count]
    }

    /// The row's bytes; empty beyond the last row.
    pub fn row(&self, row: usize) -> &'a [u8] {
        self.bytes.get(row * self.stride..(row + 1) * self.stride).unwrap_or_default()
    }
}

impl<'a> Samples<'a> {
    fn new(width: usize, height: usize, colour: Colour, groups: &[Group<'a>]) -> Self {
        let mut all = [Group::new(&[], 0, 0, 1.0, &[]); 3];
        let count = groups.len().min(all.len());
        all[..count].copy_from_slice(&groups[..count]);
        Self { width, height, colour, groups: all, count }
    }

    pub fn groups(&self) -> &[Group<'a>] {
        &self.groups[..self.count]
    }

    pub fn rgb(width: usize, height: usize, bytes: &'a [u8]) -> Self {
        Self::coloured(width, height, bytes, [0, 1, 2])
    }

    fn coloured(width: usize, height: usize, bytes: &'a [u8], offsets: [usize; 3]) -> Self {
        let components = offsets.map(|offset| Component::new(offset, 3, width, 1.0));
        Self::new(width, height, Colour::Rgb, &[Group::new(bytes, 3 * width, height, 1.0, &components)])
    }

    /// An uncompressed frame, whose size is a multiple of [`RawFormat::multiples`].
    pub fn raw(format: RawFormat, range: Range, [width, height]: [usize; 2], bytes: &'a [u8]) -> Self {
        let colour = match range {
            Range::Video => Colour::VideoRange,
            Range::Full => Colour::FullRange,
        };
        let one = |width| Component::new(0, 1, width, 1.0);
        let half = |offset, step| Component::new(offset, step, width / 2, 0.5);
        // Offsets of Y, Cb and Cr within the four bytes of two pixels.
        let packed = |[luma, blue, red]: [usize; 3]| {
            let components = [Component::new(luma, 2, width, 1.0), half(blue, 4), half(red, 4)];
            Self::new(width, height, colour, &[Group::new(bytes, 2 * width, height, 1.0, &components)])
        };
        let (luma, chroma) = bytes.split_at(bytes.len().min(width * height));
        let luma = Group::new(luma, width, height, 1.0, &[one(width)]);
        let paired = |[blue, red]: [usize; 2]| {
            let chroma = Group::new(chroma, width, height / 2, 0.5, &[half(blue, 2), half(red, 2)]);
            Self::new(width, height, colour, &[luma, chroma])
        };
        match format {
            RawFormat::Yuyv => packed([0, 1, 3]),
            RawFormat::Yvyu => packed([0, 3, 1]),
            RawFormat::Uyvy => packed([1, 0, 2]),
            RawFormat::Nv12 => paired([0, 1]),
            RawFormat::Nv21 => paired([1, 0]),
            RawFormat::Yu12 => {
                let (blue, red) = chroma.split_at(chroma.len().min(width / 2 * (height / 2)));
                let plane = |bytes| Group::new(bytes, width / 2, height / 2, 0.5, &[half(0, 1)]);
                Self::new(width, height, colour, &[luma, plane(blue), plane(red)])
            }
            RawFormat::Grey => Self::new(width, height, Colour::Grey, &[luma]),
            RawFormat::Rgb => Self::rgb(width, height, bytes),
            RawFormat::Bgr => Self::coloured(width, height, bytes, [2, 1, 0]),
        }
    }

    /// The picture that was decoded last.
    pub fn decoded(decoder: &'a Decoder) -> Self {
        let mut groups = [Group::new(&[], 0, 0, 1.0, &[]); 3];
        for (group, plane) in groups.iter_mut().zip(decoder.planes()) {
            let component = Component { start: plane.start[0], ..Component::new(0, 1, plane.width, plane.scale[0]) };
            *group = Group::new(&plane.pixels, plane.stride, plane.height, plane.scale[1], &[component]);
            group.start = plane.start[1];
        }
        let colour = match decoder.colours() {
            Colours::Grey => Colour::Grey,
            Colours::Rgb => Colour::Rgb,
            Colours::YCbCr | Colours::Inks { .. } => Colour::FullRange,
        };
        let [width, height] = decoder.size();
        Self::new(width, height, colour, &groups[..decoder.planes().len().min(3)])
    }
}

impl<'a> From<&'a RgbImage> for Samples<'a> {
    fn from(picture: &'a RgbImage) -> Self {
        Self::rgb(picture.width, picture.height, &picture.pixels)
    }
}
