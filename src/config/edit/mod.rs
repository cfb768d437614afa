//! Changes to the text of a configuration, which keep its comments and its order.

mod change;
mod edited;
mod setup;
mod views;

pub use change::change;
pub use edited::{EditError, Edited};
