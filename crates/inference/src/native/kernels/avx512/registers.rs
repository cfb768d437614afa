//! The layout for AVX-512, and helpers of its kernels.

use std::arch::x86_64::*;

use crate::native::kernels::layout::{Layout, Order, Taps};
use crate::native::kernels::operands::{GROUP, ToByte};

pub(super) const FLOAT_ROWS: usize = 14;

pub(super) const VNNI: Layout = Layout {
    float_rows: FLOAT_ROWS,
    byte_rows: 14,
    dense: Order::Groups(GROUP),
    reads: GROUP,
    arranged: 0,
    rows_are_taps: true,
    minus: 0,
    taps: Taps::OfColumns(GROUP),
};

/// What [`scalar::to_byte`] does, sixteen at a time.
pub(super) struct Narrow {
    low: __m512,
    high: __m512,
    zero_point: __m512i,
}

impl Narrow {
    #[target_feature(enable = "avx512f")]
    pub(super) fn new(ToByte { zero_point, low, high }: ToByte) -> Self {
        let zero = f32::from(zero_point);
        Self {
            low: _mm512_set1_ps(f32::from(low) - zero),
            high: _mm512_set1_ps(f32::from(high) - zero),
            zero_point: _mm512_set1_epi32(i32::from(zero_point)),
        }
    }

    /// Quantises values in units of the scale; each byte is the low end of a 32-bit lane.
    #[target_feature(enable = "avx512f")]
    pub(super) fn narrow(&self, steps: __m512) -> __m512i {
        let bounded = _mm512_min_ps(_mm512_max_ps(steps, self.low), self.high);
        _mm512_add_epi32(_mm512_cvtps_epi32(bounded), self.zero_point)
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn scaled(&self, sums: __m512i, scale: __m512) -> __m512i {
        self.narrow(_mm512_mul_ps(_mm512_cvtepi32_ps(sums), scale))
    }
}
