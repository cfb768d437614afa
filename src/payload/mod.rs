//! The published JSON. These types are the wire format; the domain's own are in [`crate::domain::classification`].

mod camera;
mod health;
mod messages;
pub mod picture;
pub mod rounding;
mod teaching;

pub use camera::{camera_state_name, camera_status_json};
pub use health::health_json;
pub use messages::{
    InfoModelPayload, InfoPayload, InfoViewPayload, RegionPayload, camera_json, classification_json, define_schemas,
    event_json, ranking_json, response_json, schemas, second_opinion_value, state_json, status_name, upload_value,
};
pub use teaching::{taught_json, unsure_json};
