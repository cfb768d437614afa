//! The basis of the daemon and its libraries: waits with deadlines, the hand-over of the newest value between threads,
//! and bounded reads of files.
//!
//! Nothing here depends on cameras, models or brokers; [`budget`] has the limits of what they may send, because all limits stand in one place.

#![deny(missing_docs)]

pub mod backoff;
pub mod budget;
pub mod clock;
pub mod files;
pub mod hex;
pub mod known;
pub mod leaving;
pub mod liveness;
mod percent;
pub mod repetition;
pub mod secret;
pub mod shutdown;
pub mod signal;
pub mod slot;
pub mod sync;
pub mod thread;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
