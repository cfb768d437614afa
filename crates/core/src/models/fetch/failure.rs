//! The stream of a download, its limits, and the reasons for failure.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

/// The limits and retries of a download.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Timeout for name resolution, the connection, the response headers, and each read of the body.
    pub silence: Duration,
    /// The lower limit on throughput: `least_bytes` in each such time.
    pub window: Duration,
    pub least_bytes: u64,
    /// Back-off: the wait before each retry after a broken connection.
    pub pauses: Vec<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(30),
            // A kilobyte per second, at which MobileNet-v2 int8 would take an hour.
            window: Duration::from_secs(60),
            least_bytes: 60 << 10,
            pauses: [1, 3, 10].map(Duration::from_secs).to_vec(),
        }
    }
}

/// Why a download failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error(
        "comes with glimpsed and has no address to download it from; reinstall glimpsed, or name a mirror with `--from` or `mirror` in [model]"
    )]
    NoAddress,
    #[error("there is no directory to put it; set `directory` in [model]")]
    NoDirectory,
    #[error("it was stopped; the next attempt goes on from there")]
    Stopped,
    #[error("another download into `{0}` is under way; wait for its end")]
    Locked(PathBuf),
    #[error("there is not enough space in `{directory}`: {needed} bytes are needed, {free} are free")]
    NoSpace { directory: PathBuf, needed: u64, free: u64 },
    #[error("cannot write into `{path}`: {cause}")]
    Local { path: PathBuf, cause: String },
    #[error("{from}: {cause}")]
    Source { from: String, cause: String },
    #[error("{from}: has {found} bytes, but the model has {expected}; this is another file")]
    WrongSize { from: String, found: u64, expected: u64 },
    #[error(
        "{from}: what arrived is not the model that the catalogue means (its sha256 is {found}, not {expected}), so it was \
         deleted; somebody has replaced the file, or a proxy has answered in its destination"
    )]
    WrongHash { from: String, found: String, expected: String },
}

/// The bytes of a file from some offset on.
pub(super) struct Stream {
    pub(super) reader: Box<dyn Read>,
    /// Offset of the first byte. It is 0 if the source cannot resume, or has another version of the file by now.
    pub(super) offset: u64,
    /// Identifies this version of the file.
    pub(super) etag: Option<String>,
}

/// A broken connection is worth a retry, a wrong file is not.
pub(super) enum Failure {
    Again(FetchError),
    Final(FetchError),
}
