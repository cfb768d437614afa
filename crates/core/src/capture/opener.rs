//! Creates the opener of the configured source.

use super::command::{CommandOpener, Program};
use super::http::HttpOpener;
use super::replay::ReplayOpener;
use super::rtsp;
use super::source::Opener;
use super::v4l2::{Asked, V4l2Opener};
use crate::config::typed::{Camera, CameraSource};

/// The opener of the configured source.
pub fn opener(camera: &Camera) -> Box<dyn Opener> {
    match &camera.source {
        CameraSource::V4l2 { device, width, height, fps, format, controls } => Box::new(V4l2Opener::new(
            device.clone(),
            Asked { size: (*width, *height), fps: *fps, format: *format, controls: controls.clone() },
        )),
        CameraSource::Http { target, fps } => Box::new(HttpOpener::new(target.clone(), *fps)),
        CameraSource::Rtsp(target) => rtsp::opener(target),
        CameraSource::Command { argv } => Box::new(CommandOpener::new(Program::new(argv.clone()))),
        CameraSource::Replay { path, fps, repeat } => Box::new(ReplayOpener::new(path.clone(), *fps, *repeat)),
    }
}
