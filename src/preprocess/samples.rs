//! A view of a picture's samples in any storage format, so that camera frames are read in place without conversion.

use super::picture::RgbImage;
use crate::preprocess::colour::Colour;
use glimpsed_jpeg::baseline::Plane;

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
}

/// Rows of bytes that hold one component, or several interleaved.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    pub bytes: &'a [u8],
    pub stride: usize,
    pub height: usize,
    /// Rows per row of the picture.
    pub scale: f64,
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
        let mut all = [Component { offset: 0, step: 1, width: 0, scale: 1.0 }; 3];
        let count = components.len().min(all.len());
        all[..count].copy_from_slice(&components[..count]);
        Self { bytes, stride, height, scale, components: all, count }
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
        let components = [0, 1, 2].map(|offset| Component { offset, step: 3, width, scale: 1.0 });
        Self::new(width, height, Colour::Rgb, &[Group::new(bytes, 3 * width, height, 1.0, &components)])
    }

    pub fn grey(width: usize, height: usize, bytes: &'a [u8]) -> Self {
        let component = Component { offset: 0, step: 1, width, scale: 1.0 };
        Self::new(width, height, Colour::Grey, &[Group::new(bytes, width, height, 1.0, &[component])])
    }

    /// `width` must be even.
    pub fn yuyv(width: usize, height: usize, bytes: &'a [u8]) -> Self {
        let luma = Component { offset: 0, step: 2, width, scale: 1.0 };
        let [blue, red] = [1, 3].map(|offset| Component { offset, step: 4, width: width / 2, scale: 0.5 });
        let group = Group::new(bytes, 2 * width, height, 1.0, &[luma, blue, red]);
        Self::new(width, height, Colour::VideoRange, &[group])
    }

    /// `width` and `height` must be even.
    pub fn nv12(width: usize, height: usize, bytes: &'a [u8]) -> Self {
        let (luma, colours) = bytes.split_at(bytes.len().min(width * height));
        let component = Component { offset: 0, step: 1, width, scale: 1.0 };
        let pair = [0, 1].map(|offset| Component { offset, step: 2, width: width / 2, scale: 0.5 });
        let groups =
            [Group::new(luma, width, height, 1.0, &[component]), Group::new(colours, width, height / 2, 0.5, &pair)];
        Self::new(width, height, Colour::VideoRange, &groups)
    }

    /// The planes of a JPEG picture of this size.
    pub fn planes(width: usize, height: usize, planes: &'a [Plane]) -> Self {
        let mut groups = [Group::new(&[], 0, 0, 1.0, &[]); 3];
        for (group, plane) in groups.iter_mut().zip(planes) {
            let component = Component { offset: 0, step: 1, width: plane.width, scale: plane.scale[0] };
            *group = Group::new(&plane.pixels, plane.stride, plane.height, plane.scale[1], &[component]);
        }
        let colour = if planes.len() == 1 { Colour::Grey } else { Colour::FullRange };
        Self::new(width, height, colour, &groups[..planes.len().min(3)])
    }
}

impl<'a> From<&'a RgbImage> for Samples<'a> {
    fn from(picture: &'a RgbImage) -> Self {
        Self::rgb(picture.width, picture.height, &picture.pixels)
    }
}
