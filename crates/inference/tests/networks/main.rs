//! Whole networks, small ones built here and files that exporters wrote, on every set of kernels and on tract; and files
//! that are damaged or that lie about themselves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what is wrong by panicking"
)]

mod builder;
mod cases;
mod exports;
mod hostile;
mod refusals;
mod runners;
#[cfg(feature = "tract")]
mod shapes;
mod suite;
