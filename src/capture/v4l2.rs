//! USB cameras through V4L2, streamed with the `v4l` crate.
//!
//! nokhwa, a wrapper around this crate, only lists the cameras ([`super::discover`]). Its streaming waits without a
//! timeout, ignores how many bytes the driver wrote, refuses cameras whose frame rate is not an integer, requests grey
//! as "GRAY" where V4L2 has "GREY", and misreads a range of sizes as a diagonal.

use std::io;
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

use super::source::{CaptureError, Captured, Opener, Read, Source};
use crate::config::raw::FormatChoice;
use crate::domain::camera::Negotiated;
use crate::domain::frame::{Encoding, RawFormat};
use glimpsed_base::shutdown::Shutdown;
use glimpsed_jpeg::{Scan, Scanner, huffman};

/// One buffer is read here while the driver has the others; more would only make frames older.
const BUFFERS: u32 = 4;

/// Longest block of a wait before shutdown is checked again.
const LOOK_UP: Duration = Duration::from_millis(500);

/// Shortest wait between two attempts, for a device that comes and goes in quick succession.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);

/// Timeout of the dequeue. The preceding poll has reported a frame, so this does not wait.
const DEQUEUE: Duration = Duration::from_millis(100);

pub(super) struct V4l2Opener {
    device: PathBuf,
    size: (u32, u32),
    fps: f64,
    format: FormatChoice,
    /// Whether the device did not exist at the last attempt.
    missing: bool,
}

impl V4l2Opener {
    pub(super) fn new(device: PathBuf, size: (u32, u32), fps: f64, format: FormatChoice) -> Self {
        Self { device, size, fps, format, missing: false }
    }

    fn try_open(&self) -> Result<V4l2Source, String> {
        let device = Device::with_path(&self.device).map_err(|error| explain(&error, &self.device))?;
        let format = self.negotiate(&device)?;
        let interval = nearest_interval(&device, &format, self.fps);
        // Not every driver can set the rate; the frames then come at the driver's own.
        let fps = device.set_params(&Parameters::new(interval)).ok().map(|params| rate(params.interval));
        let mut stream = MmapStream::with_buffers(&device, Type::VideoCapture, BUFFERS)
            .map_err(|error| explain(&error, &self.device))?;
        stream.set_timeout(DEQUEUE);
        start(&mut stream).map_err(|error| explain(&error, &self.device))?;
        tracing::info!(
            device = %self.device.display(), format = %format.fourcc, width = format.width, height = format.height, fps,
            "camera opened"
        );
        Ok(V4l2Source { stream: Some(stream), device, format, fps, name: self.describe() })
    }

    /// Sets the most preferred pixel format that the camera has. The driver picks the nearest size by itself.
    fn negotiate(&self, device: &Device) -> Result<Format, String> {
        let offered = device.enum_formats().map_err(|error| match error.raw_os_error() {
            Some(EINVAL) => "it is no camera (it gives no pictures)".to_owned(),
            _ => explain(&error, &self.device),
        })?;
        let wanted = acceptable(self.format);
        let Some(fourcc) = wanted.iter().find(|wanted| offered.iter().any(|offered| offered.fourcc.repr == ***wanted))
        else {
            let names: Vec<String> = offered.iter().map(|offered| offered.fourcc.to_string()).collect();
            return Err(format!("it offers {}, and none of what was asked for", names.join(", ")));
        };
        let asked = Format::new(self.size.0, self.size.1, FourCC::new(fourcc));
        let format = device.set_format(&asked).map_err(|error| explain(&error, &self.device))?;
        match format.fourcc.repr == **fourcc && format.width > 0 && format.height > 0 {
            true => Ok(format),
            false => Err(format!(
                "it answered {} {}x{} instead of {}",
                format.fourcc, format.width, format.height, asked.fourcc
            )),
        }
    }
}

impl Opener for V4l2Opener {
    fn open(&mut self) -> Result<Box<dyn Source>, CaptureError> {
        self.missing = !self.device.exists();
        match self.try_open() {
            Ok(source) => Ok(Box::new(source)),
            Err(cause) => Err(CaptureError::Open { source_name: self.describe(), cause }),
        }
    }

    fn describe(&self) -> String {
        format!("camera {}", self.device.display())
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
        match unpack(&self.format, frame, bytes) {
            Some(encoding) => Ok(Read::Frame(Captured { encoding, origin: None })),
            None => Ok(Read::Corrupt("it is cut short")),
        }
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
            Err(error) if error.raw_os_error() == Some(ENODEV) => drop(stream),
            Err(error) => {
                tracing::warn!(source = %self.name, %error, "its stream cannot be stopped");
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

/// Copies a frame out of the driver's buffer: without bytes behind a JPEG, without row padding, and with the Huffman
/// tables that a JPEG may lack. This is the only copy between the driver and the decoder. `None` if the frame is
/// incomplete.
fn unpack(format: &Format, frame: &[u8], out: &mut Vec<u8>) -> Option<Encoding> {
    let (width, height) = (format.width as usize, format.height as usize);
    let raw = |raw| Encoding::Raw { format: raw, width: format.width, height: format.height };
    let (encoding, row_bytes, rows) = match &format.fourcc.repr {
        b"MJPG" | b"JPEG" => match Scanner::default().scan(frame) {
            Scan::Complete(end) => {
                huffman::append_complete(&frame[..end], out);
                return Some(Encoding::Jpeg);
            }
            Scan::Incomplete | Scan::Broken(_) => return None,
        },
        b"YUYV" => (raw(RawFormat::Yuyv), 2 * width, height),
        b"NV12" => (raw(RawFormat::Nv12), width, height + height / 2),
        b"GREY" => (raw(RawFormat::Grey), width, height),
        b"RGB3" => (raw(RawFormat::Rgb), 3 * width, height),
        _ => return None,
    };
    let stride = (format.stride as usize).max(row_bytes);
    // The last row may lack its padding.
    if frame.len() < stride * (rows - 1) + row_bytes {
        return None;
    }
    if stride == row_bytes {
        out.extend_from_slice(&frame[..rows * row_bytes]);
    } else {
        for row in frame.chunks(stride).take(rows) {
            out.extend_from_slice(&row[..row_bytes]);
        }
    }
    Some(encoding)
}

/// In order of preference: MJPEG needs the least USB bandwidth.
fn acceptable(format: FormatChoice) -> &'static [&'static [u8; 4]] {
    match format {
        FormatChoice::Auto => &[b"MJPG", b"YUYV", b"NV12", b"GREY", b"RGB3"],
        FormatChoice::Mjpeg => &[b"MJPG"],
        FormatChoice::Yuyv => &[b"YUYV"],
        FormatChoice::Nv12 => &[b"NV12"],
        FormatChoice::Grey => &[b"GREY"],
    }
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

/// Frames per second.
pub(super) fn rate(interval: Fraction) -> f64 {
    f64::from(interval.denominator) / f64::from(interval.numerator.max(1))
}

/// errno values, the same on all supported Linux architectures.
const EINVAL: i32 = 22;
const ENODEV: i32 = 19;
const EBUSY: i32 = 16;

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

    fn format(fourcc: &[u8; 4], width: u32, height: u32, stride: u32) -> Format {
        let mut format = Format::new(width, height, FourCC::new(fourcc));
        format.stride = stride;
        format
    }

    fn unpacked(format: &Format, frame: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        unpack(format, frame, &mut out).map(|_| out)
    }

    #[test]
    fn padding_behind_each_row_is_left_out() {
        let padded = format(b"GREY", 2, 3, 4);
        assert_eq!(unpacked(&padded, &[1, 2, 0, 0, 3, 4, 0, 0, 5, 6, 0, 0]), Some(vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(unpacked(&padded, &[1, 2, 0, 0, 3, 4, 0, 0, 5, 6]), Some(vec![1, 2, 3, 4, 5, 6]));
        let yuyv = format(b"YUYV", 2, 1, 0);
        assert_eq!(unpacked(&yuyv, &[1, 2, 3, 4, 9, 9]), Some(vec![1, 2, 3, 4]));
    }

    #[test]
    fn frames_with_too_few_bytes_are_corrupt() {
        assert_eq!(unpacked(&format(b"GREY", 2, 3, 2), &[1; 5]), None);
        assert_eq!(unpacked(&format(b"NV12", 2, 2, 2), &[1; 5]), None);
        assert_eq!(unpacked(&format(b"YUYV", 2, 2, 4), &[]), None);
        assert_eq!(unpacked(&format(b"MJPG", 2, 2, 0), &[0xFF, 0xD8, 0xFF]), None);
    }

    #[test]
    fn old_bytes_behind_a_jpeg_are_left_out() {
        // With an (empty) segment of Huffman tables.
        let picture = [0xFF, 0xD8, 0xFF, 0xC4, 0x00, 0x02, 0xFF, 0xDA, 0x00, 0x02, 7, 0xFF, 0xD9];
        let buffer = [&picture[..], &[1, 2, 3, 0xFF, 0xD9]].concat();
        assert_eq!(unpacked(&format(b"MJPG", 2, 2, 0), &buffer), Some(picture.to_vec()));
    }

    #[test]
    fn a_missing_device_is_named_with_what_to_do() {
        let mut opener = V4l2Opener::new("/dev/video-none".into(), (640, 480), 10.0, FormatChoice::Auto);
        let error = opener.open().err().map(|error| error.to_string());
        let expected = "cannot open camera /dev/video-none: there is no such device; is the camera plugged in?";
        assert_eq!(error.as_deref(), Some(expected));
    }

    #[test]
    fn what_is_no_camera_is_refused() {
        let mut opener = V4l2Opener::new("/dev/null".into(), (640, 480), 10.0, FormatChoice::Auto);
        assert!(opener.open().is_err());
    }
}
