//! The layouts for AVX2, and helpers of its kernels.

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

use crate::native::kernels::layout::{Layout, Order, Taps};
use crate::native::kernels::operands::{GROUP, LANES};

/// Lanes of 32 bits in a register.
pub(crate) const WIDTH: usize = 8;

/// Registers in a panel.
pub(crate) const PANEL: usize = LANES / WIDTH;

/// Input channels, or taps, that one instruction multiplies for each lane where there are no dot products.
pub(crate) const PAIR: usize = 2;

pub(crate) const BYTES: Layout = Layout {
    float_rows: 6,
    byte_rows: 6,
    dense: Order::Groups(PAIR),
    reads: GROUP,
    arranged: size_of::<i16>(),
    rows_are_taps: false,
    minus: 0,
    taps: Taps::InTurn(PAIR),
};

pub(crate) const VNNI: Layout =
    Layout { dense: Order::Groups(GROUP), arranged: 0, rows_are_taps: true, taps: Taps::InTurn(GROUP), ..BYTES };

/// Whether the processor has AVX2 and FMA.
pub(crate) fn is_there() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Prefetches the weights 3 KB ahead into the first-level cache. The weights of a tile's panels are read once for all
/// of its pixels, from the second-level cache or beyond, and the processor's own prefetcher does not cross a page.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn fetch_early<T>(weights: *const T) {
    // A hint: nothing is read, wherever it points.
    _mm_prefetch::<_MM_HINT_T0>(weights.wrapping_byte_add(3 << 10).cast());
}
