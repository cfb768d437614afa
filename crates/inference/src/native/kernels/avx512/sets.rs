//! The sets of kernels for AVX-512, and all of them but the depthwise int8 ones.

use std::arch::x86_64::*;

use super::registers::{FLOAT_ROWS, Narrow, VNNI};
use crate::native::kernels::avx2::narrow::bound;
use crate::native::kernels::avx2::registers::fetch_early;
use crate::native::kernels::layout::Layout;
use crate::native::kernels::operands::{
    Bounds, GROUP, LANES, MAX_PANELS, Requantise, SpanF32, Sum, TileF32, TileU8, ToByte, with_constant,
};
use crate::native::kernels::winograd::{self, Form, Patch, Spot, Sums};
use crate::native::kernels::{Kernels, avx2, scalar};

/// The sets that this processor has. Without VNNI integers are AVX2's.
pub(crate) fn kernels() -> [Option<Kernels>; 2] {
    let layout = Layout { float_rows: FLOAT_ROWS, ..avx2::PLAIN.layout };
    let plain =
        Kernels { name: "avx512", layout, tile_f32, span_f32, quantise, add_u8, winograd: WINOGRAD, ..avx2::PLAIN };
    let vnni = Kernels { name: "avx512-vnni", layout: VNNI, tile_u8, span_u8: super::depthwise::span, ..plain };
    let has = avx2::registers::is_there()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl");
    [(has && is_x86_feature_detected!("avx512vnni")).then_some(vnni), has.then_some(plain)]
}

/// # Safety
/// The processor has the features; `tile.check` has seen the arguments.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn tile_f32(tile: &TileF32, bounds: Bounds, residual: Option<&[f32]>, out: &mut [f32], row_stride: usize) {
    let mut panel = 0;
    while panel < tile.panels() {
        let panels = MAX_PANELS.min(tile.panels() - panel);
        let residual = residual.map_or(std::ptr::null(), <[f32]>::as_ptr);
        unsafe {
            with_constant!(panels, [1 2], PANELS => with_constant!(tile.rows, [1 2 3 4 5 6 7 8 9 10 11 12 13 14], ROWS => {
                rows_f32::<ROWS, PANELS>(tile, panel, bounds, residual, out.as_mut_ptr(), row_stride);
            }));
        }
        panel += panels;
    }
}

/// # Safety
/// As [`tile_f32`]; `first + PANELS` panels and `ROWS` rows are in the tile, `residual` is null or as long as `out`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn rows_f32<const ROWS: usize, const PANELS: usize>(
    tile: &TileF32,
    first: usize,
    bounds: Bounds,
    residual: *const f32,
    out: *mut f32,
    row_stride: usize,
) {
    unsafe {
        let bias = tile.bias.as_ptr().add(first * LANES);
        let mut sums = [[_mm512_setzero_ps(); PANELS]; ROWS];
        for row in &mut sums {
            for (panel, sum) in row.iter_mut().enumerate() {
                *sum = _mm512_loadu_ps(bias.add(panel * LANES));
            }
        }
        let panel_length = tile.taps * tile.depth * LANES;
        let mut weights = tile.weights.as_ptr().add(first * panel_length);
        for tap in 0..tile.taps {
            let mut rows = [tile.source.as_ptr(); ROWS];
            for row in 0..ROWS {
                rows[row] = rows[row].add(*tile.offsets.as_ptr().add(tap * ROWS + row) as usize);
            }
            for channel in 0..tile.depth {
                let mut column = [_mm512_setzero_ps(); PANELS];
                for (panel, column) in column.iter_mut().enumerate() {
                    *column = _mm512_loadu_ps(weights.add(panel * panel_length));
                    fetch_early(weights.wrapping_add(panel * panel_length));
                }
                for row in 0..ROWS {
                    let input = _mm512_set1_ps(*rows[row].add(channel));
                    for panel in 0..PANELS {
                        sums[row][panel] = _mm512_fmadd_ps(input, column[panel], sums[row][panel]);
                    }
                }
                weights = weights.add(LANES);
            }
        }
        let (low, high) = (_mm512_set1_ps(bounds.low), _mm512_set1_ps(bounds.high));
        for (row, sums) in sums.iter().enumerate() {
            for (panel, &sum) in sums.iter().enumerate() {
                let at = row * row_stride + (first + panel) * LANES;
                let sum = if residual.is_null() { sum } else { _mm512_add_ps(sum, _mm512_loadu_ps(residual.add(at))) };
                _mm512_storeu_ps(out.add(at), _mm512_min_ps(_mm512_max_ps(sum, low), high));
            }
        }
    }
}

/// # Safety
/// The processor has the features; `tile.check` has seen the arguments.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn tile_u8(tile: &TileU8, requantise: Requantise, _workspace: &mut [u8], out: &mut [u8], row_stride: usize) {
    let mut panel = 0;
    while panel < tile.panels() {
        let panels = MAX_PANELS.min(tile.panels() - panel);
        unsafe {
            with_constant!(panels, [1 2], PANELS => with_constant!(tile.rows, [1 2 3 4 5 6 7 8 9 10 11 12 13 14], ROWS => {
                rows_u8::<ROWS, PANELS>(tile, panel, requantise, out.as_mut_ptr(), row_stride);
            }));
        }
        panel += panels;
    }
}

/// # Safety
/// As [`tile_u8`]; `first + PANELS` panels and `ROWS` rows are in the tile.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn rows_u8<const ROWS: usize, const PANELS: usize>(
    tile: &TileU8,
    first: usize,
    requantise: Requantise,
    out: *mut u8,
    row_stride: usize,
) {
    unsafe {
        let bias = tile.bias.as_ptr().add(first * LANES);
        let mut sums = [[_mm512_setzero_si512(); PANELS]; ROWS];
        for row in &mut sums {
            for (panel, sum) in row.iter_mut().enumerate() {
                *sum = _mm512_loadu_si512(bias.add(panel * LANES).cast());
            }
        }
        let panel_length = tile.taps * tile.depth * LANES;
        let mut weights = tile.weights.as_ptr().add(first * panel_length);
        for tap in 0..tile.taps {
            let mut rows = [tile.source.as_ptr(); ROWS];
            for row in 0..ROWS {
                rows[row] = rows[row].add(*tile.offsets.as_ptr().add(tap * ROWS + row) as usize);
            }
            for channel in (0..tile.depth).step_by(GROUP) {
                let mut column = [_mm512_setzero_si512(); PANELS];
                for (panel, column) in column.iter_mut().enumerate() {
                    *column = _mm512_loadu_si512(weights.add(panel * panel_length).cast());
                    fetch_early(weights.wrapping_add(panel * panel_length));
                }
                for row in 0..ROWS {
                    let input = _mm512_set1_epi32(rows[row].add(channel).cast::<i32>().read_unaligned());
                    for panel in 0..PANELS {
                        sums[row][panel] = _mm512_dpbusd_epi32(sums[row][panel], input, column[panel]);
                    }
                }
                weights = weights.add(LANES * GROUP);
            }
        }
        let narrow = Narrow::new(requantise.to);
        for panel in 0..PANELS {
            let scale = _mm512_loadu_ps(requantise.scale.as_ptr().add((first + panel) * LANES));
            for (row, sums) in sums.iter().enumerate() {
                let bytes = _mm512_cvtepi32_epi8(narrow.scaled(sums[panel], scale));
                _mm_storeu_si128(out.add(row * row_stride + (first + panel) * LANES).cast(), bytes);
            }
        }
        for channel in (first * LANES..(first + PANELS) * LANES).step_by(LANES) {
            bound(requantise.channels, channel, out.add(channel), ROWS, row_stride);
        }
    }
}

/// # Safety
/// The processor has the features; `span.check` has seen the arguments.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn span_f32(span: &SpanF32, bounds: Bounds, out: &mut [f32]) {
    unsafe {
        match span.offsets.len() {
            9 => taps_f32::<9>(span, bounds, out.as_mut_ptr()),
            25 => taps_f32::<25>(span, bounds, out.as_mut_ptr()),
            _ => scalar::KERNELS.span_f32(span, bounds, out),
        }
    }
}

/// # Safety
/// As [`span_f32`]; the span has `TAPS` taps.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn taps_f32<const TAPS: usize>(span: &SpanF32, bounds: Bounds, out: *mut f32) {
    unsafe {
        let (low, high) = (_mm512_set1_ps(bounds.low), _mm512_set1_ps(bounds.high));
        for channel in (0..span.channels).step_by(LANES) {
            let mut weights = [_mm512_setzero_ps(); TAPS];
            let mut inputs = [span.source.as_ptr(); TAPS];
            for tap in 0..TAPS {
                weights[tap] = _mm512_loadu_ps(span.weights.as_ptr().add(tap * span.channels + channel));
                inputs[tap] = inputs[tap].add(span.offsets[tap] as usize + channel);
            }
            let bias = _mm512_loadu_ps(span.bias.as_ptr().add(channel));
            for pixel in 0..span.pixels {
                let mut sum = bias;
                for tap in 0..TAPS {
                    sum = _mm512_fmadd_ps(_mm512_loadu_ps(inputs[tap].add(pixel * span.step)), weights[tap], sum);
                }
                let bounded = _mm512_min_ps(_mm512_max_ps(sum, low), high);
                _mm512_storeu_ps(out.add(pixel * span.channels + channel), bounded);
            }
        }
    }
}

/// # Safety
/// The processor has the features.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn quantise(input: &[f32], scale: f32, to: ToByte, out: &mut [u8]) {
    let length = out.len().min(input.len()) / LANES * LANES;
    let (divisor, narrow) = (_mm512_set1_ps(scale), Narrow::new(to));
    for at in (0..length).step_by(LANES) {
        unsafe {
            let steps = _mm512_div_ps(_mm512_loadu_ps(input.as_ptr().add(at)), divisor);
            _mm_storeu_si128(out.as_mut_ptr().add(at).cast(), _mm512_cvtepi32_epi8(narrow.narrow(steps)));
        }
    }
    scalar::quantise(&input[length..], scale, to, &mut out[length..]);
}

/// # Safety
/// The processor has the features.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn add_u8(sum: &Sum, to: ToByte, out: &mut [u8]) {
    let length = out.len().min(sum.a.len()).min(sum.b.len()) / LANES * LANES;
    let (shift, narrow) = (_mm512_set1_ps(sum.shift), Narrow::new(to));
    let (factor_a, factor_b) = (_mm512_set1_ps(sum.factors[0]), _mm512_set1_ps(sum.factors[1]));
    for at in (0..length).step_by(LANES) {
        unsafe {
            let (a, b) = (sum.a.as_ptr().add(at), sum.b.as_ptr().add(at));
            let a = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(a.cast())));
            let b = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(b.cast())));
            let added = _mm512_add_ps(_mm512_mul_ps(a, factor_a), _mm512_mul_ps(b, factor_b));
            let bytes = _mm512_cvtepi32_epi8(narrow.narrow(_mm512_sub_ps(added, shift)));
            _mm_storeu_si128(out.as_mut_ptr().add(at).cast(), bytes);
        }
    }
    let rest = Sum { a: &sum.a[length..], b: &sum.b[length..], ..*sum };
    scalar::add_u8(&rest, to, &mut out[length..]);
}

const WINOGRAD: winograd::Loops = winograd::Loops { before: winograd_before, after: winograd_after };

/// # Safety
/// The processor has the features; `Kernels::winograd_before` has seen the arguments.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn winograd_before(form: Form, patch: &Patch, out: &mut [f32], step: usize) {
    unsafe { winograd::before::<__m512>(form, patch, out, step) }
}

/// # Safety
/// The processor has the features; `Kernels::winograd_after` has seen the arguments.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn winograd_after(form: Form, sums: &Sums, out: &mut [f32], spot: Spot) {
    unsafe { winograd::after::<__m512>(form, sums, out, spot) }
}

// SAFETY of all of it: only the two functions above calculate with these vectors, and they have the features.
impl winograd::Vector for __m512 {
    const WIDTH: usize = 16;

    #[inline(always)]
    fn all(value: f32) -> Self {
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self) }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        unsafe { _mm512_add_ps(self, other) }
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        unsafe { _mm512_sub_ps(self, other) }
    }

    #[inline(always)]
    fn times(self, factor: f32) -> Self {
        unsafe { _mm512_mul_ps(self, _mm512_set1_ps(factor)) }
    }

    #[inline(always)]
    fn within(self, low: Self, high: Self) -> Self {
        unsafe { _mm512_min_ps(_mm512_max_ps(self, low), high) }
    }
}
