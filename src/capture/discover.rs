//! Lists the cameras. Only this file names nokhwa.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use nokhwa::utils::{ApiBackend, CameraIndex};
use serde::Serialize;
use v4l::Device;
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture;

/// A device that captures video.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CameraInfo {
    pub device: PathBuf,
    /// The driver's name for it.
    pub name: String,
    /// Links under /dev/v4l that do not depend on the order in which cameras are plugged in.
    pub stable_names: Vec<PathBuf>,
    pub formats: Vec<FormatInfo>,
    /// Why the formats could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// One pixel format of a camera.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FormatInfo {
    pub fourcc: String,
    pub description: String,
    /// `640x480 at 30, 15 fps`, or `from 320x180 to 3840x2160`.
    pub sizes: Vec<String>,
}

/// All cameras, in the order of their numbers. Nodes that do not capture (outputs, metadata) are left out.
pub fn cameras() -> Vec<CameraInfo> {
    // nokhwa expects a number behind every /dev/video and panics without one.
    let found =
        catch_unwind(|| nokhwa::query(ApiBackend::Video4Linux)).map(Result::unwrap_or_default).unwrap_or_default();
    let mut cameras: Vec<(u32, CameraInfo)> = found
        .into_iter()
        .filter_map(|found| match found.index() {
            CameraIndex::Index(number) => Some((*number, describe(*number, found.human_name())?)),
            CameraIndex::String(_) => None,
        })
        .collect();
    cameras.sort_by_key(|(number, _)| *number);
    cameras.into_iter().map(|(_, camera)| camera).collect()
}

fn describe(number: u32, name: String) -> Option<CameraInfo> {
    let device = PathBuf::from(format!("/dev/video{number}"));
    let mut camera =
        CameraInfo { stable_names: stable_names(&device), device, name, formats: Vec::new(), problem: None };
    let opened = match Device::with_path(&camera.device) {
        Ok(opened) => opened,
        Err(error) => {
            camera.problem = Some(super::v4l2::explain(&error, &camera.device));
            return Some(camera);
        }
    };
    // Not a capture device.
    let formats = opened.enum_formats().ok()?;
    camera.formats = formats
        .into_iter()
        .map(|format| FormatInfo {
            fourcc: format.fourcc.to_string(),
            description: format.description,
            sizes: sizes(&opened, format.fourcc),
        })
        .collect();
    (!camera.formats.is_empty()).then_some(camera)
}

fn sizes(device: &Device, fourcc: v4l::FourCC) -> Vec<String> {
    let sizes = device.enum_framesizes(fourcc).unwrap_or_default();
    let describe = |size: FrameSizeEnum| match size {
        FrameSizeEnum::Discrete(size) => {
            let rates = device.enum_frameintervals(fourcc, size.width, size.height).unwrap_or_default();
            let rates: Vec<String> = rates.into_iter().map(|rate| fps(&rate.interval)).collect();
            match rates.as_slice() {
                [] => format!("{}x{}", size.width, size.height),
                rates => format!("{}x{} at {} fps", size.width, size.height, rates.join(", ")),
            }
        }
        FrameSizeEnum::Stepwise(range) => {
            format!("from {}x{} to {}x{}", range.min_width, range.min_height, range.max_width, range.max_height)
        }
    };
    sizes.into_iter().map(|size| describe(size.size)).collect()
}

fn fps(interval: &FrameIntervalEnum) -> String {
    let rate = |interval: &v4l::Fraction| format!("{}", (super::v4l2::rate(*interval) * 100.0).round() / 100.0);
    match interval {
        FrameIntervalEnum::Discrete(interval) => rate(interval),
        // The longest interval is the lowest rate.
        FrameIntervalEnum::Stepwise(range) => format!("{} to {}", rate(&range.max), rate(&range.min)),
    }
}

/// Links that point to the device.
fn stable_names(device: &Path) -> Vec<PathBuf> {
    let mut names = Vec::new();
    for directory in ["/dev/v4l/by-id", "/dev/v4l/by-path"] {
        let links = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
        names.extend(links.filter(|link| link.canonicalize().is_ok_and(|target| target == device)));
    }
    names.sort();
    names
}
