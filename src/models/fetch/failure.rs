//! Where bytes come from, how long they are waited for, and why there are none.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

/// How patient a download is.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For the name, the connection, the head of the answer, and each piece of the file.
    pub silence: Duration,
    /// In each such time, at least so many bytes have to come.
    pub window: Duration,
    pub least_bytes: u64,
    /// Before another try after a broken connection, one each.
    pub pauses: Vec<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(30),
            // A kilobyte a second: MobileNet-v2 int8 would take an hour.
            window: Duration::from_secs(60),
            least_bytes: 60 << 10,
            pauses: [1, 3, 10].map(Duration::from_secs).to_vec(),
        }
    }
}

/// Why there is no file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error(
        "comes with glimpsed and has no address to download it from; reinstall glimpsed, or name a mirror with --from"
    )]
    NoAddress,
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

/// Where the bytes come from, from some offset on.
pub(super) struct Stream {
    pub(super) reader: Box<dyn Read>,
    /// Where they begin: at the beginning where the source cannot begin elsewhere, or has another file by now.
    pub(super) offset: u64,
    /// What tells this version of the file from others.
    pub(super) etag: Option<String>,
}

/// A broken connection is worth another try, a wrong file is not.
pub(super) enum Failure {
    Again(FetchError),
    Final(FetchError),
}
