//! What a camera, a program or files have in common.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::camera::Negotiated;
use crate::domain::frame::Encoding;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::slot::WhenFull;

/// Opens a source; asked again after each loss.
pub trait Opener: Send {
    /// # Errors
    /// Why there is no source now; the caller retries.
    fn open(&mut self) -> Result<Box<dyn Source>, CaptureError>;

    /// For log lines: which source this is.
    fn describe(&self) -> String;

    /// Waits before the next try, at most for `time`; true if something has changed that makes a try worth while.
    fn wait(&mut self, time: Duration, shutdown: &Shutdown) -> bool {
        shutdown.sleep(time);
        false
    }

    /// What becomes of a frame while an earlier one is still being labelled.
    fn when_full(&self) -> WhenFull {
        WhenFull::Overwrite
    }
}

/// An open source. It belongs to the thread that opened it.
pub trait Source {
    /// Fills `bytes` with the next frame if one comes within `patience`.
    ///
    /// # Errors
    /// [`CaptureError::Ended`] after the last frame; anything else means that the source has to be opened again.
    fn read(&mut self, bytes: &mut Vec<u8>, patience: Duration) -> Result<Read, CaptureError>;

    /// What was agreed with a driver, for sources that have one.
    fn negotiated(&self) -> Option<Negotiated> {
        None
    }
}

/// What became of a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    Frame(Captured),
    /// Nothing came in time.
    Nothing,
    /// Something came that is no picture; why.
    Corrupt(&'static str),
}

/// What the bytes of a frame are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    pub encoding: Encoding,
    /// The file a replayed frame comes from.
    pub origin: Option<Arc<str>>,
}

/// Why a source gives no frames.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    #[error("no more frames")]
    Ended,
    #[error("cannot open {source_name}: {cause}")]
    Open { source_name: String, cause: String },
    #[error("lost {source_name}: {cause}")]
    Lost { source_name: String, cause: String },
    #[error("no frame for {} ms", after.as_millis())]
    Stalled { after: Duration },
    #[error("{run} damaged frames in a row; the last: {cause}")]
    Corrupt { run: u32, cause: &'static str },
    #[error("the picture has been the same for {} s", for_time.as_secs())]
    Frozen { for_time: Duration },
}
