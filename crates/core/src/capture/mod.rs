//! Sources of frames: cameras, programs and files.

pub mod call;
mod claims;
mod command;
pub mod controls;
mod device;
pub mod discover;
mod first;
pub mod freeze;
mod http;
pub mod mjpeg;
mod opener;
pub mod pause;
mod pixel_formats;
pub mod registry;
mod replay;
mod rtsp;
pub mod source;
mod stderr;
pub mod supervisor;
mod v4l2;
pub mod watchdog;

pub use command::kill_stragglers;
pub use first::first_frame;
pub use opener::opener;
