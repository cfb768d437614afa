//! Downloads models of the catalogue: to the end or not at all, and never anything else than what the catalogue says.
//!
//! What has arrived is kept in a file that begins with a dot, so that the next try goes on from there. It gets its name when it
//! is whole, hashes to what it should, and is on the disk.

mod destination;
mod download;
mod failure;
mod http;

pub use download::{Outcome, fetch};
pub use failure::{FetchError, Limits};
