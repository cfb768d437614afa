//! Pillow's bilinear filter with antialiasing, in integers: the weights along an axis, the pass across rows, and the pass
//! along a row.
//!
//! Most of the preprocessing time is spent in the two passes, so both use 128-bit vectors, which every x86-64 and every
//! 64-bit Arm processor has, and longer ones where an x86-64 has AVX2.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod axis;
mod blend;
mod operands;
mod squeeze;

pub use axis::{Axis, KEPT, Key, ONE};
pub use blend::blend;
pub use operands::Rows;
pub use squeeze::squeeze;
