//! AVX2 with FMA: Haswell, Zen and their successors; int8 with dot products on processors that have them (AVX-VNNI:
//! Alder Lake and its small relatives, which have no AVX-512).
//!
//! A panel is two registers of eight lanes. Six rows have twelve accumulators, which leaves four of the sixteen
//! registers for the weights and one input.

#![allow(clippy::needless_range_loop, reason = "constant indices put small arrays into registers; iterators do not")]

mod bytes;
mod floats;
pub(super) mod narrow;
pub(super) mod registers;
mod sets;
mod vnni;

pub(super) use sets::{PLAIN, kernels};
