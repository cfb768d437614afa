//! The daemon: build it from a configuration, run it, drain it.

mod daemon;
mod lifetime;
mod start;

pub use daemon::{App, Off, Summary};
pub use lifetime::{Lifetime, runtime};
pub use start::Prepared;
