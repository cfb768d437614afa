//! From pictures to tensors, for one model.

use super::pack::{Packer, turn};
use super::picture::RgbImage;
use super::resample::{self, Lines};
use super::samples::Samples;
use crate::domain::framing::{Framing, Rotation, Window};
use glimpsed_base::budget;
use glimpsed_inference::resample::{Axis, Key};
use glimpsed_inference::{Fit, InputSpec, Tensor};
use glimpsed_jpeg::decoder::Wanted;

/// Makes tensors for one model from pictures; its buffers are reused for every frame.
pub struct Preprocessor {
    spec: InputSpec,
    framing: Framing,
    packer: Packer,
    axes: Axes,
    lines: Lines,
    /// Scratch: a row of each component at the model's input size.
    rows: [Vec<u8>; 3],
}

/// Vertical axes by group, horizontal axes by component.
#[derive(Default)]
struct Axes {
    down: [Axis; 3],
    across: [Axis; 3],
}

/// The part of a picture that becomes the tensor, in pixels of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Part {
    left: f64,
    top: f64,
    across: f64,
    down: f64,
}

impl Preprocessor {
    pub fn new(spec: InputSpec, framing: impl Into<Framing>) -> Self {
        let framing = framing.into();
        let packer = Packer::new(&spec, framing.rotation);
        Self { packer, axes: Axes::default(), lines: Lines::default(), rows: Default::default(), framing, spec }
    }

    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Fills `tensor` (made by [`Tensor::for_input`]) from a picture.
    ///
    /// The resampling is Pillow's bilinear filter with antialiasing, from exactly the part of the picture that
    /// torchvision's `Resize` and `CenterCrop` would keep. It is done in one step, and skips the rows and columns that
    /// would be cropped. The arithmetic is in integers up to the normalisation, and colours are converted after the
    /// resampling.
    pub fn prepare<'a>(&mut self, picture: impl Into<Samples<'a>>, tensor: &mut Tensor) {
        let picture = picture.into();
        let (width, height) = self.unturned();
        let part = self.part(picture.width, picture.height);
        let Self { axes: Axes { down, across }, lines, rows, packer, .. } = self;
        let mut first = 0;
        for (group, down) in picture.groups().iter().zip(&mut *down) {
            down.set(Key {
                start: group.start + part.top * group.scale,
                length: part.down * group.scale,
                source: group.height,
                result: height,
            });
            for (component, across) in group.components().iter().zip(&mut across[first..]) {
                across.set(Key {
                    start: component.start + part.left * component.scale,
                    length: part.across * component.scale,
                    source: component.width,
                    result: width,
                });
            }
            first += group.components().len();
        }
        rows.iter_mut().for_each(|row| row.resize(width, 0));
        for row in 0..height {
            let mut first = 0;
            for (group, down) in picture.groups().iter().zip(&*down) {
                let end = first + group.components().len();
                let out = rows[first..end].iter_mut().map(Vec::as_mut_slice);
                resample::row(group, down, &across[first..end], row, lines, out);
                first = end;
            }
            packer.pack(picture.colour, row, rows, tensor);
        }
    }

    /// Width and height of the result before rotation.
    fn unturned(&self) -> (usize, usize) {
        match self.framing.rotation {
            Rotation::None | Rotation::Half => (self.spec.width, self.spec.height),
            Rotation::Quarter | Rotation::ThreeQuarters => (self.spec.height, self.spec.width),
        }
    }

    /// The picture for people: what [`InputSpec::stretched`] wants is RGB, in bytes.
    pub(super) fn picture<'a>(&mut self, picture: impl Into<Samples<'a>>) -> RgbImage {
        let mut tensor = Tensor::for_input(&self.spec);
        self.prepare(picture, &mut tensor);
        let pixels = match tensor {
            Tensor::U8(pixels) => pixels,
            Tensor::F32(_) => Vec::new(),
        };
        RgbImage { width: self.spec.width, height: self.spec.height, pixels }
    }

    fn part(&self, picture_width: usize, picture_height: usize) -> Part {
        let (width, height) = self.unturned();
        let window = self.framing.before_turning().pixels(picture_width, picture_height);
        let (left, across, top, down) = match self.spec.fit {
            Fit::Stretch => (0.0, window.width as f64, 0.0, window.height as f64),
            Fit::Crop { shorter_px } => {
                let (left, across) = centre_crop(window.width, window.height, shorter_px, width);
                let (top, down) = centre_crop(window.height, window.width, shorter_px, height);
                (left, across, top, down)
            }
        };
        Part { left: window.x as f64 + left, across, top: window.y as f64 + top, down }
    }

    /// The scale and part at which a picture of this size must be decoded, so that the model's input loses nothing.
    pub fn wanted(&self, picture_width: usize, picture_height: usize) -> Wanted {
        let (width, height) = self.unturned();
        let part = self.part(picture_width, picture_height);
        // At least as many pixels as the model's input.
        let enough = |block: &usize| {
            let pixels = |length: f64| length * *block as f64 / 8.0;
            pixels(part.across) >= width as f64 && pixels(part.down) >= height as f64
        };
        let range = |start: f64, length: f64| start as usize..(start + length).ceil() as usize;
        Wanted {
            block: (1..=8).find(enough).unwrap_or(8),
            columns: range(part.left, part.across),
            rows: range(part.top, part.down),
            budget: budget::DECODED,
        }
    }
}

/// Start and length, in pixels of the source, of the part of one side that remains after torchvision's
/// `Resize(shorter_px)` and `CenterCrop(target)`; `side` is that side's length and `other` the other's.
fn centre_crop(side: usize, other: usize, shorter_px: usize, target: usize) -> (f64, f64) {
    // torchvision truncates the longer side and rounds the offset half to even.
    let resized = if side <= other { shorter_px } else { shorter_px * side / other };
    let offset = ((resized as f64 - target as f64) / 2.0).round_ties_even();
    let scale = side as f64 / resized as f64;
    let length = (target as f64 * scale).min(side as f64);
    let start = (offset * scale).clamp(0.0, side as f64 - length);
    (start, length)
}

/// The picture as RGB, at a size of `width` and `height`.
pub fn resized<'a>(picture: impl Into<Samples<'a>>, width: usize, height: usize) -> RgbImage {
    Preprocessor::new(InputSpec::stretched(width, height), Framing::default()).picture(picture)
}

/// The picture, downscaled so that its longer side has at most `side` pixels.
pub fn shrunk(picture: RgbImage, side: usize) -> RgbImage {
    let longer = picture.width.max(picture.height);
    if longer <= side {
        return picture;
    }
    let [width, height] = [picture.width, picture.height].map(|length| (length * side / longer).max(1));
    resized(&picture, width, height)
}

/// A part of the picture, which must lie inside of it.
pub fn cut(picture: &RgbImage, Window { x, y, width, height }: Window) -> RgbImage {
    let rows = picture.pixels.chunks_exact(3 * picture.width.max(1)).skip(y).take(height);
    RgbImage { width, height, pixels: rows.flat_map(|row| &row[3 * x..3 * (x + width)]).copied().collect() }
}

/// The picture, rotated for display.
pub fn turned(picture: RgbImage, rotation: Rotation) -> RgbImage {
    let (width, height) = match rotation {
        Rotation::None => return picture,
        Rotation::Half => (picture.width, picture.height),
        Rotation::Quarter | Rotation::ThreeQuarters => (picture.height, picture.width),
    };
    let mut pixels = vec![0; picture.pixels.len()];
    turn(&picture.pixels, width, height, rotation, &mut pixels);
    RgbImage { width, height, pixels }
}

/// Turns and mirrors the picture as it is shown, by the orientation tag of Exif, 1 to 8.
pub(super) fn oriented(picture: &mut RgbImage, orientation: u8) {
    if matches!(orientation, 2 | 4 | 5 | 7) {
        for row in picture.pixels.chunks_exact_mut(3 * picture.width.max(1)) {
            row.as_chunks_mut::<3>().0.reverse();
        }
    }
    let rotation = match orientation {
        3 | 4 => Rotation::Half,
        6 | 7 => Rotation::Quarter,
        5 | 8 => Rotation::ThreeQuarters,
        _ => return,
    };
    *picture = turned(std::mem::take(picture), rotation);
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
