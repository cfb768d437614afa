//! Floats: six pixels by a panel of two registers are twelve accumulators.

#![allow(unsafe_code, reason = "intrinsics; every pointer is inside of what `check` has seen")]

use std::arch::x86_64::*;

use super::registers::{PANEL, WIDTH, fetch_early};
use crate::native::kernels::operands::{Bounds, LANES, SpanF32, TileF32, with_constant};
use crate::native::kernels::scalar;
use crate::native::kernels::winograd::{self, Form, Patch, Spot, Sums};

/// # Safety
/// The processor has the features; `tile.check` has seen the arguments.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn tile(
    tile: &TileF32,
    bounds: Bounds,
    residual: Option<&[f32]>,
    out: &mut [f32],
    row_stride: usize,
) {
    let residual = residual.map_or(std::ptr::null(), <[f32]>::as_ptr);
    for panel in 0..tile.panels() {
        with_constant!(tile.rows, [1 2 3 4 5 6], ROWS => unsafe {
            rows::<ROWS>(tile, panel, bounds, residual, out.as_mut_ptr(), row_stride);
        });
    }
}

/// # Safety
/// As [`tile`]; the tile has `ROWS` rows and a panel `panel`, `residual` is null or as long as `out`.
#[target_feature(enable = "avx2,fma")]
unsafe fn rows<const ROWS: usize>(
    tile: &TileF32,
    panel: usize,
    bounds: Bounds,
    residual: *const f32,
    out: *mut f32,
    row_stride: usize,
) {
    unsafe {
        let mut sums = [[_mm256_setzero_ps(); PANEL]; ROWS];
        for vector in 0..PANEL {
            let bias = _mm256_loadu_ps(tile.bias.as_ptr().add(panel * LANES + vector * WIDTH));
            for sums in &mut sums {
                sums[vector] = bias;
            }
        }
        let mut weights = tile.weights.as_ptr().add(panel * tile.taps * tile.depth * LANES);
        for tap in 0..tile.taps {
            let mut pixels = [tile.source.as_ptr(); ROWS];
            for row in 0..ROWS {
                pixels[row] = pixels[row].add(*tile.offsets.as_ptr().add(tap * ROWS + row) as usize);
            }
            for channel in 0..tile.depth {
                let column = [_mm256_loadu_ps(weights), _mm256_loadu_ps(weights.add(WIDTH))];
                fetch_early(weights);
                for row in 0..ROWS {
                    let input = _mm256_broadcast_ss(&*pixels[row].add(channel));
                    for vector in 0..PANEL {
                        sums[row][vector] = _mm256_fmadd_ps(input, column[vector], sums[row][vector]);
                    }
                }
                weights = weights.add(LANES);
            }
        }
        let (low, high) = (_mm256_set1_ps(bounds.low), _mm256_set1_ps(bounds.high));
        for (row, sums) in sums.iter().enumerate() {
            for (vector, &sum) in sums.iter().enumerate() {
                let at = row * row_stride + panel * LANES + vector * WIDTH;
                let sum = if residual.is_null() { sum } else { _mm256_add_ps(sum, _mm256_loadu_ps(residual.add(at))) };
                _mm256_storeu_ps(out.add(at), _mm256_min_ps(_mm256_max_ps(sum, low), high));
            }
        }
    }
}

/// # Safety
/// The processor has the features; `span.check` has seen the arguments.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn span(span: &SpanF32, bounds: Bounds, out: &mut [f32]) {
    unsafe {
        match span.offsets.len() {
            9 => taps::<9>(span, bounds, out.as_mut_ptr()),
            25 => taps::<25>(span, bounds, out.as_mut_ptr()),
            _ => scalar::KERNELS.span_f32(span, bounds, out),
        }
    }
}

/// # Safety
/// As [`span`]; the span has `TAPS` taps.
#[target_feature(enable = "avx2,fma")]
unsafe fn taps<const TAPS: usize>(span: &SpanF32, bounds: Bounds, out: *mut f32) {
    unsafe {
        let (low, high) = (_mm256_set1_ps(bounds.low), _mm256_set1_ps(bounds.high));
        for channel in (0..span.channels).step_by(WIDTH) {
            let mut inputs = [span.source.as_ptr(); TAPS];
            for tap in 0..TAPS {
                inputs[tap] = inputs[tap].add(span.offsets[tap] as usize + channel);
            }
            let bias = _mm256_loadu_ps(span.bias.as_ptr().add(channel));
            let weights = span.weights.as_ptr().add(channel);
            for pixel in 0..span.pixels {
                let mut sum = bias;
                for tap in 0..TAPS {
                    let weight = _mm256_loadu_ps(weights.add(tap * span.channels));
                    sum = _mm256_fmadd_ps(_mm256_loadu_ps(inputs[tap].add(pixel * span.step)), weight, sum);
                }
                let bounded = _mm256_min_ps(_mm256_max_ps(sum, low), high);
                _mm256_storeu_ps(out.add(pixel * span.channels + channel), bounded);
            }
        }
    }
}

pub(super) const WINOGRAD: winograd::Loops = winograd::Loops { before: winograd_before, after: winograd_after };

/// # Safety
/// The processor has the features; `Kernels::winograd_before` has seen the arguments.
#[target_feature(enable = "avx2,fma")]
unsafe fn winograd_before(form: Form, patch: &Patch, out: &mut [f32], step: usize) {
    unsafe { winograd::before::<__m256>(form, patch, out, step) }
}

/// # Safety
/// The processor has the features; `Kernels::winograd_after` has seen the arguments.
#[target_feature(enable = "avx2,fma")]
unsafe fn winograd_after(form: Form, sums: &Sums, out: &mut [f32], spot: Spot) {
    unsafe { winograd::after::<__m256>(form, sums, out, spot) }
}

// SAFETY of all of it: only the two functions above calculate with these vectors, and they have the features.
impl winograd::Vector for __m256 {
    const WIDTH: usize = 8;

    #[inline(always)]
    fn all(value: f32) -> Self {
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, self) }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        unsafe { _mm256_add_ps(self, other) }
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        unsafe { _mm256_sub_ps(self, other) }
    }

    #[inline(always)]
    fn times(self, factor: f32) -> Self {
        unsafe { _mm256_mul_ps(self, _mm256_set1_ps(factor)) }
    }

    #[inline(always)]
    fn within(self, low: Self, high: Self) -> Self {
        unsafe { _mm256_min_ps(_mm256_max_ps(self, low), high) }
    }
}
