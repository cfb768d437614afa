//! The portable kernels in plain Rust, which are the specification of all others.

use super::layout::{Layout, Order, Taps};
use super::operands::{Bounds, GROUP, LANES, MAX_ROWS, Requantise, SpanF32, SpanU8, Sum, TileF32, TileU8, ToByte};
use super::{Kernels, winograd};

const LAYOUT: Layout = Layout {
    float_rows: MAX_ROWS,
    byte_rows: MAX_ROWS,
    dense: Order::Groups(GROUP),
    reads: GROUP,
    arranged: 0,
    rows_are_taps: true,
    minus: 0,
    taps: Taps::InTurn(GROUP),
};

pub(crate) const KERNELS: Kernels = Kernels {
    name: "portable",
    layout: LAYOUT,
    tile_f32,
    tile_u8,
    span_f32,
    span_u8: portable_span_u8,
    quantise,
    add_u8,
    winograd: winograd::Loops { before: winograd::before::<f32>, after: winograd::after::<f32> },
};

fn tile_f32(tile: &TileF32, bounds: Bounds, residual: Option<&[f32]>, out: &mut [f32], row_stride: usize) {
    for row in 0..tile.rows {
        for (channel, &bias) in tile.bias.iter().enumerate() {
            let (panel, lane) = (channel / LANES, channel % LANES);
            let mut sum = bias;
            for tap in 0..tile.taps {
                let pixel = &tile.source[tile.offsets[tap * tile.rows + row] as usize..][..tile.depth];
                let weights = &tile.weights[(panel * tile.taps + tap) * tile.depth * LANES..];
                for (input, weights) in pixel.iter().zip(weights.chunks_exact(LANES)) {
                    sum = input.mul_add(weights[lane], sum);
                }
            }
            let at = row * row_stride + channel;
            sum += residual.map_or(0.0, |residual| residual[at]);
            out[at] = sum.max(bounds.low).min(bounds.high);
        }
    }
}

fn tile_u8(tile: &TileU8, requantise: Requantise, _workspace: &mut [u8], out: &mut [u8], row_stride: usize) {
    for row in 0..tile.rows {
        for (channel, &bias) in tile.bias.iter().enumerate() {
            let (panel, lane) = (channel / LANES, channel % LANES);
            let mut sum = bias;
            for tap in 0..tile.taps {
                let pixel = &tile.source[tile.offsets[tap * tile.rows + row] as usize..][..tile.depth];
                let weights = &tile.weights[(panel * tile.taps + tap) * tile.depth * LANES..];
                for (inputs, weights) in pixel.chunks_exact(GROUP).zip(weights.chunks_exact(GROUP * LANES)) {
                    sum = sum.wrapping_add(dot(inputs, &weights[lane * GROUP..][..GROUP]));
                }
            }
            out[row * row_stride + channel] = requantised(sum, channel, requantise);
        }
    }
}

fn span_f32(span: &SpanF32, bounds: Bounds, out: &mut [f32]) {
    for (pixel, out) in out.chunks_exact_mut(span.channels).take(span.pixels).enumerate() {
        for (channel, out) in out.iter_mut().enumerate() {
            let mut sum = span.bias[channel];
            for (tap, &offset) in span.offsets.iter().enumerate() {
                let input = span.source[offset as usize + pixel * span.step + channel];
                sum = input.mul_add(span.weights[tap * span.channels + channel], sum);
            }
            *out = sum.max(bounds.low).min(bounds.high);
        }
    }
}

fn portable_span_u8(span: &SpanU8, requantise: Requantise, out: &mut [u8]) {
    span_u8(span, requantise, &LAYOUT, out);
}

/// For weights that lie as `layout` says.
pub(crate) fn span_u8(span: &SpanU8, requantise: Requantise, layout: &Layout, out: &mut [u8]) {
    for (pixel, out) in out.chunks_exact_mut(span.channels).take(span.pixels).enumerate() {
        for (channel, out) in out.iter_mut().enumerate() {
            let mut sum = span.bias[channel];
            for (tap, &offset) in span.offsets.iter().enumerate() {
                let input = span.source[offset as usize + pixel * span.step + channel];
                let weight = span.weights[layout.taps.position(span.size, span.channels, [channel, tap])];
                sum = sum.wrapping_add((i32::from(input) - i32::from(layout.minus)) * i32::from(weight));
            }
            *out = requantised(sum, channel, requantise);
        }
    }
}

fn dot(inputs: &[u8], weights: &[i8]) -> i32 {
    inputs.iter().zip(weights).map(|(&input, &weight)| i32::from(input) * i32::from(weight)).sum()
}

fn requantised(sum: i32, channel: usize, Requantise { scale, to, channels }: Requantise) -> u8 {
    let byte = to_byte(sum as f32 * scale[channel], to);
    channels.map_or(byte, |bounds| byte.max(bounds.low[channel]).min(bounds.high[channel]))
}

pub(crate) fn quantise(input: &[f32], scale: f32, to: ToByte, out: &mut [u8]) {
    for (out, value) in out.iter_mut().zip(input) {
        *out = to_byte(value / scale, to);
    }
}

/// Without fused multiply-adds, which not every instruction set has.
pub(crate) fn add_u8(sum: &Sum, to: ToByte, out: &mut [u8]) {
    for ((out, &a), &b) in out.iter_mut().zip(sum.a).zip(sum.b) {
        *out = to_byte(f32::from(a) * sum.factors[0] + f32::from(b) * sum.factors[1] - sum.shift, to);
    }
}

pub(crate) fn to_byte(steps: f32, to: ToByte) -> u8 {
    let zero_point = f32::from(to.zero_point);
    let bounded = steps.max(f32::from(to.low) - zero_point).min(f32::from(to.high) - zero_point);
    (bounded.round_ties_even() + zero_point) as u8
}
