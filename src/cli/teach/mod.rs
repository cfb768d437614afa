//! `glimpsed teach`

mod command;
mod common;
mod exchange;
mod keep;
mod learn;
mod report;
mod status;

pub(super) use command::{Options, run};
