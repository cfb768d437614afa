//! Models with their labels: from a frame to class probabilities.

mod error;
mod familiar;
pub mod labeller;
mod model;
mod network;
pub mod precision;
mod reading;
mod shared;
mod test_pictures;

pub use error::ModelError;
pub use familiar::Judgement;
pub use model::{Inspected, Model, inspect};
pub use network::{Look, Networks};
pub use reading::Reading;
pub use shared::SharedModel;
