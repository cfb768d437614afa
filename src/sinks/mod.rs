//! Where events go.

pub mod mqtt;
mod payload;
pub mod stdout;

pub use payload::{camera_json, classification_json, state_json};

use crate::label::Event;

/// Takes events from the inference thread. It must never block: a broker or a pipe that hangs must not stop the labels.
pub trait Sink: Send {
    fn publish(&mut self, event: &Event);
}

#[cfg(test)]
pub mod tests_support {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::label::CameraState;

    /// Keeps what it was told.
    #[derive(Clone, Default)]
    pub struct Told(Arc<Mutex<Vec<Event>>>);

    impl Told {
        pub fn events(&self) -> Vec<Event> {
            self.0.lock().expect("alive").clone()
        }

        /// Only what was said of the camera's state.
        pub fn states(&self) -> Vec<CameraState> {
            let state = |event| match event {
                Event::Camera(state) => Some(state),
                _ => None,
            };
            self.events().into_iter().filter_map(state).collect()
        }
    }

    impl Sink for Told {
        fn publish(&mut self, event: &Event) {
            self.0.lock().expect("alive").push(event.clone());
        }
    }
}
