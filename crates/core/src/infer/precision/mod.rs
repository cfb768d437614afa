//! Chooses between a model's fp32 file and its int8 variant.
//!
//! Which one is faster depends on the processor: int8 takes half the time with AVX-512, but more than twice as long
//! with tract. So `auto` measures both on this device once, and remembers the verdict.

mod choose;
mod verdicts;

pub use choose::{Chosen, known, load, load_among};
