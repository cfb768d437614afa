//! The last step: colour conversion, normalisation, and the tensor's layout and channel order.

use super::colour::Colour;
use crate::domain::framing::Rotation;
use crate::preprocess::colour::{full_range, video_range};
use glimpsed_inference::{ChannelOrder, InputSpec, Layout, Tensor, widened};

/// Writes rows of the resampled picture into the tensor.
pub(super) struct Packer {
    spec: InputSpec,
    rotation: Rotation,
    /// Per channel: `value * factor + shift` equals `(value / 255 - mean) / std`.
    factor: [f32; 3],
    shift: [f32; 3],
    /// Scratch: a row converted to red, green and blue.
    rgb: [Vec<u8>; 3],
    /// Scratch: a row of one channel that is none of them, the brightness or the alpha.
    other: Vec<u8>,
}

impl Packer {
    pub(super) fn new(spec: &InputSpec, rotation: Rotation) -> Self {
        let factor = spec.std.map(|std| (1.0 / (255.0 * f64::from(std))) as f32);
        let shift = [0, 1, 2].map(|colour| -spec.mean[colour] / spec.std[colour]);
        Self { spec: spec.clone(), rotation, factor, shift, rgb: Default::default(), other: Vec::new() }
    }

    /// Writes row `row` of the unrotated picture, with the components `rows`, to its place in the tensor.
    pub(super) fn pack(&mut self, colour: Colour, row: usize, rows: &[Vec<u8>; 3], tensor: &mut Tensor) {
        self.rgb.iter_mut().for_each(|colour| colour.resize(rows[0].len(), 0));
        let rgb: [&[u8]; 3] = match colour {
            Colour::Rgb => [&rows[0], &rows[1], &rows[2]],
            Colour::Grey => [&rows[0]; 3],
            Colour::FullRange => widened(|| convert(&mut self.rgb, rows, full_range)),
            Colour::VideoRange => widened(|| convert(&mut self.rgb, rows, video_range)),
        };
        let pixels = self.spec.width * self.spec.height;
        let length = rows[0].len();
        let (first, step) = place(row, length, pixels / length.max(1), self.rotation);
        /// The channel that is none of the three colours.
        const OTHER: usize = 3;
        let order: &[usize] = match self.spec.channels {
            ChannelOrder::Rgb => &[0, 1, 2],
            ChannelOrder::Bgr => &[2, 1, 0],
            ChannelOrder::Gray => &[OTHER],
            ChannelOrder::Rgba => &[0, 1, 2, OTHER],
            ChannelOrder::Bgra => &[2, 1, 0, OTHER],
        };
        match self.spec.channels {
            ChannelOrder::Rgb | ChannelOrder::Bgr => {}
            ChannelOrder::Gray => brightness(rgb, &mut self.other),
            ChannelOrder::Rgba | ChannelOrder::Bgra => self.other.resize(length, u8::MAX),
        }
        let (count, channels) = (order.len(), [rgb[0], rgb[1], rgb[2], &self.other]);
        for (position, &channel) in order.iter().enumerate() {
            let (first, step) = match self.spec.layout {
                Layout::Nchw => (position * pixels + first, step),
                Layout::Nhwc => (position + count * first, count as isize * step),
            };
            // An alpha is scaled as the first colour is, and brightness as all of them are.
            let colour = if channel == OTHER { 0 } else { channel };
            let (factor, shift) = (self.factor[colour], self.shift[colour]);
            match tensor {
                Tensor::F32(out) => widened(|| {
                    put(channels[channel], out, first, step, |value| f32::from(value) * factor + shift);
                }),
                Tensor::U8(out) => put(channels[channel], out, first, step, |value| value),
            }
        }
    }
}

/// The brightness of each pixel, as Pillow computes it for its mode `L`: the weights of ITU-R BT.601, rounded.
fn brightness([red, green, blue]: [&[u8]; 3], out: &mut Vec<u8>) {
    let weighed = |[red, green, blue]: [u8; 3]| {
        let sum = u32::from(red) * 19595 + u32::from(green) * 38470 + u32::from(blue) * 7471;
        ((sum + 0x8000) >> 16) as u8
    };
    out.clear();
    out.extend(red.iter().zip(green).zip(blue).map(|((&red, &green), &blue)| weighed([red, green, blue])));
}

#[inline(always)]
fn convert<'a>(
    rgb: &'a mut [Vec<u8>; 3],
    [luma, blue, red]: &[Vec<u8>; 3],
    convert: impl Fn(u8, u8, u8) -> [u8; 3],
) -> [&'a [u8]; 3] {
    let [r, g, b] = rgb;
    let length = luma.len().min(blue.len()).min(red.len());
    let (r, g, b) = (&mut r[..length], &mut g[..length], &mut b[..length]);
    let (luma, blue, red) = (&luma[..length], &blue[..length], &red[..length]);
    for at in 0..length {
        [r[at], g[at], b[at]] = convert(luma[at], blue[at], red[at]);
    }
    [r, g, b]
}

/// Index of the rotated picture's pixel for the first pixel of row `row`, and the step from one pixel of that row to
/// the next. Before the clockwise rotation, the picture has `rows` rows of `length` pixels.
fn place(row: usize, length: usize, rows: usize, rotation: Rotation) -> (usize, isize) {
    match rotation {
        Rotation::None => (row * length, 1),
        Rotation::Half => (rows * length - 1 - row * length, -1),
        Rotation::Quarter => (rows - 1 - row, rows as isize),
        Rotation::ThreeQuarters => ((length - 1) * rows + row, -(rows as isize)),
    }
}

/// Writes the values of a row to `out[first]`, `out[first + step]` and so on.
#[inline(always)]
fn put<T>(row: &[u8], out: &mut [T], first: usize, step: isize, value: impl Fn(u8) -> T) {
    if step == 1 {
        for (entry, &byte) in out[first..].iter_mut().zip(row) {
            *entry = value(byte);
        }
        return;
    }
    let mut at = first;
    for &byte in row {
        if let Some(entry) = out.get_mut(at) {
            *entry = value(byte);
        }
        at = at.wrapping_add_signed(step);
    }
}

/// Rotates an interleaved picture clockwise; `width` and `height` are those of the result.
pub(super) fn turn(source: &[u8], width: usize, height: usize, rotation: Rotation, out: &mut [u8]) {
    let (length, rows) = match rotation {
        Rotation::None | Rotation::Half => (width, height),
        Rotation::Quarter | Rotation::ThreeQuarters => (height, width),
    };
    for (row, pixels) in source.chunks_exact(3 * length.max(1)).enumerate() {
        let (mut at, step) = place(row, length, rows, rotation);
        for pixel in pixels.as_chunks::<3>().0 {
            if let Some(out) = out.get_mut(3 * at..3 * at + 3) {
                out.copy_from_slice(pixel);
            }
            at = at.wrapping_add_signed(step);
        }
    }
}
