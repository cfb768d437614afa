//! Which of a model's two files labels: its own or its quantised one.
//!
//! What is faster depends on the processor: with AVX-512 int8 takes half the time, with tract more than twice. So `auto`
//! times both on this device, once, and remembers what came out.

mod choose;
mod verdicts;

pub use choose::{Chosen, known, load};
