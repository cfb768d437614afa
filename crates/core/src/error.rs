//! The errors that end a command, and their exit codes.

use std::path::PathBuf;

use crate::capture::source::CaptureError;
use crate::compare::CompareError;
use crate::config::diagnostics::Problems;
use crate::infer::ModelError;
use crate::pipeline::orders::OrderError;
use crate::preprocess::decode::DecodeError;
use glimpsed_base::thread::{NotStarted, Panicked};

/// The error that ended a command. Each variant names the object; the cause follows.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Config(Problems),
    #[error("model `{name}`: {cause}")]
    Model { name: String, cause: ModelError },
    #[error("{0}")]
    Camera(#[from] CaptureError),
    #[error("{} {cause}", path.display())]
    Image { path: PathBuf, cause: DecodeError },
    #[error("{0}")]
    Unreachable(String),
    #[error("{what}: {cause}")]
    Io { what: String, cause: std::io::Error },
    #[error("{0}")]
    Failed(String),
}

impl Error {
    /// 1: failed, 69: camera or broker unreachable, 78: configuration. 64 (usage) is clap's.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Model { .. } => 78,
            Self::Camera(_) | Self::Unreachable(_) => 69,
            Self::Image { .. } | Self::Io { .. } | Self::Failed(_) => 1,
        }
    }

    /// An error whose text says all that there is to say.
    pub fn failed(cause: impl std::fmt::Display) -> Self {
        Self::Failed(cause.to_string())
    }

    /// Wraps an I/O error with a description of the operation.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |cause| Self::Io { what, cause }
    }
}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        Self::Config(problems)
    }
}

impl From<CompareError> for Error {
    fn from(error: CompareError) -> Self {
        Self::failed(error)
    }
}

impl From<OrderError> for Error {
    fn from(error: OrderError) -> Self {
        Self::failed(error)
    }
}

impl From<NotStarted> for Error {
    fn from(not_started: NotStarted) -> Self {
        Self::failed(not_started)
    }
}

impl From<Panicked> for Error {
    fn from(panicked: Panicked) -> Self {
        Self::Failed(panicked.to_string())
    }
}

pub type Result<T> = std::result::Result<T, Error>;
