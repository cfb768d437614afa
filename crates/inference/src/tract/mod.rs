//! The general backend, for every network that tract can run.

mod backend;
mod convert;
mod quantised_ends;

pub(crate) use backend::load;
