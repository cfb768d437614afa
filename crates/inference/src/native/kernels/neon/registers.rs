//! The layouts for NEON, and helpers of its kernels.

use std::arch::asm;

use crate::native::kernels::layout::{Layout, Order, Taps};

/// The layout without dot products. Tiles of more than six pixels of floats or four of bytes would need more registers
/// than there are.
pub(crate) const BYTES: Layout = Layout {
    float_rows: 6,
    byte_rows: 4,
    dense: Order::Quarters,
    reads: 16,
    arranged: 1,
    rows_are_taps: false,
    minus: 128,
    taps: Taps::InTurn(1),
};

/// The layout with dot products.
pub(crate) const DOT: Layout = Layout { byte_rows: 6, dense: Order::Groups(4), ..BYTES };

/// Hides the origin of a pointer from the compiler, which would otherwise keep a pointer for each tap of a window, and
/// advance all of them from one window to the next.
#[inline(always)]
#[allow(unsafe_code, reason = "an assembly that is empty")]
pub(crate) fn anew<T>(mut pointer: *const T) -> *const T {
    // SAFETY: no instruction at all.
    unsafe { asm!("/* {0} */", inout(reg) pointer, options(pure, nomem, nostack, preserves_flags)) }
    pointer
}
