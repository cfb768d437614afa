//! The state of a camera and the format that its driver agreed to.

/// Whether frames arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraState {
    Online,
    Offline,
    /// A user switched it off.
    Disabled,
}

/// The format that the driver agreed to, as opposed to the one that was requested.
#[derive(Debug, Clone, PartialEq)]
pub struct Negotiated {
    /// The pixel format's FourCC, such as `MJPG`.
    pub format: String,
    pub width: u32,
    pub height: u32,
    /// Frames per second; `None` if the driver does not report it.
    pub fps: Option<f64>,
}
