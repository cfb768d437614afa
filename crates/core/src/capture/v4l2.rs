//! USB cameras through V4L2, streamed with the `v4l` crate.
//!
//! nokhwa, a wrapper around this crate, only lists the cameras ([`super::discover`]). Its streaming waits without a
//! timeout, ignores how many bytes the driver wrote, refuses cameras whose frame rate is not an integer, requests grey
//! as "GRAY" where V4L2 has "GREY", and misreads a range of sizes as a diagonal.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use v4l::buffer::{Flags, Type};
use v4l::format::FourCC;
use v4l::fraction::Fraction;
use v4l::frameinterval::FrameIntervalEnum;
use v4l::io::traits::{CaptureStream, Stream};
use v4l::prelude::MmapStream;
use v4l::video::Capture;
use v4l::video::capture::Parameters;
use v4l::{Device, Format};

use super::claims::Claim;
use super::controls::{self, ControlInfo};
use super::device::{explain, is_gone, no_camera};
use super::discover::{self, CameraInfo, rate};
use super::pixel_formats::{Unpacker, acceptable, raw};
use super::source::{CaptureError, Captured, Opener, Read, Source};
use crate::config::raw::{ControlValue, FormatChoice};
use crate::domain::camera::Negotiated;
use glimpsed_base::budget;
use glimpsed_base::shutdown::Shutdown;

/// The name of a device that is to be found.
const AUTO: &str = "auto";

/// One buffer is read here while the driver has the others; more would only make frames older.
const BUFFERS: u32 = 4;

/// Longest block of a wait before shutdown is checked again.
const LOOK_UP: Duration = Duration::from_millis(500);

/// Shortest wait between two attempts, for a device that comes and goes in quick succession.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);

/// Timeout of the dequeue. The preceding poll has reported a frame, so this does not wait.
const DEQUEUE: Duration = Duration::from_millis(100);

/// What is asked of a camera.
pub(super) struct Asked {
    pub size: (u32, u32),
    pub fps: f64,
    pub format: FormatChoice,
    pub controls: BTreeMap<String, ControlValue>,
}

pub(super) struct V4l2Opener {
    /// `auto`: the first that there is.
    device: PathBuf,
    asked: Asked,
    /// Whether the device did not exist at the last attempt.
    missing: bool,
    /// On the device that is configured, so that `auto` of another camera leaves it.
    _claim: Option<Claim>,
}

impl V4l2Opener {
    pub(super) fn new(device: PathBuf, asked: Asked) -> Self {
        let claim = (device != Path::new(AUTO)).then(|| Claim::named(&device));
        Self { device, asked, missing: false, _claim: claim }
    }

    fn is_auto(&self) -> bool {
        self.device == Path::new(AUTO)
    }

    /// The configured device, or the first camera that opens and that no other camera of the configuration has.
    fn try_open(&self) -> Result<V4l2Source, String> {
        if !self.is_auto() {
            return self.open_device(&self.device, None);
        }
        let mut passed_over = Vec::new();
        for CameraInfo { device, problem, formats, .. } in discover::cameras() {
            let tried = match (problem, formats.iter().any(|format| is_acceptable(&format.fourcc))) {
                (Some(problem), _) => Err(problem),
                (None, false) => Err("it gives no pictures that can be read".into()),
                (None, true) => match Claim::found(&device) {
                    Some(claim) => self.open_device(&device, Some(claim)),
                    None => Err("it is another camera's of this configuration".into()),
                },
            };
            match tried {
                Ok(source) => {
                    if !passed_over.is_empty() {
                        tracing::info!(device = %device.display(), passed_over = passed_over.join("; "), "the first camera that opens");
                    }
                    return Ok(source);
                }
                Err(cause) => passed_over.push(format!("{}: {cause}", device.display())),
            }
        }
        match passed_over.is_empty() {
            true => Err("there is no V4L2 camera; is it plugged in?".into()),
            false => Err(format!("there is no camera to read: {}", passed_over.join("; "))),
        }
    }

    fn open_device(&self, path: &Path, claim: Option<Claim>) -> Result<V4l2Source, String> {
        let explain = |error: io::Error| explain(&error, path);
        let device = Device::with_path(path).map_err(explain)?;
        if let Some(problem) = no_camera(&device) {
            return Err(problem);
        }
        let format = self.negotiate(&device, path)?;
        let interval = nearest_interval(&device, &format, self.asked.fps);
        // Not every driver can set the rate; the frames then come at the driver's own.
        let fps = device.set_params(&Parameters::new(interval)).ok().map(|params| rate(params.interval));
        controls::set(&device, &self.asked.controls).map_err(|cause| cause.to_string())?;
        let mut stream = MmapStream::with_buffers(&device, Type::VideoCapture, BUFFERS).map_err(explain)?;
        stream.set_timeout(DEQUEUE);
        start(&mut stream).map_err(explain)?;
        tracing::info!(
            device = %path.display(), format = %format.fourcc, width = format.width, height = format.height, fps,
            "camera opened"
        );
        let name = format!("camera {}", path.display());
        Ok(V4l2Source { stream: Some(stream), device, format, fps, name, unpacker: Unpacker::default(), _claim: claim })
    }

    /// Sets the most preferred pixel format that the camera has. The driver picks the nearest size by itself.
    fn negotiate(&self, device: &Device, path: &Path) -> Result<Format, String> {
        let explain = |error: io::Error| explain(&error, path);
        let offered = device.enum_formats().map_err(explain)?;
        let wanted = acceptable(self.asked.format);
        let Some(fourcc) = wanted.iter().find(|wanted| offered.iter().any(|offered| offered.fourcc.repr == ***wanted))
        else {
            let names = offered.iter().map(|offered| offered.fourcc.to_string());
            let names: Vec<String> = names.filter(|name| !name.trim().is_empty()).collect();
            let wanted: Vec<_> = wanted.iter().map(|wanted| String::from_utf8_lossy(*wanted)).collect();
            return Err(format!(
                "it offers {}, and none of what was asked for: {}",
                names.join(", "),
                wanted.join(", ")
            ));
        };
        let asked = Format::new(self.asked.size.0, self.asked.size.1, FourCC::new(fourcc));
        let format = device.set_format(&asked).map_err(explain)?;
        if format.fourcc.repr != **fourcc || format.width == 0 || format.height == 0 {
            let Format { fourcc, width, height, .. } = format;
            return Err(format!("it answered {fourcc} {width}x{height} instead of {}", asked.fourcc));
        }
        match raw(fourcc).map(|raw| raw.bytes(format.width, format.height)) {
            Some(bytes) if bytes > budget::RAW_FRAME => Err(format!(
                "a frame of {}x{} in {} has {} MB, and at most {} are read; choose a smaller size or MJPEG",
                format.width,
                format.height,
                format.fourcc,
                bytes / 1_000_000,
                budget::RAW_FRAME / 1_000_000
            )),
            _ => Ok(format),
        }
    }
}

fn is_acceptable(fourcc: &str) -> bool {
    acceptable(FormatChoice::Auto).iter().any(|known| fourcc.as_bytes() == known.as_slice())
}

impl Opener for V4l2Opener {
    fn open(&mut self) -> Result<Box<dyn Source>, CaptureError> {
        self.missing = !self.device.exists();
        // The library panics on names that are no UTF-8, and the like.
        let opened = catch_unwind(AssertUnwindSafe(|| self.try_open()))
            .unwrap_or_else(|_| Err("its driver answers what is not understood".into()));
        match opened {
            Ok(source) => Ok(Box::new(source)),
            Err(cause) => Err(CaptureError::Open { source_name: self.describe(), cause }),
        }
    }

    fn describe(&self) -> String {
        match self.is_auto() {
            true => "the first V4L2 camera".into(),
            false => format!("camera {}", self.device.display()),
        }
    }

    fn callee(&self) -> &'static str {
        "the camera's driver"
    }

    /// Also returns when a video device appears or changes its permissions.
    fn wait(&mut self, time: Duration, shutdown: &Shutdown) -> bool {
        let shortest = time.min(SHORTEST_WAIT);
        if shutdown.sleep(shortest) {
            return false;
        }
        match self.wait_for_device(time - shortest, shutdown) {
            Ok(appeared) => appeared,
            // Without inotify (unsupported file system, no watch left) only the time counts.
            Err(_) => {
                shutdown.sleep(time - shortest);
                false
            }
        }
    }
}

impl V4l2Opener {
    fn wait_for_device(&self, time: Duration, shutdown: &Shutdown) -> rustix::io::Result<bool> {
        let watcher = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
        let flags = inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::ATTRIB;
        inotify::add_watch(&watcher, "/dev", flags)?;
        // Stable names are links in directories that exist only while a camera is connected.
        let parent = self.device.parent().filter(|parent| *parent != Path::new("/dev"));
        let _ = parent.map(|parent| inotify::add_watch(&watcher, parent, flags));
        // The device may have appeared between the failed attempt and the watch.
        if self.missing && self.device.exists() {
            return Ok(true);
        }
        let deadline = Instant::now() + time;
        let mut buffer = [std::mem::MaybeUninit::uninit(); 1024];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || shutdown.is_set() {
                return Ok(false);
            }
            let timeout = Timespec::try_from(left.min(LOOK_UP)).map_err(|_| rustix::io::Errno::INVAL)?;
            match poll(&mut [PollFd::new(&watcher, PollFlags::IN)], Some(&timeout)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error),
            }
            let mut reader = inotify::Reader::new(&watcher, &mut buffer);
            while let Ok(event) = reader.next() {
                let name = event.file_name().map(|name| name.to_string_lossy());
                let ours = self.device.file_name().unwrap_or_default().to_string_lossy();
                if name.is_some_and(|name| name.starts_with("video") || name == ours) {
                    return Ok(true);
                }
            }
        }
    }
}

struct V4l2Source {
    /// `None` only during drop.
    stream: Option<MmapStream<'static>>,
    device: Device,
    format: Format,
    /// The rate that the driver agreed to, in frames per second.
    fps: Option<f64>,
    name: String,
    unpacker: Unpacker,
    /// On a device that `auto` has found.
    _claim: Option<Claim>,
}

impl Source for V4l2Source {
    fn read(&mut self, bytes: &mut Vec<u8>, patience: Duration) -> Result<Read, CaptureError> {
        let name = &self.name;
        let lost =
            |error: io::Error| CaptureError::Lost { source_name: name.clone(), cause: explain(&error, Path::new("")) };
        let milliseconds = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
        match self.device.handle().poll(PollFlags::IN.bits() as i16, milliseconds) {
            Ok(0) => return Ok(Read::Nothing),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Read::Nothing),
            Ok(_) => {}
            Err(error) => return Err(lost(error)),
        }
        let Some(stream) = &mut self.stream else { return Err(lost(io::ErrorKind::NotConnected.into())) };
        let (buffer, metadata) = stream.next().map_err(lost)?;
        if metadata.flags.contains(Flags::ERROR) {
            return Ok(Read::Corrupt("the driver marked it as damaged"));
        }
        // The buffer is the driver's whole one; behind the picture it has bytes of older frames.
        let frame = &buffer[..buffer.len().min(metadata.bytesused as usize)];
        bytes.clear();
        match self.unpacker.unpack(&self.format, frame, bytes) {
            Ok(encoding) => Ok(Read::Frame(Captured::new(encoding))),
            Err(cause) => Ok(Read::Corrupt(cause)),
        }
    }

    fn hint(&self) -> Option<&'static str> {
        controls::is_covered(&self.device).then_some("the camera says that its privacy shutter is closed")
    }

    fn controls(&self) -> Vec<ControlInfo> {
        controls::controls(&self.device)
    }

    fn negotiated(&self) -> Option<Negotiated> {
        let Format { width, height, fourcc, .. } = self.format;
        Some(Negotiated { format: fourcc.to_string(), width, height, fps: self.fps })
    }
}

impl Drop for V4l2Source {
    /// The stream's own drop panics on any error but ENODEV. So it is stopped here first. If that fails, its four
    /// buffers are leaked, so that the daemon survives.
    fn drop(&mut self) {
        let Some(mut stream) = self.stream.take() else { return };
        match stream.stop() {
            Ok(()) => drop(stream),
            Err(error) if is_gone(&error) => drop(stream),
            Err(error) => {
                tracing::warn!(source = %self.name, %error, "the camera's stream cannot be stopped");
                std::mem::forget(stream);
            }
        }
    }
}

/// Starts without waiting for the first frame. The stream itself queues buffer 0 at its first `next`.
fn start(stream: &mut MmapStream<'_>) -> io::Result<()> {
    for index in 1..BUFFERS as usize {
        // The driver may have allocated fewer.
        if CaptureStream::queue(stream, index).is_err() {
            break;
        }
    }
    Stream::start(stream)
}

/// The camera's frame interval that is nearest to the requested rate. (For an interval that the camera does not have, a
/// driver takes the next shorter one.)
fn nearest_interval(device: &Device, format: &Format, fps: f64) -> Fraction {
    let offered = device.enum_frameintervals(format.fourcc, format.width, format.height).unwrap_or_default();
    let discrete = offered.into_iter().filter_map(|offered| match offered.interval {
        FrameIntervalEnum::Discrete(interval) => Some(interval),
        FrameIntervalEnum::Stepwise(_) => None,
    });
    let distance = |interval: &Fraction| (rate(*interval) - fps).abs();
    let nearest = discrete.min_by(|a, b| distance(a).total_cmp(&distance(b)));
    nearest.unwrap_or_else(|| Fraction::new(1000, (1000.0 * fps).round() as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opener(device: &str) -> V4l2Opener {
        let asked = Asked { size: (640, 480), fps: 10.0, format: FormatChoice::Auto, controls: BTreeMap::new() };
        V4l2Opener::new(device.into(), asked)
    }

    #[test]
    fn a_missing_device_is_named_with_what_to_do() {
        let mut opener = opener("/dev/video-none");
        let error = opener.open().err().map(|error| error.to_string());
        let expected = "cannot open camera /dev/video-none: there is no such device; is the camera plugged in?";
        assert_eq!(error.as_deref(), Some(expected));
    }

    #[test]
    fn what_is_no_camera_is_refused() {
        let mut opener = opener("/dev/null");
        assert!(opener.open().is_err());
    }
}
