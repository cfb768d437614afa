//! NEON, which every 64-bit Arm processor has; int8 with dot products on those that have them (Cortex-A76 and later).
//!
//! There are 32 registers of four floats or sixteen bytes. A multiplication takes one factor from a lane of a register,
//! so four (or sixteen) input channels of a pixel are loaded at once and used one after the other.

#![allow(clippy::needless_range_loop, reason = "constant indices put small arrays into registers; iterators do not")]

mod arrange;
mod bytes;
mod depthwise;
mod dot;
mod floats;
mod narrow;
mod registers;
mod sets;

pub(crate) use sets::kernels;
