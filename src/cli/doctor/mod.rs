//! `glimpsed doctor`

mod board;
mod finding;
mod run;

pub use run::{Options, run};
