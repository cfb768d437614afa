//! A text that was changed, and why one was not.

use super::super::diagnostics::Problems;
use crate::directories::NotReplaced;

/// The path of a key or a table that a change is about, and the text that a key is to have.
pub(super) type Asked = (Vec<String>, Option<String>);

/// A changed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    pub text: String,
    /// The tables that were changed or added, alone, for somebody who edits the file by hand.
    pub lines: String,
}

/// Why a configuration was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("the daemon runs without a configuration file, so there is nothing to change")]
    NoFile,
    #[error("the configuration is not valid TOML now; correct it first")]
    NotToml,
    #[error("the file has no [views.{0}]")]
    NoView(String),
    #[error("`{0}` is no name of a view: letters, digits, `_` and `-`")]
    Name(String),
    #[error("`{0}` is no table in the file")]
    NoTable(String),
    #[error("the file names its cameras, so they are changed there, in [cameras.NAME]")]
    NamedCameras,
    #[error("[camera.controls] is for a USB camera; take it out of the file first")]
    Controls,
    /// Which file and line, and which key.
    #[error("{place} sets `{key}`, and is read after this file; change it there")]
    Overridden { place: String, key: String },
    /// The file as it is, or as it would be, cannot work.
    #[error("{}", .0.summary())]
    Problems(Problems),
    #[error(transparent)]
    NotReplaced(#[from] NotReplaced),
    #[error("changing the configuration panicked")]
    Panicked,
}

impl From<Problems> for EditError {
    fn from(problems: Problems) -> Self {
        Self::Problems(problems)
    }
}
