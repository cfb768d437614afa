//! The interface of all sources: cameras, programs and files.

use std::sync::Arc;
use std::time::Duration;

use super::controls::ControlInfo;
use crate::domain::camera::{Fault, FaultKind, Negotiated};
use crate::domain::frame::Encoding;
use crate::preprocess::foreign;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::slot::WhenFull;

/// Opens a source, and opens it again after each loss.
pub trait Opener: Send {
    /// # Errors
    /// Why the source cannot be opened now; the caller retries.
    fn open(&mut self) -> Result<Box<dyn Source>, CaptureError>;

    /// The source's name for log lines.
    fn describe(&self) -> String;

    /// What a call that does not return waits for, as in "the camera's driver".
    fn callee(&self) -> &'static str;

    /// Waits before the next attempt, at most for `time`; true if a change makes the attempt promising.
    fn wait(&mut self, time: Duration, shutdown: &Shutdown) -> bool {
        shutdown.sleep(time);
        false
    }

    /// The slot's policy for a frame that arrives while an earlier one is being labelled.
    fn when_full(&self) -> WhenFull {
        WhenFull::Overwrite
    }
}

/// An open source. It stays on the thread that opened it.
pub trait Source {
    /// Fills `bytes` with the next frame if one arrives within `patience`.
    ///
    /// # Errors
    /// [`CaptureError::Ended`] after the last frame; any other error means that the source must be reopened.
    fn read(&mut self, bytes: &mut Vec<u8>, patience: Duration) -> Result<Read, CaptureError>;

    /// What may explain pictures that show nothing, such as a closed shutter.
    fn hint(&self) -> Option<&'static str> {
        None
    }

    /// Why there are no pictures, if something else has arrived in their place.
    fn instead(&self) -> Option<CaptureError> {
        None
    }

    /// The controls that `[camera.controls]` can set.
    fn controls(&self) -> Vec<ControlInfo> {
        Vec::new()
    }

    /// The format agreed with the driver; `None` for a source without one.
    fn negotiated(&self) -> Option<Negotiated> {
        None
    }
}

/// The result of a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    Frame(Captured),
    /// No frame arrived in time.
    Nothing,
    /// The data is not a picture, for this reason.
    Corrupt(&'static str),
}

/// The encoding and origin of a frame's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    pub encoding: Encoding,
    /// The file that a replayed frame was read from.
    pub origin: Option<Arc<str>>,
    /// The camera says itself that this is the picture before, so it is not frozen.
    pub unchanged: bool,
}

impl Captured {
    /// A new picture of a camera.
    pub fn new(encoding: Encoding) -> Self {
        Self { encoding, origin: None, unchanged: false }
    }
}

/// Why a source delivers no frames.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    #[error("no more frames")]
    Ended,
    #[error("cannot open {source_name}: {cause}")]
    Open { source_name: String, cause: String },
    #[error("lost {source_name}: {cause}")]
    Lost { source_name: String, cause: String },
    #[error("lost {source_name}: it writes {what}, not MJPEG: {}", remedy(what))]
    Foreign { source_name: String, what: &'static str },
    #[error("no frame for {} ms", after.as_millis())]
    Stalled { after: Duration },
    #[error("{run} damaged frames in a row; the last: {cause}")]
    Corrupt { run: u32, cause: &'static str },
    #[error("the picture has been the same for {} s", for_time.as_secs())]
    Frozen { for_time: Duration },
}

impl CaptureError {
    /// What is wrong with the camera; `None` if nothing is, because the source has ended.
    pub fn fault(&self) -> Option<Fault> {
        let (kind, reason) = match self {
            Self::Ended => return None,
            Self::Open { .. } | Self::Lost { .. } => (FaultKind::Missing, self.to_string()),
            Self::Foreign { .. } => (FaultKind::Damaged, self.to_string()),
            Self::Stalled { .. } => (FaultKind::Silent, "the camera sends no pictures".into()),
            Self::Corrupt { cause, .. } => (FaultKind::Damaged, format!("the camera sends damaged pictures: {cause}")),
            Self::Frozen { .. } => (FaultKind::Frozen, "the camera repeats its last picture".into()),
        };
        Some(Fault::new(kind, &reason))
    }

    /// For how long it has been so when it is noticed.
    pub fn lasted(&self) -> Duration {
        match self {
            Self::Stalled { after: lasted } | Self::Frozen { for_time: lasted } => *lasted,
            _ => Duration::ZERO,
        }
    }
}

/// What to do about a program that writes something else than MJPEG.
fn remedy(what: &str) -> &'static str {
    match foreign::is_readable(what) {
        true => "does its address need a password, or another path?",
        false => "add --codec mjpeg (rpicam-vid) or -f mjpeg (ffmpeg)",
    }
}
