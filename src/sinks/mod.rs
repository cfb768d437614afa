//! Where events go.

pub mod mqtt;
mod payload;
pub mod stdout;

pub use payload::{classification_json, state_json};

use crate::label::Event;

/// Takes events from the inference thread. It must never block: a broker or a pipe that hangs must not stop the labels.
pub trait Sink: Send {
    fn publish(&mut self, event: &Event);
}
