//! NEON, which every 64-bit Arm processor has; int8 with dot products where there are some (Cortex-A76 and later).
//!
//! A register holds four floats or sixteen bytes, and there are 32 of them. Multiplications take one factor from a lane of
//! a register, so four (or sixteen) input channels of a pixel are loaded at once and serve one after the other.

#![allow(clippy::needless_range_loop, reason = "constant indices put small arrays into registers; iterators do not")]

mod arrange;
mod bytes;
mod depthwise;
mod dot;
mod floats;
mod narrow;

use std::arch::asm;

use super::Kernels;
use super::layout::{Layout, Order, Taps};

/// More than six pixels of floats or four of bytes would need more registers than there are.
const BYTES: Layout = Layout {
    float_rows: 6,
    byte_rows: 4,
    dense: Order::Quarters,
    reads: 16,
    arranged: 1,
    rows_are_taps: false,
    minus: 128,
    taps: Taps::InTurn(1),
};

const DOT: Layout = Layout { byte_rows: 6, dense: Order::Groups(4), ..BYTES };

/// The sets that this processor has.
pub fn kernels() -> [Option<Kernels>; 2] {
    let plain = Kernels {
        name: "neon",
        layout: BYTES,
        tile_f32: self::floats::tile,
        tile_u8: self::bytes::tile,
        span_f32: self::floats::span,
        span_u8: self::depthwise::span,
        quantise: self::narrow::quantise,
        add_u8: self::narrow::add_u8,
        winograd: self::floats::WINOGRAD,
    };
    let dot = Kernels { name: "neon+dotprod", layout: DOT, tile_u8: self::dot::tile, ..plain };
    [std::arch::is_aarch64_feature_detected!("dotprod").then_some(dot), Some(plain)]
}

/// A pointer of which the compiler does not know where it came from. Else it would have one for each tap of a window, and move
/// all of them from one window to the next.
#[inline(always)]
#[allow(unsafe_code, reason = "an assembly that is empty")]
fn anew<T>(mut pointer: *const T) -> *const T {
    // SAFETY: no instruction at all.
    unsafe { asm!("/* {0} */", inout(reg) pointer, options(pure, nomem, nostack, preserves_flags)) }
    pointer
}
