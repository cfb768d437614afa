//! Elementwise operations, pooling and concatenation: plain loops, which take a few per cent of the time.

use std::ops::Range;

use super::kernels::operands::{Bounds, ToByte};
use super::kernels::scalar::to_byte;
use super::layer::{PoolKind, Quant, Window};
use super::tensor_view::TensorView;
use crate::input::Layout;

/// From the order of the model's input to channels last, for some of the pixels.
pub(super) fn interleave<T: Copy>(values: &[T], layout: Layout, place: TensorView, part: Range<usize>, out: &mut [T]) {
    let (channels, pixels) = (place.shape.channels, place.shape.pixels());
    if layout == Layout::Nhwc && place.stride == channels {
        out.copy_from_slice(&values[part.start * channels..][..out.len()]);
        return;
    }
    // The usual case of three channels; without an inner loop it takes half the time.
    if layout == Layout::Nchw && channels == 3 && place.stride == 3 {
        let [red, green, blue] = [0, 1, 2].map(|channel| &values[channel * pixels..][part.clone()]);
        let colours = red.iter().zip(green).zip(blue);
        for (out, ((&red, &green), &blue)) in out.as_chunks_mut::<3>().0.iter_mut().zip(colours) {
            *out = [red, green, blue];
        }
        return;
    }
    for (pixel, out) in part.zip(out.chunks_exact_mut(place.stride)) {
        for (channel, out) in out[..channels].iter_mut().enumerate() {
            *out = match layout {
                Layout::Nchw => values[channel * pixels + pixel],
                Layout::Nhwc => values[pixel * channels + channel],
            };
        }
    }
}

pub(super) fn clip(input: &[f32], bounds: Bounds, out: &mut [f32]) {
    for (out, &value) in out.iter_mut().zip(input) {
        *out = value.max(bounds.low).min(bounds.high);
    }
}

/// `gain * value + shift`, channel by channel.
pub(super) fn scale_and_shift(input: &[f32], each: &[(f32, f32)], bounds: Bounds, stride: usize, out: &mut [f32]) {
    for (out, input) in out.chunks_exact_mut(stride).zip(input.chunks_exact(stride)) {
        for ((out, input), (gain, shift)) in out.iter_mut().zip(input).zip(each) {
            *out = (input * gain + shift).max(bounds.low).min(bounds.high);
        }
    }
}

/// Each channel within bounds of its own; what is no number becomes the lower one.
pub(super) fn bound<T: Copy + PartialOrd>(channels: &[[T; 2]], stride: usize, out: &mut [T]) {
    for pixel in out.chunks_exact_mut(stride) {
        for (value, &[low, high]) in pixel.iter_mut().zip(channels) {
            if *value > high {
                *value = high;
            } else if !(low..=high).contains(value) {
                *value = low;
            }
        }
    }
}

pub(super) fn add_f32(a: &[f32], b: &[f32], bounds: Bounds, out: &mut [f32]) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = (a + b).max(bounds.low).min(bounds.high);
    }
}

pub(super) fn dequantise(input: &[u8], from: Quant, out: &mut [f32]) {
    for (out, &byte) in out.iter_mut().zip(input) {
        *out = from.dequantise(byte);
    }
}

pub(super) fn look_up(input: &[u8], table: &[u8; 256], out: &mut [u8]) {
    for (out, &byte) in out.iter_mut().zip(input) {
        *out = table[usize::from(byte)];
    }
}

/// Parts of each pixel's channels, one after the other.
pub(super) fn concat<'a, T: Copy + 'a>(
    inputs: impl Iterator<Item = (&'a [T], TensorView)>,
    place: TensorView,
    out: &mut [T],
) {
    let mut first = 0;
    for (input, from) in inputs {
        let channels = from.shape.channels;
        for (out, input) in out.chunks_exact_mut(place.stride).zip(input.chunks_exact(from.stride)) {
            out[first..first + channels].copy_from_slice(&input[..channels]);
        }
        first += channels;
    }
}

/// Some of the pixels, from `first` on; the others here do the same.
pub(super) fn pool_f32(
    (input, place): (&[f32], TensorView),
    kind: PoolKind,
    window: &Window,
    bounds: Bounds,
    (output, first): (TensorView, usize),
    out: &mut [f32],
) {
    for (pixel, out) in out.chunks_exact_mut(output.stride).enumerate() {
        let out = &mut out[..place.shape.channels];
        let mut seen = 0;
        out.fill(if kind == PoolKind::Max { f32::NEG_INFINITY } else { 0.0 });
        for at in pixels_in(window, place, output, first + pixel) {
            seen += 1;
            let input = &input[at..at + out.len()];
            match kind {
                PoolKind::Max => {
                    out.iter_mut().zip(input).for_each(|(out, &value)| *out = if value > *out { value } else { *out });
                }
                PoolKind::Average { .. } => out.iter_mut().zip(input).for_each(|(out, &value)| *out += value),
            }
        }
        let divisor = divisor(kind, window, seen) as f32;
        for out in out {
            *out = (*out / divisor).max(bounds.low).min(bounds.high);
        }
    }
}

/// The largest byte, which stands for the largest number: its scale stays what it was.
pub(super) fn max_u8(
    (input, place): (&[u8], TensorView),
    window: &Window,
    to: ToByte,
    (output, first): (TensorView, usize),
    out: &mut [u8],
) {
    for (pixel, out) in out.chunks_exact_mut(output.stride).enumerate() {
        let out = &mut out[..place.shape.channels];
        out.fill(to.low);
        for at in pixels_in(window, place, output, first + pixel) {
            for (out, &byte) in out.iter_mut().zip(&input[at..]) {
                *out = byte.max(*out);
            }
        }
        for out in out {
            *out = to.high.min(*out);
        }
    }
}

/// The mean, in integers until the last step.
pub(super) fn mean_u8(
    (input, place, from): (&[u8], TensorView, Quant),
    with_padding: bool,
    window: &Window,
    (scale, to): (f32, ToByte),
    (output, first): (TensorView, usize),
    out: &mut [u8],
) {
    /// Channels that are summed at once.
    const BLOCK: usize = 64;
    for (pixel, out) in out.chunks_exact_mut(output.stride).enumerate() {
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let mut sums = [0_i32; BLOCK];
            let mut seen = 0;
            for at in pixels_in(window, place, output, first + pixel) {
                seen += 1;
                for (sum, &byte) in sums.iter_mut().zip(&input[at + block * BLOCK..]) {
                    *sum += i32::from(byte);
                }
            }
            let divisor = divisor(PoolKind::Average { with_padding }, window, seen);
            let factor = from.scale / (scale * divisor as f32);
            let zero = divisor as i32 * i32::from(from.zero_point);
            for (out, &sum) in out.iter_mut().zip(&sums) {
                *out = to_byte((sum - zero) as f32 * factor, to);
            }
        }
    }
}

/// The indices of a window's pixels that are in the picture.
fn pixels_in(window: &Window, place: TensorView, output: TensorView, pixel: usize) -> impl Iterator<Item = usize> {
    let pixel = [pixel / output.shape.width, pixel % output.shape.width];
    let Window { size, stride, dilation, pads } = *window;
    let inside = move |axis: usize, tap: usize, length: usize| {
        (pixel[axis] * stride[axis] + tap * dilation[axis]).checked_sub(pads[axis]).filter(|&at| at < length)
    };
    let rows = (0..size[0]).filter_map(move |tap| inside(0, tap, place.shape.height));
    rows.flat_map(move |row| {
        let columns = (0..size[1]).filter_map(move |tap| inside(1, tap, place.shape.width));
        columns.map(move |column| (row * place.shape.width + column) * place.stride)
    })
}

fn divisor(kind: PoolKind, window: &Window, seen: usize) -> usize {
    match kind {
        PoolKind::Max => 1,
        PoolKind::Average { with_padding: true } => window.taps(),
        PoolKind::Average { with_padding: false } => seen.max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::layer::Shape;

    #[test]
    fn the_largest_byte_of_a_window_is_bounded_and_what_lies_outside_does_not_count() {
        let place = |height, width| TensorView { buffer: 0, shape: Shape { height, width, channels: 2 }, stride: 2 };
        let window = Window { size: [2, 2], stride: [2, 2], dilation: [1, 1], pads: [1, 1, 0, 0] };
        // Nine pixels of two channels.
        let input = [10, 250, 20, 240, 30, 230, 40, 220, 50, 210, 60, 200, 70, 190, 80, 180, 90, 170];
        let mut out = [0; 8];
        let to = ToByte { zero_point: 100, low: 15, high: 245 };
        max_u8((&input, place(3, 3)), &window, to, (place(2, 2), 0), &mut out);
        let mut last = [0; 2];
        max_u8((&input, place(3, 3)), &window, to, (place(2, 2), 3), &mut last);
        assert_eq!(last, out[6..]);
        assert_eq!(out, [15, 245, 30, 240, 70, 220, 90, 210]);
    }
}
