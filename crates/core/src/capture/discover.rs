//! Lists the cameras. Only this file names nokhwa.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use nokhwa::utils::{ApiBackend, CameraIndex, CameraInfo as CameraInfoOfNokhwa};
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

/// All cameras, in the order of their numbers. Nodes that do not capture (outputs, metadata) are left out; a receiver of a
/// camera on the ribbon cable is listed with what to do about it.
pub fn cameras() -> Vec<CameraInfo> {
    let mut cameras: Vec<(u32, CameraInfo)> = names()
        .into_iter()
        .filter_map(|(number, name)| {
            // The library panics on what it does not understand, which must not hide the other cameras.
            let described = catch_unwind(|| describe(number, name)).ok().flatten()?;
            Some((number, described))
        })
        .collect();
    cameras.sort_by_key(|(number, _)| *number);
    cameras.into_iter().map(|(_, camera)| camera).collect()
}

/// The numbers and names of the video devices.
fn names() -> Vec<(u32, String)> {
    let nodes = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    let nodes: Vec<String> = nodes.map(|node| node.file_name().to_string_lossy().into_owned()).collect();
    let numbers: Vec<Option<u32>> =
        nodes.iter().filter_map(|name| name.strip_prefix("video")).map(|number| number.parse().ok()).collect();
    // nokhwa expects a number behind every /dev/video, and panics without one (`/dev/video-front`, a udev rule's).
    if numbers.iter().any(Option::is_none) {
        let name = |number: u32| std::fs::read_to_string(format!("/sys/class/video4linux/video{number}/name"));
        let named = |number: u32| (number, name(number).unwrap_or_default().trim().to_owned());
        return numbers.into_iter().flatten().map(named).collect();
    }
    let found =
        catch_unwind(|| nokhwa::query(ApiBackend::Video4Linux)).map(Result::unwrap_or_default).unwrap_or_default();
    let numbered = |found: CameraInfoOfNokhwa| match found.index() {
        CameraIndex::Index(number) => Some((*number, found.human_name())),
        CameraIndex::String(_) => None,
    };
    found.into_iter().filter_map(numbered).collect()
}

fn describe(number: u32, name: String) -> Option<CameraInfo> {
    let device = PathBuf::from(format!("/dev/video{number}"));
    let mut camera =
        CameraInfo { stable_names: stable_names(&device), device, name, formats: Vec::new(), problem: None };
    let opened = match Device::with_path(&camera.device) {
        Ok(opened) => opened,
        Err(error) => {
            camera.problem = Some(super::device::explain(&error, &camera.device));
            return Some(camera);
        }
    };
    if let Some(problem) = super::device::no_camera(&opened) {
        let is_receiver = super::device::is_receiver(&problem);
        camera.problem = Some(problem);
        return is_receiver.then_some(camera);
    }
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
    let shown = |interval: &v4l::Fraction| format!("{}", (rate(*interval) * 100.0).round() / 100.0);
    match interval {
        FrameIntervalEnum::Discrete(interval) => shown(interval),
        // The longest interval is the lowest rate.
        FrameIntervalEnum::Stepwise(range) => format!("{} to {}", shown(&range.max), shown(&range.min)),
    }
}

/// Frames per second.
pub(super) fn rate(interval: v4l::Fraction) -> f64 {
    f64::from(interval.denominator) / f64::from(interval.numerator.max(1))
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
