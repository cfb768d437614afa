//! Depthwise convolutions of floats, column by column of their windows: neighbouring windows share columns, so each is loaded
//! once and added to all sums that need it, of which there are as many as windows that overlap. Written once, for vectors of any
//! width.

#![allow(unsafe_code, reason = "loads and stores; every pointer is inside of what `Span::check` has seen")]
#![allow(clippy::needless_range_loop, reason = "constant indices put small arrays into registers; iterators do not")]

use super::vector::Vector;
use super::{Bounds, SpanF32, scalar};

/// # Safety
/// The processor has `V`'s instructions, and `Span::check` has seen the arguments.
#[inline(always)]
pub unsafe fn span<V: Vector>(span: &SpanF32, bounds: Bounds, out: &mut [f32]) {
    let to = out.as_mut_ptr();
    // Windows that share nothing are as far ahead as they are wide.
    let ahead = if span.pixels == 1 { 0 } else { span.ahead };
    unsafe {
        match (span.size, ahead) {
            ([3, 3], 1) => columns::<V, 3, 1, 3>(span, bounds, to),
            ([3, 3], 2) => columns::<V, 3, 2, 2>(span, bounds, to),
            ([3, 3], _) => columns::<V, 3, 3, 1>(span, bounds, to),
            ([5, 5], 1) => columns::<V, 5, 1, 5>(span, bounds, to),
            ([5, 5], 2) => columns::<V, 5, 2, 3>(span, bounds, to),
            ([5, 5], _) => columns::<V, 5, 5, 1>(span, bounds, to),
            _ => scalar::span_f32(span, bounds, out),
        }
    }
}

/// Windows of `SIDE` columns of as many rows, each window `AHEAD` columns ahead of the one before; so `SUMS` overlap.
///
/// # Safety
/// As [`span`]; the span's windows are such.
#[inline(always)]
unsafe fn columns<V: Vector, const SIDE: usize, const AHEAD: usize, const SUMS: usize>(
    span: &SpanF32,
    bounds: Bounds,
    out: *mut f32,
) {
    let (low, high) = (V::all(bounds.low), V::all(bounds.high));
    let mut channel = 0;
    while channel < span.channels {
        unsafe {
            let mut weights = [[V::all(0.0); SIDE]; SIDE];
            for column in 0..SIDE {
                for row in 0..SIDE {
                    weights[column][row] =
                        V::load(span.weights.as_ptr().add((row * SIDE + column) * span.channels + channel));
                }
            }
            let bias = V::load(span.bias.as_ptr().add(channel));
            let mut sums = [bias; SUMS];
            for column in 0..SIDE - AHEAD {
                let pixels = column_of::<V, SIDE>(span, column, channel);
                for window in 0..SUMS {
                    if column >= window * AHEAD {
                        sums[window] = add(sums[window], &pixels, &weights[column - window * AHEAD]);
                    }
                }
            }
            // The rows of each new column, which move along together.
            let mut rows = [[span.source.as_ptr(); SIDE]; AHEAD];
            for column in 0..AHEAD {
                for row in 0..SIDE {
                    let offset = *span.offsets.as_ptr().add(row * SIDE + SIDE - AHEAD + column) as usize;
                    rows[column][row] = rows[column][row].add(offset + channel);
                }
            }
            let mut pixel = 0;
            while pixel < span.pixels {
                for new in 0..AHEAD {
                    let column = SIDE - AHEAD + new;
                    let mut pixels = [bias; SIDE];
                    for row in 0..SIDE {
                        pixels[row] = V::load(rows[new][row].add(pixel * span.step));
                    }
                    for window in 0..SUMS {
                        if column >= window * AHEAD {
                            sums[window] = add(sums[window], &pixels, &weights[column - window * AHEAD]);
                        }
                    }
                }
                sums[0].within(low, high).store(out.add(pixel * span.channels + channel));
                for window in 1..SUMS {
                    sums[window - 1] = sums[window];
                }
                sums[SUMS - 1] = bias;
                pixel += 1;
            }
        }
        channel += V::WIDTH;
    }
}

/// # Safety
/// As [`columns`]; the first window has this column.
#[inline(always)]
unsafe fn column_of<V: Vector, const SIDE: usize>(span: &SpanF32, column: usize, channel: usize) -> [V; SIDE] {
    let mut pixels = [V::all(0.0); SIDE];
    for row in 0..SIDE {
        pixels[row] = unsafe {
            let offset = *span.offsets.as_ptr().add(row * SIDE + column) as usize;
            V::load(span.source.as_ptr().add(offset + channel))
        };
    }
    pixels
}

#[inline(always)]
fn add<V: Vector, const SIDE: usize>(sum: V, pixels: &[V; SIDE], weights: &[V; SIDE]) -> V {
    let mut sum = sum;
    for row in 0..SIDE {
        sum = pixels[row].fused(weights[row], sum);
    }
    sum
}
