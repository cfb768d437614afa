//! Downloads models of the catalogue: completely or not at all, and only files that match the catalogue's hash.
//!
//! The bytes so far are kept in a hidden file, so that the next attempt resumes there. It gets its final name when it
//! is complete, has the right hash, and is synced to the disk.

mod destination;
mod download;
mod failure;
mod http;

pub use destination::writable;
pub use download::{Outcome, fetch};
pub use failure::{FetchError, Limits};
