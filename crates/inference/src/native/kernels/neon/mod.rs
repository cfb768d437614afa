//! NEON, which every 64-bit Arm processor has; int8 with dot products where there are some (Cortex-A76 and later).
//!
//! A register holds four floats or sixteen bytes, and there are 32 of them. Multiplications take one factor from a lane
//! of a register, so four (or sixteen) input channels of a pixel are loaded at once and serve one after the other.

#![allow(clippy::needless_range_loop, reason = "constant indices put small arrays into registers; iterators do not")]

mod arrange;
mod bytes;
mod depthwise;
mod dot;
mod floats;
mod narrow;
mod registers;
mod sets;

pub use sets::kernels;
