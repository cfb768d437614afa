//! Depthwise int8 convolutions, column by column of their windows.
//!
//! The bytes of four rows in a column are interleaved, so that a dot product of four multiplies the taps of one
//! channel. Loading and interleaving are most of the work, and neighbouring windows share columns. So each column is
//! interleaved once, and added to the accumulators of all windows that it belongs to.

use std::arch::x86_64::*;

use super::registers::{Narrow, VNNI};
use crate::native::kernels::avx2::narrow::bound;
use crate::native::kernels::layout::BLOCK;
use crate::native::kernels::operands::{GROUP, LANES, Requantise, SpanU8};
use crate::native::kernels::scalar;

/// # Safety
/// The processor has the features; `span.check` has seen the arguments.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn span(span: &SpanU8, requantise: Requantise, out: &mut [u8]) {
    let out_at = out.as_mut_ptr();
    // Windows that share no column are computed as if each were its own width ahead.
    let ahead = if span.pixels == 1 { 0 } else { span.ahead };
    unsafe {
        match (span.size, ahead) {
            ([3, 3], 1) => columns::<3, 1, 1, 3>(span, requantise, out_at),
            ([3, 3], 2) => columns::<3, 1, 2, 2>(span, requantise, out_at),
            ([3, 3], _) => columns::<3, 1, 3, 1>(span, requantise, out_at),
            ([5, 5], 1) => columns::<5, 2, 1, 5>(span, requantise, out_at),
            ([5, 5], 2) => columns::<5, 2, 2, 3>(span, requantise, out_at),
            ([5, 5], _) => columns::<5, 2, 5, 1>(span, requantise, out_at),
            _ => scalar::span_u8(span, requantise, &VNNI, out),
        }
    }
}

/// Windows of `SIDE` rows and columns, whose columns have `GROUPS` groups of four taps. Each window is `AHEAD` columns
/// ahead of the one before it, so `SUMS` windows overlap.
///
/// # Safety
/// As [`span`]; the span's windows are such.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn columns<const SIDE: usize, const GROUPS: usize, const AHEAD: usize, const SUMS: usize>(
    span: &SpanU8,
    requantise: Requantise,
    out: *mut u8,
) {
    unsafe {
        let narrow = Narrow::new(requantise.to);
        for channel in (0..span.channels).step_by(BLOCK) {
            let width = BLOCK.min(span.channels - channel);
            let mask = u64::MAX >> (BLOCK - width);
            let mut weights = [[[_mm512_setzero_si512(); 4]; GROUPS]; SIDE];
            for column in 0..SIDE {
                for group in 0..GROUPS {
                    let at = (column * GROUPS + group) * span.channels.next_multiple_of(BLOCK) + channel;
                    for quarter in 0..4 {
                        let at = span.weights.as_ptr().add((at + quarter * LANES) * GROUP);
                        weights[column][group][quarter] = _mm512_loadu_si512(at.cast());
                    }
                }
            }
            let scale = in_quarters(requantise.scale.as_ptr().add(channel).cast(), width / LANES);
            let bias = in_quarters(span.bias.as_ptr().add(channel).cast(), width / LANES);
            let source = span.source.as_ptr().add(channel);
            let mut sums = [bias; SUMS];
            for column in 0..SIDE - AHEAD {
                let bytes = column_of::<SIDE, GROUPS>(source, span.offsets.as_ptr().add(column), mask);
                for window in 0..SUMS {
                    if column >= window * AHEAD {
                        add(&mut sums[window], &bytes, &weights[column - window * AHEAD]);
                    }
                }
            }
            for pixel in 0..span.pixels {
                for column in SIDE - AHEAD..SIDE {
                    let source = source.add(pixel * span.step);
                    let bytes = column_of::<SIDE, GROUPS>(source, span.offsets.as_ptr().add(column), mask);
                    for window in 0..SUMS {
                        if column >= window * AHEAD {
                            add(&mut sums[window], &bytes, &weights[column - window * AHEAD]);
                        }
                    }
                }
                let mut steps = [_mm512_setzero_si512(); 4];
                for quarter in 0..4 {
                    steps[quarter] = narrow.scaled(sums[0][quarter], _mm512_castsi512_ps(scale[quarter]));
                }
                let words = [_mm512_packs_epi32(steps[0], steps[1]), _mm512_packs_epi32(steps[2], steps[3])];
                let bytes = _mm512_packus_epi16(words[0], words[1]);
                _mm512_mask_storeu_epi8(out.add(pixel * span.channels + channel).cast(), mask, bytes);
                for window in 1..SUMS {
                    sums[window - 1] = sums[window];
                }
                sums[SUMS - 1] = bias;
            }
            for channel in (channel..channel + width).step_by(LANES) {
                bound(requantise.channels, channel, out.add(channel), span.pixels, span.channels);
            }
        }
    }
}

/// Loads the bytes of a column, interleaved.
///
/// The instructions interleave within each quarter of a register, and packing the sums reverses exactly that: the
/// quarters of the first register of sums hold channels 0-3, 16-19, .. of 64, and packing from 32 to 16 to 8 bits
/// restores the order.
///
/// # Safety
/// `offsets` has one for each row, `SIDE` apart, at each of which the bytes of `mask` can be read.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn column_of<const SIDE: usize, const GROUPS: usize>(
    source: *const u8,
    offsets: *const u32,
    mask: u64,
) -> [[__m512i; 4]; GROUPS] {
    let mut column = [[_mm512_setzero_si512(); 4]; GROUPS];
    for group in 0..GROUPS {
        let mut rows = [_mm512_setzero_si512(); GROUP];
        for row in 0..GROUP {
            if group * GROUP + row < SIDE {
                rows[row] = unsafe {
                    let at = source.add(*offsets.add((group * GROUP + row) * SIDE) as usize);
                    _mm512_maskz_loadu_epi8(mask, at.cast())
                };
            }
        }
        let (low01, high01) = (_mm512_unpacklo_epi8(rows[0], rows[1]), _mm512_unpackhi_epi8(rows[0], rows[1]));
        let (low23, high23) = (_mm512_unpacklo_epi8(rows[2], rows[3]), _mm512_unpackhi_epi8(rows[2], rows[3]));
        column[group] = [
            _mm512_unpacklo_epi16(low01, low23),
            _mm512_unpackhi_epi16(low01, low23),
            _mm512_unpacklo_epi16(high01, high23),
            _mm512_unpackhi_epi16(high01, high23),
        ];
    }
    column
}

#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn add<const GROUPS: usize>(
    sums: &mut [__m512i; 4],
    column: &[[__m512i; 4]; GROUPS],
    weights: &[[__m512i; 4]; GROUPS],
) {
    for group in 0..GROUPS {
        for quarter in 0..4 {
            sums[quarter] = _mm512_dpbusd_epi32(sums[quarter], column[group][quarter], weights[group][quarter]);
        }
    }
}

/// Loads `blocks` times sixteen 32-bit values, which are in channel order, into four registers in the order that
/// interleaving gives: register `q` holds channels `16 * block + 4 * q ..` in its quarter `block`.
///
/// # Safety
/// `from` can be read for `blocks` registers, 1 to 4.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn in_quarters(from: *const i32, blocks: usize) -> [__m512i; 4] {
    let mut loaded = [_mm512_setzero_si512(); 4];
    for block in 0..4 {
        if block < blocks {
            loaded[block] = unsafe { _mm512_loadu_si512(from.add(block * LANES).cast()) };
        }
    }
    let [a, b, c, d] = loaded;
    // A transposition of four by four quarters in two steps, each of which selects quarters from two registers.
    let (ab_even, ab_odd) = (_mm512_shuffle_i32x4::<0b10_00_10_00>(a, b), _mm512_shuffle_i32x4::<0b11_01_11_01>(a, b));
    let (cd_even, cd_odd) = (_mm512_shuffle_i32x4::<0b10_00_10_00>(c, d), _mm512_shuffle_i32x4::<0b11_01_11_01>(c, d));
    [
        _mm512_shuffle_i32x4::<0b10_00_10_00>(ab_even, cd_even),
        _mm512_shuffle_i32x4::<0b10_00_10_00>(ab_odd, cd_odd),
        _mm512_shuffle_i32x4::<0b11_01_11_01>(ab_even, cd_even),
        _mm512_shuffle_i32x4::<0b11_01_11_01>(ab_odd, cd_odd),
    ]
}
