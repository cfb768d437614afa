//! Home Assistant discovery: one retained message with the device and its entities
//! (<https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload>).

mod device;
mod entities;
mod entity;
mod message;

pub use device::{Device, DeviceView, ViewLabel};
pub use message::{payload, without_entities};
