//! The state of a camera, what is wrong with it, and the format that its driver agreed to.

use std::sync::Arc;

use glimpsed_base::leaving;
use jiff::Timestamp;

use super::name::Name;

/// Whether frames arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraState {
    Online,
    Offline,
    /// A user switched it off.
    Disabled,
}

/// The camera's state, since when, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraStatus {
    pub camera: Name,
    pub state: CameraState,
    /// When it came into this state; of a camera that is online, also when the fault appeared or went.
    pub since: Timestamp,
    /// `None` when all is well, and while it is being opened.
    pub fault: Option<Fault>,
}

/// What is wrong with a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    /// One line in plain words, of at most [`MAX_REASON_BYTES`], without secrets and control characters. It has no durations, so it stays
    /// the same while the fault lasts.
    pub reason: Arc<str>,
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It cannot be opened, or was lost.
    Missing,
    /// It is open and sends nothing.
    Silent,
    /// What it sends is no picture, or a damaged one.
    Damaged,
    /// It repeats its last picture.
    Frozen,
    /// It is online, and its picture is always the same and of one colour.
    Covered,
    /// It is not opened, because there is no model to label its pictures.
    NoModel,
}

/// Bound of a reason.
pub const MAX_REASON_BYTES: usize = 300;

impl Fault {
    /// `reason` is cleaned and cut here.
    pub fn new(kind: FaultKind, reason: &str) -> Self {
        Self { kind, reason: leaving::short_line(reason, MAX_REASON_BYTES).into() }
    }
}

impl CameraStatus {
    /// The status that follows on `before`; `None` if it says nothing new. A camera that is offline for another reason is so since it was
    /// at first.
    pub fn after(
        before: Option<&Self>,
        camera: &Name,
        state: CameraState,
        fault: Option<Fault>,
        since: Timestamp,
    ) -> Option<Self> {
        let since = match before {
            Some(before) if before.state == state && before.fault == fault => return None,
            Some(before) if before.state == state && state == CameraState::Offline => before.since,
            _ => since,
        };
        Some(Self { camera: camera.clone(), state, since, fault })
    }
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

/// Examples for tests, those of the daemon included, which is another crate; a program that uses none of them has none.
#[doc(hidden)]
pub mod tests_support {
    use super::*;

    /// This state since the epoch, without a fault.
    pub fn status(state: CameraState) -> CameraStatus {
        CameraStatus { camera: Name::ONLY, state, since: Timestamp::UNIX_EPOCH, fault: None }
    }

    /// Offline, because it is missing for this reason.
    pub fn missing(reason: &str) -> CameraStatus {
        CameraStatus { fault: Some(Fault::new(FaultKind::Missing, reason)), ..status(CameraState::Offline) }
    }
}

#[cfg(test)]
mod tests {
    use super::tests_support::{missing, status};
    use super::*;

    #[test]
    fn a_reason_is_one_short_line_without_secrets() {
        let fault = Fault::new(FaultKind::Missing, &format!("rtsp://me:hunter2@cam\n\u{1b}[2J {}", "é".repeat(400)));
        assert!(fault.reason.starts_with("rtsp://********@cam\\n\\u{1b}[2J éé"), "{}", fault.reason);
        assert!(fault.reason.len() <= MAX_REASON_BYTES && fault.reason.ends_with('…'), "{}", fault.reason);
    }

    #[test]
    fn a_camera_is_offline_since_it_went_so_whatever_the_reason_becomes() {
        let later = Timestamp::from_second(60).expect("in range");
        let before = missing("busy");
        let after = |state, fault| CameraStatus::after(Some(&before), &Name::ONLY, state, fault, later);
        assert_eq!(after(CameraState::Offline, before.fault.clone()), None, "nothing new");
        let other = missing("unplugged").fault;
        assert_eq!(after(CameraState::Offline, other.clone()), Some(CameraStatus { fault: other, ..before.clone() }));
        assert_eq!(
            after(CameraState::Online, None),
            Some(CameraStatus { since: later, ..status(CameraState::Online) })
        );
    }
}
