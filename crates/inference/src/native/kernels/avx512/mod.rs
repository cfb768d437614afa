//! AVX-512: Skylake-X; with dot products of bytes (VNNI) Cascade Lake, Ice Lake, Zen 4 and their successors.
//!
//! A tile has rows x panels accumulators of one register each. For every input channel a panel's weights are loaded
//! once and multiplied by that channel of every row. Fourteen rows by two panels fill 28 of the 32 registers, and
//! fourteen divides the width of most layers for a picture of 224 pixels.

#![allow(unsafe_code, reason = "intrinsics; every pointer is inside of what `check` has seen")]
#![allow(clippy::needless_range_loop, reason = "constant indices put small arrays into registers; iterators do not")]

mod depthwise;
mod registers;
mod sets;

pub(super) use sets::kernels;
