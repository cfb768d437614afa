//! One frame of a camera that is being chosen.

use std::time::{Duration, Instant};

use super::opener::opener;
use super::source::{CaptureError, Read};
use crate::config::typed::Camera;
use crate::domain::frame::Frame;

/// A camera adapts to the light with its first frames, so the last one of this time is taken.
const ADAPTS_WITHIN: Duration = Duration::from_millis(700);

/// Opens a camera and takes a frame, within `patience` as far as its driver agrees.
///
/// # Errors
/// Why there is none.
pub fn first_frame(camera: &Camera, patience: Duration) -> Result<Frame, CaptureError> {
    let begun = Instant::now();
    let mut source = opener(camera).open()?;
    let (mut bytes, mut frame, mut until, mut damage) = (Vec::new(), None, begun + patience, (0, ""));
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match source.read(&mut bytes, left) {
            Ok(Read::Frame(captured)) => {
                if frame.is_none() {
                    until = until.min(Instant::now() + ADAPTS_WITHIN);
                }
                frame = Some(Frame::from_bytes(captured.encoding, std::mem::take(&mut bytes)));
            }
            Ok(Read::Nothing) => {}
            Ok(Read::Corrupt(cause)) => damage = (damage.0 + 1, cause),
            Err(CaptureError::Ended) if frame.is_some() => break,
            Err(error) => return Err(error),
        }
    }
    frame.ok_or(match damage {
        (0, _) => CaptureError::Stalled { after: begun.elapsed() },
        (run, cause) => CaptureError::Corrupt { run, cause },
    })
}
