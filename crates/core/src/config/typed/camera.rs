//! The camera's table.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::super::diagnostics::Absent;
use super::super::document::NETWORK_CAMERA;
use super::super::interval::Interval;
use super::super::raw::{RawCamera, SourceKind};
use super::checker::{At, Checker};
use super::configuration::{Camera, CameraSource};
use crate::domain::framing::Rotation;
use crate::domain::name::Name;
use crate::preprocess::foreign;
use glimpsed_base::files::{pictures_in, resolve};
use glimpsed_base::leaving;
use glimpsed_jpeg::START;

impl Checker<'_, '_> {
    pub(super) fn camera(&mut self, name: Name, at: &At<'_>, camera: &RawCamera) -> Camera {
        self.within(&at.key("width"), camera.width, 16, 8192);
        self.within(&at.key("height"), camera.height, 16, 8192);
        self.within(&at.key("fps"), camera.fps, 0.1, 1000.0);
        self.interval_within(
            &at.key("frame_timeout"),
            camera.frame_timeout,
            Interval::from_millis(100),
            Interval::from_secs(600),
        );
        self.interval_within(
            &at.key("start_timeout"),
            camera.start_timeout,
            Interval::from_millis(100),
            Interval::from_secs(600),
        );
        self.interval_within(
            &at.key("reconnect_min"),
            camera.reconnect_min,
            Interval::from_millis(50),
            Interval::from_secs(600),
        );
        if camera.reconnect_max < camera.reconnect_min {
            let found = format!("found {}, less than `reconnect_min` ({})", camera.reconnect_max, camera.reconnect_min);
            self.complain(&at.key("reconnect_max"), "must not be shorter than `reconnect_min`", found, None);
        }
        if camera.frozen_after != Interval::from_secs(0) {
            let (low, high) = (Interval::from_secs(1), Interval::from_secs(86_400));
            self.interval_within(&at.key("frozen_after"), camera.frozen_after, low, high);
        }
        let rotation = match camera.rotate {
            90 => Rotation::Quarter,
            180 => Rotation::Half,
            270 => Rotation::ThreeQuarters,
            other => {
                if other != 0 {
                    self.complain(&at.key("rotate"), "must be 0, 90, 180 or 270", format!("found {other}"), None);
                }
                Rotation::None
            }
        };
        Camera {
            name,
            source: self.camera_source(at, camera),
            start_timeout: camera.start_timeout.0,
            frame_timeout: camera.frame_timeout.0,
            // A replayed photograph never changes.
            frozen_after: (camera.source != SourceKind::Replay && !camera.frozen_after.0.is_zero())
                .then_some(camera.frozen_after.0),
            reconnect_min: camera.reconnect_min.0,
            reconnect_max: camera.reconnect_max.0,
            rotation,
        }
    }

    fn camera_source(&mut self, at: &At<'_>, camera: &RawCamera) -> CameraSource {
        self.network_keys(at, camera);
        match camera.source {
            SourceKind::V4l2 => self.v4l2_source(at, camera),
            SourceKind::Http => self.http_source(at, camera),
            SourceKind::Rtsp => self.rtsp_source(at, camera),
            SourceKind::Command => self.command_source(at, camera),
            SourceKind::Replay => self.replay_source(at, camera),
        }
    }

    fn v4l2_source(&mut self, at: &At<'_>, camera: &RawCamera) -> CameraSource {
        if camera.device.as_os_str().is_empty() {
            self.complain(
                &at.key("device"),
                "names no device",
                "found nothing",
                Some("for example /dev/video0".into()),
            );
        }
        if camera.device.to_string_lossy().contains("://") {
            let found = format!("found `{}`", camera.device.display());
            self.complain(&at.key("device"), "names no device", found, Some(NETWORK_CAMERA.into()));
        }
        CameraSource::V4l2 {
            device: camera.device.clone(),
            width: camera.width,
            height: camera.height,
            fps: camera.fps,
            format: camera.format,
            controls: camera.controls.clone(),
        }
    }

    fn command_source(&mut self, at: &At<'_>, camera: &RawCamera) -> CameraSource {
        match camera.command.first() {
            None => {
                let hint = r#"for example command = ["rpicam-vid", "--codec", "mjpeg", "-t", "0", "-o", "-"]"#;
                self.complain(
                    &at.key("command"),
                    "is needed for source = \"command\"",
                    "found nothing to start",
                    Some(hint.into()),
                );
            }
            Some(program) if find_program(program, self.base).is_none() => {
                let found = format!("found no program `{program}`");
                self.absent(
                    Absent::Camera,
                    &at.key("command"),
                    "cannot be started",
                    found,
                    Some("is it installed, and on the PATH?".into()),
                );
            }
            Some(_) => {}
        }
        let mut argv = camera.command.clone();
        leaving::remember_secrets_in(&argv.join(" "));
        if let Some(program) = argv.first_mut()
            && let Some(found) = find_program(program, self.base)
        {
            *program = found.to_string_lossy().into_owned();
        }
        CameraSource::Command { argv }
    }

    fn replay_source(&mut self, at: &At<'_>, camera: &RawCamera) -> CameraSource {
        let path = resolve(self.base, camera.path.as_deref().unwrap_or(Path::new("")));
        if camera.path.is_none() {
            let hint = "a directory of photographs, one photograph, or an MJPEG file".to_owned();
            self.complain(&at.key("path"), "is needed for source = \"replay\"", "found nothing to play", Some(hint));
        } else if path.is_dir() && pictures_in(&path).is_ok_and(|files| files.is_empty()) {
            let found = format!("`{}` holds no picture (.jpg, .jpeg, .jfif, .jpe, .png or .webp)", path.display());
            self.absent(Absent::Camera, &at.key("path"), "has nothing to play", found, None);
        } else if let Some(what) = video(&path) {
            let found = format!("`{}` is {what}", path.display());
            let hint = r#"source = "command" plays it: command = ["ffmpeg", "-re", "-i", "FILE", "-f", "mjpeg", "-q:v", "4", "-"]"#;
            self.complain(&at.key("path"), "cannot be played", found, Some(hint.into()));
        } else if is_empty_stream(&path) {
            let found = format!("`{}` holds no JPEG at its beginning", path.display());
            let hint = "an MJPEG file is JPEG pictures, one behind the other".to_owned();
            self.absent(Absent::Camera, &at.key("path"), "has nothing to play", found, Some(hint));
        } else if path.exists() && !path.is_dir() && !path.is_file() {
            let found = format!("`{}` is neither a file nor a directory", path.display());
            self.complain(&at.key("path"), "cannot be played", found, None);
        } else if !path.exists() {
            self.absent(
                Absent::Camera,
                &at.key("path"),
                "does not exist",
                format!("found no `{}`", path.display()),
                None,
            );
        }
        CameraSource::Replay { path, fps: camera.fps, repeat: camera.repeat }
    }
}

/// A program named by a path (relative to the configuration's directory) or found on the PATH.
pub(super) fn find_program(name: &str, base: &Path) -> Option<PathBuf> {
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![resolve(base, Path::new(name))]
    } else {
        std::env::split_paths(&std::env::var_os("PATH")?).map(|directory| directory.join(name)).collect()
    };
    candidates.into_iter().find(|path| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file())
}

/// What the file is, if it is a video that is no sequence of JPEG pictures.
fn video(path: &Path) -> Option<&'static str> {
    let head = head(path, HEAD_BYTES)?;
    foreign::name(&head).filter(|what| !foreign::is_readable(what) && foreign::picture(&head).is_none())
}

/// Whether a file that is called as MJPEG is has no picture where the first one should be.
fn is_empty_stream(path: &Path) -> bool {
    let is_stream =
        path.extension().is_some_and(|end| end.eq_ignore_ascii_case("mjpeg") || end.eq_ignore_ascii_case("mjpg"));
    is_stream && head(path, STREAM_HEAD_BYTES).is_some_and(|head| !head.windows(START.len()).any(|pair| pair == START))
}

/// How a file begins; `None` if it is none, or cannot be read.
fn head(path: &Path, most: u64) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    if !path.is_file() {
        return None;
    }
    std::fs::File::open(path).ok()?.take(most).read_to_end(&mut head).ok()?;
    Some(head)
}

/// Bytes within which an MJPEG file has its first picture.
const STREAM_HEAD_BYTES: u64 = 64 << 10;

/// Bytes that show what a file is.
const HEAD_BYTES: u64 = 1024;
