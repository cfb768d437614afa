//! What connects the parts at run time: the event hub, the command queue, and the preview of frames for viewers.

pub mod commands;
pub mod hub;
pub mod preview;
pub mod unsure;
