//! What is known of a camera.

/// Whether frames arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraState {
    Online,
    Offline,
    /// Somebody has switched it off.
    Disabled,
}

/// What a camera was asked for and what it gives are two things; this is the second.
#[derive(Debug, Clone, PartialEq)]
pub struct Negotiated {
    /// The pixel format's four letters, such as `MJPG`.
    pub format: String,
    pub width: u32,
    pub height: u32,
    /// Frames a second; `None` where the driver does not say.
    pub fps: Option<f64>,
}
