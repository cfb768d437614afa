//! What a V4L2 device is, and its errors in the user's terms, with a remedy.

use std::io;
use std::path::Path;

use v4l::Device;
use v4l::capability::Flags;
use v4l::video::Capture;

use super::pixel_formats::is_bayer;

/// Drivers of the receivers of cameras on a ribbon cable, whose pictures have to be made by libcamera.
const RECEIVERS: [&str; 6] =
    ["unicam", "rp1-cfe", "bcm2835-unicam", "tegra-video", "sun6i-csi-capture", "imx-media-capture"];

/// What to do about raw data of a sensor.
const RIBBON: &str = "it gives the raw data of a camera on the ribbon cable; read that with `source = \"command\"` and \
                      rpicam-vid (on a Jetson: gst-launch-1.0)";

/// What to say of a file that is called like a camera.
const NOT_V4L2: &str = "it is no V4L2 device: `glimpsed cameras list`";

/// Why the device gives no pictures, if it gives none.
pub(super) fn no_camera(device: &Device) -> Option<String> {
    let capabilities = match device.query_caps() {
        Ok(capabilities) => capabilities,
        Err(error) if matches!(error.raw_os_error(), Some(ENOTTY | EINVAL)) => return Some(NOT_V4L2.into()),
        Err(_) => return None,
    };
    if let Some(said) = by_capabilities(&capabilities.driver, capabilities.capabilities) {
        return Some(said.into());
    }
    let formats = device.enum_formats().ok()?;
    (!formats.is_empty() && formats.iter().all(|format| is_bayer(&format.fourcc.repr))).then(|| RIBBON.into())
}

fn by_capabilities(driver: &str, capabilities: Flags) -> Option<&'static str> {
    if RECEIVERS.contains(&driver) {
        Some(RIBBON)
    } else if capabilities.contains(Flags::VIDEO_CAPTURE) {
        None
    } else if capabilities.contains(Flags::META_CAPTURE) {
        Some("it is the metadata of a camera; the pictures are at another device: `glimpsed cameras list`")
    } else if capabilities.intersects(Flags::VIDEO_M2M | Flags::VIDEO_M2M_MPLANE) {
        Some("it is an encoder, decoder or converter and no camera: `glimpsed cameras list`")
    } else if capabilities.contains(Flags::VIDEO_CAPTURE_MPLANE) {
        Some("it gives pictures through V4L2's multi-planar interface; read it with `source = \"command\"` and ffmpeg")
    } else {
        Some("it is no camera (it gives no pictures): `glimpsed cameras list`")
    }
}

/// Whether the device is a receiver of a camera on a ribbon cable.
pub(super) fn is_receiver(problem: &str) -> bool {
    problem == RIBBON
}

/// errno values, the same on all supported Linux architectures.
const EIO: i32 = 5;
const EBUSY: i32 = 16;
const ENODEV: i32 = 19;
const EINVAL: i32 = 22;
const ENOTTY: i32 = 25;
const ENOSPC: i32 = 28;
const EPIPE: i32 = 32;
const EPROTO: i32 = 71;

/// Whether the error is that the device is gone.
pub(super) fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ENODEV)
}

/// The error in the user's terms, with a remedy.
pub(super) fn explain(error: &io::Error, device: &Path) -> String {
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::NotFound, _) => "there is no such device; is the camera plugged in?".into(),
        (io::ErrorKind::PermissionDenied, _) => {
            "permission denied; the user must be in the group `video` (usermod -aG video USER)".into()
        }
        (_, Some(EBUSY)) => match holder(device) {
            Some(holder) => format!("it is in use by {holder}"),
            None => "it is in use by another program".into(),
        },
        (_, Some(ENODEV)) => "the device is gone".into(),
        (_, Some(ENOSPC)) => "the USB bus has not enough room for its pictures; are there two cameras on one hub? Use \
                              another port, `format = \"mjpeg\"`, or a smaller `width`, `height` and `fps`"
            .into(),
        (_, Some(EINVAL)) => {
            "its driver refuses this format, size or rate; `glimpsed cameras list` shows what it has".into()
        }
        (_, Some(EPIPE | EPROTO | EIO)) => {
            format!("the transfer from the camera broke ({error}); try another cable, port or power supply")
        }
        _ => error.to_string(),
    }
}

/// The process that has the device open, as far as /proc shows it: `v4l2-ctl (PID 1234)`.
fn holder(device: &Path) -> Option<String> {
    let device = device.canonicalize().ok()?;
    let own = std::process::id().to_string();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let pid = process.file_name().to_string_lossy().into_owned();
        if pid == own || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let Ok(descriptors) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let holds =
            descriptors.flatten().any(|entry| std::fs::read_link(entry.path()).is_ok_and(|link| link == device));
        if holds {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (PID {pid})", name.trim()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_camera_is_answered_with_what_to_do() {
        for (driver, capabilities, expected) in [
            ("unicam", Flags::VIDEO_CAPTURE | Flags::META_CAPTURE, "rpicam-vid"),
            ("rp1-cfe", Flags::VIDEO_CAPTURE, "rpicam-vid"),
            ("uvcvideo", Flags::META_CAPTURE, "metadata"),
            ("bcm2835-codec", Flags::VIDEO_M2M_MPLANE, "encoder"),
            ("rkisp", Flags::VIDEO_CAPTURE_MPLANE, "multi-planar"),
            ("vivid", Flags::VIDEO_OUTPUT, "no pictures"),
        ] {
            let said = by_capabilities(driver, capabilities).expect(driver);
            assert!(said.contains(expected), "{driver}: {said}");
        }
        assert_eq!(by_capabilities("uvcvideo", Flags::VIDEO_CAPTURE | Flags::STREAMING), None);
    }

    #[test]
    fn what_is_no_v4l2_device_is_said_to_be_none() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        for path in [Path::new("/dev/null"), file.path()] {
            let device = Device::with_path(path).expect("it opens");
            assert_eq!(no_camera(&device).as_deref(), Some(NOT_V4L2), "{}", path.display());
        }
    }

    #[test]
    fn the_errors_of_drivers_get_words() {
        for (errno, expected) in
            [(ENOSPC, "two cameras on one hub"), (EINVAL, "cameras list"), (EPIPE, "cable"), (EPROTO, "cable")]
        {
            let said = explain(&io::Error::from_raw_os_error(errno), Path::new("/dev/video-none"));
            assert!(said.contains(expected), "{said}");
        }
    }
}
