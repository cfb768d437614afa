//! Rearranges the inputs of an int8 tile to the order in which they are multiplied.

#![allow(unsafe_code, reason = "intrinsics; every pointer is inside of what `check` has seen")]

use std::arch::aarch64::*;

use crate::native::kernels::operands::TileU8;

/// Input channels in a register.
pub(crate) const CHANNELS: usize = 16;

/// Writes the bytes of the pixels minus 128, as `[tap][depth / 16][row][16]`.
///
/// # Safety
/// `tile.check` has seen the tile, which has `ROWS` rows; there is room for `ROWS` times its taps times its depth.
pub(crate) unsafe fn arrange<const ROWS: usize>(tile: &TileU8, inputs: *mut u8) {
    let mut to = inputs;
    for tap in 0..tile.taps {
        let mut pixels = [tile.source.as_ptr(); ROWS];
        unsafe {
            for row in 0..ROWS {
                pixels[row] = pixels[row].add(*tile.offsets.as_ptr().add(tap * ROWS + row) as usize);
            }
            for channel in (0..tile.depth).step_by(CHANNELS) {
                for row in 0..ROWS {
                    let signed = veorq_u8(vld1q_u8(pixels[row].add(channel)), vdupq_n_u8(0x80));
                    vst1q_u8(to.add(row * CHANNELS), signed);
                }
                to = to.add(ROWS * CHANNELS);
            }
        }
    }
}
