//! The published JSON. These types are the wire format; the domain's own are in [`crate::domain::classification`].

mod camera;
mod day;
mod event;
mod health;
mod messages;
pub mod picture;
pub mod rounding;
mod teaching;
mod words;

pub use camera::{camera_state_name, camera_status_json};
pub use day::{day_from_json, day_json};
pub use event::{About, event_json, notice_json};
pub use health::health_json;
pub use messages::{
    InfoModelPayload, InfoPayload, InfoViewPayload, RegionPayload, camera_json, classification_json, define_schemas,
    ranking_json, response_json, schemas, second_opinion_value, state_json, upload_value,
};
pub use teaching::{taught_json, unsure_json};
pub use words::status_name;
