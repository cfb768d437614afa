//! The ground that the daemon and its libraries stand on: waiting with a deadline, handing over the newest value,
//! reading files that somebody else has written.
//!
//! Nothing here knows of cameras, models or brokers.

#![deny(missing_docs)]

pub mod backoff;
pub mod clock;
pub mod files;
pub mod liveness;
pub mod secret;
pub mod shutdown;
pub mod slot;
pub mod sync;
pub mod thread;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
