//! `glimpsed doctor`

mod board;
mod finding;
mod run;

pub(super) use run::{Options, run};
