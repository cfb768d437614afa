//! int8 without dot products of bytes: one instruction multiplies two input channels, or two taps, as 16-bit words and
//! adds the products.

#![allow(unsafe_code, reason = "intrinsics; every pointer is inside of what `check` has seen")]

use std::arch::x86_64::*;

use super::narrow::{Narrow, bound, load_scales};
use super::registers::{BYTES, PAIR, PANEL, WIDTH};
use crate::native::kernels::operands::{GROUP, LANES, Requantise, SpanU8, TileU8, with_constant};
use crate::native::kernels::scalar;

/// # Safety
/// The processor has the features; `tile.check` has seen the arguments; `workspace` holds [`BYTES`]'s workspace for the
/// tile.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn tile(
    tile: &TileU8,
    requantise: Requantise,
    workspace: &mut [u8],
    out: &mut [u8],
    row_stride: usize,
) {
    let (inputs, out) = (workspace.as_mut_ptr().cast(), out.as_mut_ptr());
    with_constant!(tile.rows, [1 2 3 4 5 6], ROWS => unsafe {
        widen::<ROWS>(tile, inputs);
        for panel in 0..tile.panels() {
            rows::<ROWS>(tile, panel, inputs, requantise, out, row_stride);
        }
    });
}

/// Writes the bytes of the pixels as 16-bit words, `[row][tap][depth]`. It is done once for all panels, and then a
/// single load broadcasts a pair of words.
///
/// # Safety
/// `tile.check` has seen the tile, which has `ROWS` rows; there is room for `ROWS` times its taps times its depth.
#[target_feature(enable = "avx2,fma")]
unsafe fn widen<const ROWS: usize>(tile: &TileU8, inputs: *mut i16) {
    let whole = tile.depth / LANES * LANES;
    for tap in 0..tile.taps {
        for row in 0..ROWS {
            unsafe {
                let from = tile.source.as_ptr().add(*tile.offsets.as_ptr().add(tap * ROWS + row) as usize);
                let to = inputs.add((row * tile.taps + tap) * tile.depth);
                for channel in (0..whole).step_by(LANES) {
                    let bytes = _mm_loadu_si128(from.add(channel).cast());
                    _mm256_storeu_si256(to.add(channel).cast(), _mm256_cvtepu8_epi16(bytes));
                }
                for channel in (whole..tile.depth).step_by(GROUP) {
                    let bytes = _mm_cvtsi32_si128(from.add(channel).cast::<i32>().read_unaligned());
                    _mm_storel_epi64(to.add(channel).cast(), _mm_cvtepu8_epi16(bytes));
                }
            }
        }
    }
}

/// Computes a panel, two input channels at a time as 16-bit words. Their products are added in 32 bits without
/// overflow, whereas the instruction that multiplies bytes saturates at 16 bits.
///
/// # Safety
/// As [`tile`]; the tile has `ROWS` rows and a panel `panel`, `inputs` are what [`widen`] made of them.
#[target_feature(enable = "avx2,fma")]
unsafe fn rows<const ROWS: usize>(
    tile: &TileU8,
    panel: usize,
    inputs: *const i16,
    requantise: Requantise,
    out: *mut u8,
    row_stride: usize,
) {
    unsafe {
        let mut sums = [[_mm256_setzero_si256(); PANEL]; ROWS];
        for vector in 0..PANEL {
            let bias = _mm256_loadu_si256(tile.bias.as_ptr().add(panel * LANES + vector * WIDTH).cast());
            for sums in &mut sums {
                sums[vector] = bias;
            }
        }
        let length = tile.taps * tile.depth;
        let mut weights = tile.weights.as_ptr().add(panel * length * LANES);
        let mut pixels = [inputs; ROWS];
        for row in 0..ROWS {
            pixels[row] = inputs.add(row * length);
        }
        for input in (0..length).step_by(PAIR) {
            let column = [widened_weights(weights), widened_weights(weights.add(WIDTH * PAIR))];
            for row in 0..ROWS {
                let pair = _mm256_set1_epi32(pixels[row].add(input).cast::<i32>().read_unaligned());
                for vector in 0..PANEL {
                    sums[row][vector] = _mm256_add_epi32(sums[row][vector], _mm256_madd_epi16(pair, column[vector]));
                }
            }
            weights = weights.add(LANES * PAIR);
        }
        let narrow = Narrow::new(requantise.to);
        let (scales, out) = (load_scales(requantise.scale.as_ptr().add(panel * LANES)), out.add(panel * LANES));
        for (row, &sums) in sums.iter().enumerate() {
            _mm_storeu_si128(out.add(row * row_stride).cast(), narrow.scaled(sums, scales));
        }
        bound(requantise.channels, panel * LANES, out, ROWS, row_stride);
    }
}

/// Loads sixteen weights as 16-bit words.
///
/// # Safety
/// They can be read at `from`.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn widened_weights(from: *const i8) -> __m256i {
    unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast())) }
}

/// # Safety
/// The processor has the features; `span.check` has seen the arguments.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn span(span: &SpanU8, requantise: Requantise, out: &mut [u8]) {
    unsafe {
        match span.offsets.len() {
            9 => taps::<9>(span, requantise, out.as_mut_ptr()),
            25 => taps::<25>(span, requantise, out.as_mut_ptr()),
            _ => scalar::span_u8(span, requantise, &BYTES, out),
        }
    }
}

/// Computes a span, two taps at a time: their bytes are interleaved and widened, so that one instruction multiplies
/// both and adds the products.
///
/// # Safety
/// As [`span`]; the span has `TAPS` taps, an odd number.
#[target_feature(enable = "avx2,fma")]
unsafe fn taps<const TAPS: usize>(span: &SpanU8, requantise: Requantise, out: *mut u8) {
    unsafe {
        let narrow = Narrow::new(requantise.to);
        for channel in (0..span.channels).step_by(LANES) {
            let mut inputs = [span.source.as_ptr(); TAPS];
            for tap in 0..TAPS {
                inputs[tap] = inputs[tap].add(span.offsets[tap] as usize + channel);
            }
            let (scales, out) = (load_scales(requantise.scale.as_ptr().add(channel)), out.add(channel));
            let bias = span.bias.as_ptr().add(channel).cast::<__m256i>();
            let bias = [_mm256_loadu_si256(bias), _mm256_loadu_si256(bias.add(1))];
            for pixel in 0..span.pixels {
                let mut sums = bias;
                for tap in (0..TAPS).step_by(PAIR) {
                    let first = _mm_loadu_si128(inputs[tap].add(pixel * span.step).cast());
                    // The last tap has no second one; the weights in its place are zero.
                    let second = match tap + 1 < TAPS {
                        true => _mm_loadu_si128(inputs[tap + 1].add(pixel * span.step).cast()),
                        false => first,
                    };
                    let weights = span.weights.as_ptr().add((tap / PAIR * span.channels + channel) * PAIR);
                    let low = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(first, second));
                    let high = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(first, second));
                    let products = [
                        _mm256_madd_epi16(low, widened_weights(weights)),
                        _mm256_madd_epi16(high, widened_weights(weights.add(WIDTH * PAIR))),
                    ];
                    sums = [_mm256_add_epi32(sums[0], products[0]), _mm256_add_epi32(sums[1], products[1])];
                }
                _mm_storeu_si128(out.add(pixel * span.channels).cast(), narrow.scaled(sums, scales));
            }
            bound(requantise.channels, channel, out, span.pixels, span.channels);
        }
    }
}
