//! int8 with dot products of four bytes, which are four input channels, or four taps.

#![allow(unsafe_code, reason = "intrinsics; every pointer is inside of what `check` has seen")]

use std::arch::x86_64::*;

use super::narrow::{Narrow, bound, load_scales};
use super::registers::{PANEL, VNNI, WIDTH};
use crate::native::kernels::operands::{GROUP, LANES, Requantise, SpanU8, TileU8, with_constant};
use crate::native::kernels::scalar;

/// # Safety
/// The processor has the features; `tile.check` has seen the arguments.
#[target_feature(enable = "avx2,fma,avxvnni")]
pub(super) unsafe fn tile(
    tile: &TileU8,
    requantise: Requantise,
    _workspace: &mut [u8],
    out: &mut [u8],
    row_stride: usize,
) {
    for panel in 0..tile.panels() {
        with_constant!(tile.rows, [1 2 3 4 5 6], ROWS => unsafe {
            rows::<ROWS>(tile, panel, requantise, out.as_mut_ptr(), row_stride);
        });
    }
}

/// # Safety
/// As [`tile`]; the tile has `ROWS` rows and a panel `panel`.
#[target_feature(enable = "avx2,fma,avxvnni")]
unsafe fn rows<const ROWS: usize>(
    tile: &TileU8,
    panel: usize,
    requantise: Requantise,
    out: *mut u8,
    row_stride: usize,
) {
    unsafe {
        let mut sums = [[_mm256_setzero_si256(); PANEL]; ROWS];
        for vector in 0..PANEL {
            let bias = _mm256_loadu_si256(tile.bias.as_ptr().add(panel * LANES + vector * WIDTH).cast());
            for row in 0..ROWS {
                sums[row][vector] = bias;
            }
        }
        let mut weights = tile.weights.as_ptr().add(panel * tile.taps * tile.depth * LANES);
        for tap in 0..tile.taps {
            let mut pixels = [tile.source.as_ptr(); ROWS];
            for row in 0..ROWS {
                pixels[row] = pixels[row].add(*tile.offsets.as_ptr().add(tap * ROWS + row) as usize);
            }
            for channel in (0..tile.depth).step_by(GROUP) {
                let column =
                    [_mm256_loadu_si256(weights.cast()), _mm256_loadu_si256(weights.add(WIDTH * GROUP).cast())];
                for row in 0..ROWS {
                    let input = _mm256_set1_epi32(pixels[row].add(channel).cast::<i32>().read_unaligned());
                    for vector in 0..PANEL {
                        sums[row][vector] = _mm256_dpbusd_avx_epi32(sums[row][vector], input, column[vector]);
                    }
                }
                weights = weights.add(LANES * GROUP);
            }
        }
        let narrow = Narrow::new(requantise.to);
        let (scales, out) = (load_scales(requantise.scale.as_ptr().add(panel * LANES)), out.add(panel * LANES));
        for row in 0..ROWS {
            _mm_storeu_si128(out.add(row * row_stride).cast(), narrow.scaled(sums[row], scales));
        }
        bound(requantise.channels, panel * LANES, out, ROWS, row_stride);
    }
}

/// # Safety
/// The processor has the features; `span.check` has seen the arguments.
#[target_feature(enable = "avx2,fma,avxvnni")]
pub(super) unsafe fn span(span: &SpanU8, requantise: Requantise, out: &mut [u8]) {
    unsafe {
        match span.offsets.len() {
            9 => taps::<9, 3>(span, requantise, out.as_mut_ptr()),
            25 => taps::<25, 7>(span, requantise, out.as_mut_ptr()),
            _ => scalar::span_u8(span, requantise, &VNNI, out),
        }
    }
}

/// # Safety
/// As [`span`]; the span has `TAPS` taps in `GROUPS` groups.
#[target_feature(enable = "avx2,fma,avxvnni")]
unsafe fn taps<const TAPS: usize, const GROUPS: usize>(span: &SpanU8, requantise: Requantise, out: *mut u8) {
    let whole = span.channels / (2 * LANES) * (2 * LANES);
    unsafe {
        for channel in (0..whole).step_by(2 * LANES) {
            block::<TAPS, GROUPS, 2>(span, channel, requantise, out);
        }
        if whole < span.channels {
            block::<TAPS, GROUPS, 1>(span, whole, requantise, out);
        }
    }
}

/// Computes `HALVES` times sixteen channels of a span, four taps at a time: their bytes are interleaved, so that a dot
/// product of four multiplies the taps of one channel.
///
/// The instructions interleave within each half of a register, and packing the sums reverses exactly that: the halves
/// of the first register of sums hold channels 0-3 and 16-19 of 32, and packing from 32 to 16 to 8 bits restores the
/// order.
///
/// # Safety
/// As [`taps`]; the span has the channels from `channel` on.
#[target_feature(enable = "avx2,fma,avxvnni")]
unsafe fn block<const TAPS: usize, const GROUPS: usize, const HALVES: usize>(
    span: &SpanU8,
    channel: usize,
    requantise: Requantise,
    out: *mut u8,
) {
    unsafe {
        let narrow = Narrow::new(requantise.to);
        let mut weights = [[_mm256_setzero_si256(); 4]; GROUPS];
        for group in 0..GROUPS {
            let at = span.weights.as_ptr().add((group * span.channels + channel) * GROUP);
            weights[group] = in_quarters::<HALVES>(at.cast());
        }
        let scales = in_quarters::<HALVES>(requantise.scale.as_ptr().add(channel).cast());
        let bias = in_quarters::<HALVES>(span.bias.as_ptr().add(channel));
        let mut inputs = [span.source.as_ptr(); TAPS];
        for tap in 0..TAPS {
            inputs[tap] = inputs[tap].add(span.offsets[tap] as usize + channel);
        }
        for pixel in 0..span.pixels {
            let mut sums = bias;
            for group in 0..GROUPS {
                let mut taps = [_mm256_setzero_si256(); GROUP];
                for tap in 0..GROUP {
                    // The last group has fewer taps; the weights in place of the others are zero.
                    let tap_or_last = (group * GROUP + tap).min(TAPS - 1);
                    taps[tap] = load::<HALVES>(inputs[tap_or_last].add(pixel * span.step));
                }
                let (low01, high01) = (_mm256_unpacklo_epi8(taps[0], taps[1]), _mm256_unpackhi_epi8(taps[0], taps[1]));
                let (low23, high23) = (_mm256_unpacklo_epi8(taps[2], taps[3]), _mm256_unpackhi_epi8(taps[2], taps[3]));
                let quarters = [
                    _mm256_unpacklo_epi16(low01, low23),
                    _mm256_unpackhi_epi16(low01, low23),
                    _mm256_unpacklo_epi16(high01, high23),
                    _mm256_unpackhi_epi16(high01, high23),
                ];
                for quarter in 0..4 {
                    sums[quarter] = _mm256_dpbusd_avx_epi32(sums[quarter], quarters[quarter], weights[group][quarter]);
                }
            }
            for quarter in 0..4 {
                let steps = _mm256_mul_ps(_mm256_cvtepi32_ps(sums[quarter]), _mm256_castsi256_ps(scales[quarter]));
                sums[quarter] = narrow.whole(steps);
            }
            let words = [_mm256_packs_epi32(sums[0], sums[1]), _mm256_packs_epi32(sums[2], sums[3])];
            store::<HALVES>(out.add(pixel * span.channels + channel), _mm256_packus_epi16(words[0], words[1]));
        }
        for at in (channel..channel + HALVES * LANES).step_by(LANES) {
            bound(requantise.channels, at, out.add(at), span.pixels, span.channels);
        }
    }
}

/// Loads `HALVES` times sixteen 32-bit values, which are in channel order, into four registers in the order that
/// interleaving gives: register `q` holds channels `16 * half + 4 * q ..` in its half `half`.
///
/// # Safety
/// `HALVES` times sixteen numbers can be read at `from`.
#[inline]
#[target_feature(enable = "avx2,fma,avxvnni")]
unsafe fn in_quarters<const HALVES: usize>(from: *const i32) -> [__m256i; 4] {
    let mut registers = [_mm256_setzero_si256(); 4];
    for quarter in 0..4 {
        unsafe {
            let at = from.add(quarter * 4);
            let low = _mm256_zextsi128_si256(_mm_loadu_si128(at.cast()));
            registers[quarter] = match HALVES {
                2 => _mm256_inserti128_si256::<1>(low, _mm_loadu_si128(at.add(LANES).cast())),
                _ => low,
            };
        }
    }
    registers
}

/// # Safety
/// `HALVES` times sixteen bytes can be read at `from`.
#[inline]
#[target_feature(enable = "avx2,fma,avxvnni")]
unsafe fn load<const HALVES: usize>(from: *const u8) -> __m256i {
    unsafe {
        match HALVES {
            2 => _mm256_loadu_si256(from.cast()),
            _ => _mm256_zextsi128_si256(_mm_loadu_si128(from.cast())),
        }
    }
}

/// # Safety
/// `HALVES` times sixteen bytes can be written at `to`.
#[inline]
#[target_feature(enable = "avx2,fma,avxvnni")]
unsafe fn store<const HALVES: usize>(to: *mut u8, bytes: __m256i) {
    unsafe {
        match HALVES {
            2 => _mm256_storeu_si256(to.cast(), bytes),
            _ => _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(bytes)),
        }
    }
}
