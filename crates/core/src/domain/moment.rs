//! The frame in which a label changed.

use jiff::Timestamp;

use super::frame::Frame;
use super::framing::Framing;
use super::name::Name;

/// A frame after which another label holds in a view.
#[derive(Debug, Clone)]
pub struct Moment {
    pub view: Name,
    /// When that label began to hold; the change has the same.
    pub since: Timestamp,
    pub frame: Frame,
    /// How the view sees the frame.
    pub framing: Framing,
}

impl PartialEq for Moment {
    /// Of a view there is one for each change.
    fn eq(&self, other: &Self) -> bool {
        self.view == other.view && self.since == other.since
    }
}
