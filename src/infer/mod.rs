//! Models with their labels: from a frame to class probabilities.

mod error;
pub mod labeller;
mod model;
pub mod precision;
mod shared;

pub use error::ModelError;
pub use model::{Inspected, Model, inspect};
pub use shared::SharedModel;
