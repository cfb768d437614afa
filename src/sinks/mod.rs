//! Where events go.

mod hub;
pub mod mqtt;
pub mod payload;
pub mod picture;
pub mod stdout;

pub use hub::Hub;
pub use payload::{
    InfoModelPayload, InfoPayload, camera_json, classification_json, define_schemas, event_json, health_json,
    ranking_json, response_json, rounded, schemas, second_opinion_value, state_json, status_name,
};

use crate::label::Event;

/// Takes events from the thread that they happened on. It must never block: a broker or a pipe that hangs must not stop the labels.
pub trait Sink: Send {
    /// Takes note of the event, or of as much as concerns it.
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

    /// A hub that tells it everything.
    pub fn hub_with(told: &Told) -> Hub {
        let hub = Hub::default();
        hub.attach("told", Box::new(told.clone()));
        hub
    }

    impl Sink for Told {
        fn publish(&mut self, event: &Event) {
            self.0.lock().expect("alive").push(event.clone());
        }
    }
}
