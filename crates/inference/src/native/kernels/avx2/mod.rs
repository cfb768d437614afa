//! AVX2 with FMA: Haswell, Zen and their successors; int8 with dot products where there are some (AVX-VNNI: Alder Lake and its
//! small relatives, which have no AVX-512).
//!
//! A panel is two registers of eight lanes. Six rows are twelve sums, which leaves four of the sixteen registers for the
//! weights and one input.

#![allow(clippy::needless_range_loop, reason = "constant indices put small arrays into registers; iterators do not")]

mod bytes;
mod floats;
mod narrow;
mod vnni;

pub use self::narrow::bound;

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

use super::layout::{Layout, Order, Taps};
use super::{GROUP, Kernels, LANES};

/// Lanes of 32 bits in a register.
const WIDTH: usize = 8;

/// Registers in a panel.
const PANEL: usize = LANES / WIDTH;

/// Input channels, or taps, that one instruction multiplies for each lane where there are no dot products.
const PAIR: usize = 2;

const BYTES: Layout = Layout {
    float_rows: 6,
    byte_rows: 6,
    dense: Order::Groups(PAIR),
    reads: GROUP,
    arranged: size_of::<i16>(),
    rows_are_taps: false,
    minus: 0,
    taps: Taps::InTurn(PAIR),
};

const VNNI: Layout =
    Layout { dense: Order::Groups(GROUP), arranged: 0, rows_are_taps: true, taps: Taps::InTurn(GROUP), ..BYTES };

pub const PLAIN: Kernels = Kernels {
    name: "avx2",
    layout: BYTES,
    tile_f32: self::floats::tile,
    tile_u8: self::bytes::tile,
    span_f32: self::floats::span,
    span_u8: self::bytes::span,
    quantise: self::narrow::quantise,
    add_u8: self::narrow::add_u8,
    winograd: self::floats::WINOGRAD,
};

/// Whether the processor can run [`PLAIN`].
pub fn is_there() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// The sets that this processor has.
pub fn kernels() -> [Option<Kernels>; 2] {
    let vnni =
        Kernels { name: "avx-vnni", layout: VNNI, tile_u8: self::vnni::tile, span_u8: self::vnni::span, ..PLAIN };
    let has = is_there();
    [(has && is_x86_feature_detected!("avxvnni")).then_some(vnni), has.then_some(PLAIN)]
}

/// Has what lies 3 KB behind these weights brought into the first-level cache. Those of a tile's panels are read once for
/// all of its pixels, from the second level or beyond, and the processor itself does not look ahead beyond a page.
#[inline]
#[target_feature(enable = "avx2")]
pub fn fetch_early<T>(weights: *const T) {
    // A hint: nothing is read, wherever it points.
    _mm_prefetch::<_MM_HINT_T0>(weights.wrapping_byte_add(3 << 10).cast());
}
