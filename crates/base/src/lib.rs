//! The basis of the daemon and its libraries: waits with deadlines, the hand-over of the newest value between threads,
//! and bounded reads of files.
//!
//! Nothing here depends on cameras, models or brokers.

pub mod backoff;
pub mod clock;
pub mod files;
pub mod liveness;
pub mod secret;
pub mod shutdown;
pub mod slot;
pub mod thread;
