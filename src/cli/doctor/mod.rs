//! `glimpsed doctor`

mod board;
mod cameras;
mod finding;
mod run;
mod scene;

pub(super) use run::{Options, run};
