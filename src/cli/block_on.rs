//! Asynchronous work in a subcommand.

use crate::app::runtime;
use glimpsed_core::error::Result;

/// Does it on a runtime of its own.
///
/// # Errors
/// When the system gives none.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(work);
    // A name lookup may still block a thread of the runtime.
    runtime.shutdown_background();
    Ok(outcome)
}
