//! Replays files as a camera: a directory of photographs, one photograph, or an MJPEG stream in a file.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::mjpeg::{Next, Splitter};
use super::source::{CaptureError, Captured, Opener, Read, Source};
use crate::domain::frame::Encoding;
use glimpsed_base::files::pictures_in;
use glimpsed_base::slot::WhenFull;
use glimpsed_base::{budget, files};
use glimpsed_jpeg::{START, Scan, Scanner};

pub(super) struct ReplayOpener {
    path: PathBuf,
    interval: Duration,
    repeat: bool,
}

impl ReplayOpener {
    pub(super) fn new(path: PathBuf, fps: f64, repeat: bool) -> Self {
        Self { path, interval: Duration::from_secs_f64(1.0 / fps), repeat }
    }

    fn fail(&self, cause: impl Into<String>) -> CaptureError {
        CaptureError::Open { source_name: self.describe(), cause: cause.into() }
    }
}

impl Opener for ReplayOpener {
    fn open(&mut self) -> Result<Box<dyn Source>, CaptureError> {
        let content = if self.path.is_dir() {
            let files = pictures_in(&self.path).map_err(|error| self.fail(error.to_string()))?;
            if files.is_empty() {
                return Err(self.fail("the directory holds no picture (.jpg, .jpeg, .jfif, .jpe, .png or .webp)"));
            }
            Content::Photographs { files, next: 0 }
        } else if is_stream(&self.path).map_err(|error| self.fail(error.to_string()))? {
            Content::Stream(Stream::open(&self.path).map_err(|error| self.fail(error.to_string()))?)
        } else {
            Content::Photographs { files: vec![self.path.clone()], next: 0 }
        };
        let pace = Pace { interval: self.interval, due: Instant::now() };
        Ok(Box::new(Replay { content, pace, repeat: self.repeat, name: self.describe() }))
    }

    fn describe(&self) -> String {
        format!("replay of {}", self.path.display())
    }

    fn callee(&self) -> &'static str {
        "the file system of the pictures"
    }

    fn when_full(&self) -> WhenFull {
        WhenFull::Wait
    }
}

struct Replay {
    content: Content,
    pace: Pace,
    repeat: bool,
    name: String,
}

enum Content {
    Photographs { files: Vec<PathBuf>, next: usize },
    Stream(Stream),
}

impl Source for Replay {
    fn read(&mut self, bytes: &mut Vec<u8>, patience: Duration) -> Result<Read, CaptureError> {
        if !self.pace.wait(patience) {
            return Ok(Read::Nothing);
        }
        let lost =
            |error: std::io::Error| CaptureError::Lost { source_name: self.name.clone(), cause: error.to_string() };
        let captured = match &mut self.content {
            Content::Photographs { files, next } => {
                if *next == files.len() && self.repeat {
                    *next = 0;
                }
                let file = files.get(*next).ok_or(CaptureError::Ended)?;
                *next += 1;
                if let Err(cause) = files::read_into(file, budget::PICTURE_FILE, bytes) {
                    tracing::warn!(file = %file.display(), %cause, "a photograph was skipped");
                    self.pace.advance();
                    return Ok(Read::Nothing);
                }
                Captured { encoding: Encoding::File, origin: Some(file_name(file)), unchanged: false }
            }
            Content::Stream(stream) => {
                match stream.next_into(bytes).map_err(lost)? {
                    Progress::Picture => {}
                    Progress::More => return Ok(Read::Nothing),
                    Progress::Skipped(cause) => return Ok(Read::Corrupt(cause)),
                    Progress::End if !self.repeat => return Err(CaptureError::Ended),
                    Progress::End if !stream.had_pictures => {
                        let cause = match stream.splitter.foreign(true) {
                            Some(what) => {
                                format!("it is {what}, not MJPEG; `source = \"command\"` with ffmpeg reads videos")
                            }
                            None => "it holds no whole picture".into(),
                        };
                        return Err(CaptureError::Lost { source_name: self.name.clone(), cause });
                    }
                    Progress::End => {
                        stream.rewind().map_err(lost)?;
                        return Ok(Read::Nothing);
                    }
                }
                Captured { encoding: Encoding::Jpeg, origin: Some(stream.name.clone()), unchanged: false }
            }
        };
        self.pace.advance();
        Ok(Read::Frame(captured))
    }
}

/// Paces the frames by the system clock, one per interval; a slower consumer sets the pace instead.
struct Pace {
    interval: Duration,
    due: Instant,
}

impl Pace {
    /// Sleeps until a frame is due, at most for `patience`; true if one is due.
    fn wait(&self, patience: Duration) -> bool {
        let left = self.due.saturating_duration_since(Instant::now());
        std::thread::sleep(left.min(patience));
        left <= patience
    }

    fn advance(&mut self) {
        self.due = (self.due + self.interval).max(Instant::now());
    }
}

/// An MJPEG file, read in chunks.
struct Stream {
    path: PathBuf,
    name: Arc<str>,
    file: File,
    splitter: Splitter,
    portion: Vec<u8>,
    /// Whether a picture was found since the last rewind.
    had_pictures: bool,
}

impl Stream {
    fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            name: file_name(path),
            file,
            splitter: Splitter::new(),
            portion: vec![0; 64 << 10],
            had_pictures: false,
        })
    }

    fn rewind(&mut self) -> std::io::Result<()> {
        *self = Self::open(&self.path)?;
        Ok(())
    }

    /// Reads a bounded part of the file, so that a long one without pictures does not block the caller.
    fn next_into(&mut self, picture: &mut Vec<u8>) -> std::io::Result<Progress> {
        for _ in 0..PORTIONS {
            match self.splitter.next_into(picture) {
                Next::Picture => {
                    self.had_pictures = true;
                    return Ok(Progress::Picture);
                }
                Next::Skipped(cause) => return Ok(Progress::Skipped(cause)),
                Next::More => {}
            }
            match self.file.read(&mut self.portion)? {
                0 if self.splitter.finish_into(picture) => {
                    self.had_pictures = true;
                    return Ok(Progress::Picture);
                }
                0 => return Ok(self.splitter.cut_short().map_or(Progress::End, Progress::Skipped)),
                read => self.splitter.push(&self.portion[..read]),
            }
        }
        Ok(Progress::More)
    }
}

/// The result of reading a part of the stream.
enum Progress {
    Picture,
    /// Bytes that are no whole picture, for this reason.
    Skipped(&'static str),
    /// No picture yet, but the file continues.
    More,
    End,
}

/// Chunks of 64 KiB that are read per call.
const PORTIONS: usize = 64;

fn file_name(path: &Path) -> Arc<str> {
    path.file_name().unwrap_or_default().to_string_lossy().into()
}

/// Whether a file is a sequence of JPEG pictures. A photograph may have other data behind its end (phones append
/// videos), so only another picture counts.
fn is_stream(path: &Path) -> std::io::Result<bool> {
    if path
        .extension()
        .is_some_and(|extension| ["mjpeg", "mjpg"].iter().any(|known| extension.eq_ignore_ascii_case(known)))
    {
        return Ok(true);
    }
    let mut head = Vec::new();
    File::open(path)?.take(budget::CAMERA_PICTURE as u64).read_to_end(&mut head)?;
    Ok(match Scanner::default().scan(&head) {
        // Without end markers the next picture begins where this one breaks off.
        Scan::Complete(end) | Scan::Broken(end) => {
            end > 0 && head[end..].starts_with(&START) && path.extension().is_none_or(|extension| extension.is_empty())
        }
        Scan::Incomplete => false,
    })
}
