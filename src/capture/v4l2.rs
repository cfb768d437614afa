//! USB cameras through V4L2. Only this file names nokhwa.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nokhwa::Camera;
use nokhwa::utils::{ApiBackend, CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType};

use super::{CaptureError, Captured, Opener, Source};
use crate::config::raw::FormatChoice;
use crate::frame::{Encoding, RawFormat};
use crate::jpeg::{Scan, Scanner};

pub struct V4l2Opener {
    device: PathBuf,
    size: (u32, u32),
    fps: f64,
    format: FormatChoice,
}

impl V4l2Opener {
    pub fn new(device: PathBuf, size: (u32, u32), fps: f64, format: FormatChoice) -> Self {
        Self { device, size, fps, format }
    }

    fn fail(&self, cause: impl Into<String>) -> CaptureError {
        CaptureError::Open { source_name: self.describe(), cause: cause.into() }
    }
}

impl Opener for V4l2Opener {
    fn open(&mut self) -> Result<Box<dyn Source>, CaptureError> {
        let index = device_index(&self.device).map_err(|cause| self.fail(cause))?;
        let wanted = acceptable(self.format);
        let any = RequestedFormat::with_formats(RequestedFormatType::None, wanted);
        let mut camera = Camera::with_backend(CameraIndex::Index(index), any, ApiBackend::Video4Linux)
            .map_err(|error| self.fail(error.to_string()))?;
        let offered = camera.compatible_camera_formats().map_err(|error| self.fail(error.to_string()))?;
        let best = nearest(&offered, wanted, self.size, self.fps)
            .ok_or_else(|| self.fail(format!("it offers none of {wanted:?}")))?;
        camera
            .set_camera_requset(RequestedFormat::with_formats(RequestedFormatType::Exact(best), wanted))
            .map_err(|error| self.fail(error.to_string()))?;
        camera.open_stream().map_err(|error| self.fail(error.to_string()))?;
        // The driver may have settled for another size than the one it was asked for.
        let chosen = camera.camera_format();
        tracing::info!(
            device = %self.device.display(), width = chosen.width(), height = chosen.height(), fps = chosen.frame_rate(),
            format = %chosen.format(), "camera opened"
        );
        Ok(Box::new(V4l2Source { camera, name: self.describe() }))
    }

    fn describe(&self) -> String {
        format!("camera {}", self.device.display())
    }
}

struct V4l2Source {
    camera: Camera,
    name: String,
}

impl Source for V4l2Source {
    /// nokhwa's `frame` has no timeout: this blocks until the driver delivers or fails, whatever the patience.
    fn read(&mut self, bytes: &mut Vec<u8>, _patience: Duration) -> Result<Option<Captured>, CaptureError> {
        let lost = |cause: String| CaptureError::Lost { source_name: self.name.clone(), cause };
        let format = self.camera.camera_format();
        let raw = |format_| Encoding::Raw { format: format_, width: format.width(), height: format.height() };
        let encoding = match format.format() {
            FrameFormat::MJPEG => Encoding::Jpeg,
            FrameFormat::YUYV => raw(RawFormat::Yuyv),
            FrameFormat::NV12 => raw(RawFormat::Nv12),
            FrameFormat::GRAY => raw(RawFormat::Grey),
            FrameFormat::RAWRGB => raw(RawFormat::Rgb),
            FrameFormat::RAWBGR => return Err(lost("it switched to BGR, which is not supported".into())),
        };
        let buffer = self.camera.frame_raw().map_err(|error| lost(error.to_string()))?;
        // The buffer is as long as the driver's, with bytes of older frames behind the picture.
        let end = match encoding {
            Encoding::Jpeg => match Scanner::default().scan(&buffer) {
                Scan::Complete(end) => end,
                Scan::Incomplete | Scan::Broken(_) => buffer.len(),
            },
            Encoding::File | Encoding::Raw { .. } => buffer.len(),
        };
        bytes.clear();
        bytes.extend_from_slice(&buffer[..end]);
        Ok(Some(Captured { encoding, origin: None }))
    }
}

/// The number of `/dev/videoN`, through whatever links lead there.
fn device_index(device: &Path) -> Result<u32, String> {
    let real = device.canonicalize().map_err(|error| format!("{error}; is the camera plugged in?"))?;
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    let number = name.strip_prefix("video").and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("`{}` is not a /dev/videoN device", real.display()))
}

/// In order of preference: MJPEG needs the least bandwidth on the bus.
fn acceptable(format: FormatChoice) -> &'static [FrameFormat] {
    match format {
        FormatChoice::Auto => {
            &[FrameFormat::MJPEG, FrameFormat::YUYV, FrameFormat::NV12, FrameFormat::GRAY, FrameFormat::RAWRGB]
        }
        FormatChoice::Mjpeg => &[FrameFormat::MJPEG],
        FormatChoice::Yuyv => &[FrameFormat::YUYV],
        FormatChoice::Nv12 => &[FrameFormat::NV12],
        FormatChoice::Grey => &[FrameFormat::GRAY],
    }
}

/// The most preferred format, then the nearest size, then the nearest rate.
fn nearest(
    offered: &[CameraFormat],
    wanted: &[FrameFormat],
    (width, height): (u32, u32),
    fps: f64,
) -> Option<CameraFormat> {
    let distance = |format: &CameraFormat| {
        let preference = wanted.iter().position(|candidate| *candidate == format.format());
        let size = u64::from(format.width().abs_diff(width)) + u64::from(format.height().abs_diff(height));
        let rate = (f64::from(format.frame_rate()) - fps).abs();
        (preference, size, (rate * 1000.0) as u64)
    };
    offered.iter().filter(|format| wanted.contains(&format.format())).min_by_key(|format| distance(format)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(width: u32, height: u32, format: FrameFormat, fps: u32) -> CameraFormat {
        CameraFormat::new_from(width, height, format, fps)
    }

    #[test]
    fn mjpeg_of_the_nearest_size_and_rate_is_chosen() {
        let offered = [
            format(640, 480, FrameFormat::YUYV, 30),
            format(1280, 720, FrameFormat::MJPEG, 30),
            format(640, 360, FrameFormat::MJPEG, 15),
            format(640, 360, FrameFormat::MJPEG, 5),
        ];
        let choose = |choice, size, fps| nearest(&offered, acceptable(choice), size, fps);
        assert_eq!(choose(FormatChoice::Auto, (640, 480), 10.0), Some(offered[2]));
        assert_eq!(choose(FormatChoice::Auto, (640, 480), 6.0), Some(offered[3]));
        assert_eq!(choose(FormatChoice::Auto, (1920, 1080), 60.0), Some(offered[1]));
        assert_eq!(choose(FormatChoice::Yuyv, (100, 100), 1.0), Some(offered[0]));
        assert_eq!(choose(FormatChoice::Nv12, (640, 480), 10.0), None);
    }
}
