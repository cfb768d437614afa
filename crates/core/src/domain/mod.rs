//! The plain data types that the parts exchange, without threads, files or networks.

pub mod camera;
pub mod classification;
pub mod comparison;
pub mod day;
pub mod event;
pub mod file_edit;
pub mod frame;
pub mod framing;
pub mod health;
pub mod layout;
pub mod moment;
pub mod name;
pub mod settings;
pub mod setup;
pub mod teaching;
pub mod views_edit;
