//! The download of a model of the catalogue: at most one at a time.

use std::path::PathBuf;
use std::sync::Arc;

use glimpsed_base::leaving;
use glimpsed_base::sync::Mutex;
use glimpsed_core::models::catalog::Entry;
use glimpsed_core::models::fetch::FetchError;
use serde::Serialize;
use serde_json::{Value, json};

/// Where models are searched for, and where they come from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelFiles {
    /// In order.
    pub searched: Vec<PathBuf>,
    /// In place of their publishers.
    pub mirror: Option<String>,
}

/// The download that is under way, or was last. It outlives the web server, which another configuration may restart.
#[derive(Clone, Default)]
pub struct Downloads(Arc<Mutex<Option<Download>>>);

/// One download.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Download {
    pub(super) name: &'static str,
    pub(super) state: DownloadState,
    pub(super) bytes: u64,
    total: u64,
    /// Bytes, while it runs.
    pub(super) per_second: Option<u64>,
    error: Option<String>,
    /// What somebody with the rights to write there would run instead.
    command: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DownloadState {
    Running,
    Stopping,
    Stopped,
    Failed,
    Done,
}

impl Downloads {
    /// `null` before the first.
    pub(super) fn json(&self) -> Value {
        json!(*self.0.lock())
    }

    /// Changes the download, and returns what it is then.
    pub(super) fn change(&self, change: impl FnOnce(&mut Download)) -> DownloadState {
        let mut current = self.0.lock();
        current.as_mut().map(change);
        current.as_ref().map_or(DownloadState::Stopping, |download| download.state)
    }

    /// The download, if one can begin: at most one is under way.
    pub(super) fn begin(&self, entry: &'static Entry) -> Result<(), &'static str> {
        let mut current = self.0.lock();
        match &*current {
            Some(Download { name, state: DownloadState::Running | DownloadState::Stopping, .. }) => Err(name),
            _ => {
                *current = Some(Download::of(entry));
                Ok(())
            }
        }
    }
}

impl Download {
    fn of(entry: &'static Entry) -> Self {
        let (state, per_second, error, command) = (DownloadState::Running, None, None, None);
        Self { name: &entry.name, state, bytes: 0, total: entry.bytes, per_second, error, command }
    }

    pub(super) fn ended(&mut self, outcome: Result<(), FetchError>) {
        self.per_second = None;
        self.state = match outcome {
            Ok(()) => DownloadState::Done,
            Err(FetchError::Stopped) => DownloadState::Stopped,
            Err(error) => {
                if matches!(error, FetchError::Local { .. }) {
                    self.command = Some(format!("sudo glimpsed models fetch {}", self.name));
                }
                self.error = Some(leaving::cleaned(error));
                DownloadState::Failed
            }
        };
    }
}
